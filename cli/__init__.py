"""Command lines: flags built from option classes, help texts, version, and exit codes of errors.

Only the scripts, `training`, `data.cub` and `data.cache` import this package.

May import: storage, fields, errors.
"""
