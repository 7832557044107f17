"""Command lines: flags built from option classes, help texts, version, and exit codes of errors.

Only the scripts, `training` and `data.cub` import this package.

May import: storage, fields, errors.
"""
