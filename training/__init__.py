"""Trainings, and the work of the scripts: configuration, data, callbacks, pictures, evaluation.

May import: models, evaluation, augmentation, data, plotting, storage, cli, fields, errors.
"""
