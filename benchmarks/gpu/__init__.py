"""Measurements on a GPU, in ordered stages within a limited time.

A `Stage` (stages.py) is run by a process of its own with a time limit (process.py). The functions
of measures.py and picture.py yield results one by one, so that those before a failure or a limit
are kept. report.py writes the results as text.
"""
