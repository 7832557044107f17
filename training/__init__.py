"""Training loop and implementation of the scripts: configuration, callbacks, pictures, evaluation.

May import: models, evaluation, augmentation, data, plotting, storage, cli, fields, errors, waiting,
replicas.
"""
