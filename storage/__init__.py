"""Run directories, checkpoints, the cache directory, and atomic writes.

Handles variables, dictionaries and text, never a model class.

May import: fields, errors.
"""
