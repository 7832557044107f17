"""Evaluation of runs and of image files: metrics, runner, records, reports.

`families/` declares the metrics, `features/` has the feature networks, `reports/` the tables.

May import: models, metrics, data, plotting, storage, fields, errors, waiting.
"""
