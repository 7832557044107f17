"""Loss terms: functions of tensors, and their declarations by name.

May import: fields, errors.
"""
