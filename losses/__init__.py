"""Loss functions, gradient penalties and schedules, and their declarations by name.

They are functions of tensors and of networks that are passed in, never of a model class.

May import: fields, errors.
"""
