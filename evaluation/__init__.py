"""Evaluation: metrics are declared, measured by one runner and reported.

Measures runs, and images of any program; `reports/` has the tables, `features/` the networks.

May import: models, metrics, data, plotting, storage, fields, errors.
"""
