"""Files of the zoo: run directories, checkpoints, the cache, and atomic writes.

Handles variables, dictionaries and text, never a model class. May import: fields, errors.
"""
