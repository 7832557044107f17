"""Run directories, checkpoints, packages of weights, the cache directory, and atomic writes.

Works on variables, dictionaries and text, independent of model classes.

May import: fields, errors.
"""
