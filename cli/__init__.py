"""Command lines: flags made from option classes, help texts, and the errors that end a script.

May import: fields, errors.
"""
