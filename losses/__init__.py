"""Loss functions, gradient penalties and schedules, and their declarations by name.

They are functions of tensors and networks, independent of model classes.

May import: fields, errors, replicas.
"""
