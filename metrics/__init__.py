"""Metrics: pure functions of arrays that return numbers or measurements.

They know no model, file, option or table.

May import: fields, errors.
"""
