"""Training: options of a run, the loop of steps, callbacks, resuming and pictures.

The scripts call this room; nothing below it does.

May import: evaluation, models, augmentation, data, plotting, storage, cli, fields, errors.
"""
