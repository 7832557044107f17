"""Command lines: flags built from option classes, help texts, version, and exit codes of errors.

Only `training` and the scripts import this package.

May import: storage, fields, errors.
"""
