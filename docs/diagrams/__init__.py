"""Diagrams of docs/: the packages, and the networks and losses of each model.

`python -m docs.diagrams` draws all of them.
"""
