"""Declarations of the models: paper, equations and hyperparameters. Do not import TensorFlow.

A file may declare a model as MODEL; `models.REGISTRY` lists it. May import: fields, errors, and
the declarations of losses, augmentation and networks.
"""
