"""Command lines: flags made from option classes, help texts, and errors that end a script.

Only `training` and the scripts import this package.

May import: fields, errors.
"""
