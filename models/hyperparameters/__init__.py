"""Hyperparameters by family of models, as option classes; readable without TensorFlow.

May import: fields, errors, and the declarations of losses, augmentation and networks.
"""
