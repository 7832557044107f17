"""Evaluation: metrics are declared, measured by one runner and reported.

Imports: models, metrics, data, plotting, storage, fields, errors; never training or cli.
"""
