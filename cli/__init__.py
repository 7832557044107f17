"""Command lines: flags made from option classes, help texts, and errors that end a script.

No room but training, and the scripts, import it.

May import: fields, errors.
"""
