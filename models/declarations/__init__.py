"""Declarations of the models: paper, equation and hyperparameters; readable without TensorFlow.

A file may declare a model as MODEL; `models.REGISTRY` finds it. May import: fields, errors, and
the declarations of losses, augmentation and networks.
"""
