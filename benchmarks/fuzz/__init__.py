"""Fuzz of the files, folders and flags that the scripts read.

One module per subject: each has strategies of hypothesis that make examples, and the check of an
example. examples.py has what they share, limits.py the limit of the memory and the traps,
strategies.py the table of all. `python -m benchmarks.fuzz` runs many examples.
"""
