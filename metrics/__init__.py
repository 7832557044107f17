"""Metrics: pure functions of arrays that return numbers or measurements.

They do not depend on models, files, options or tables.

May import: fields, errors.
"""
