"""Comparison of this project's train step with other implementations of the same step.

A `Contestant` (contestants.py) is measured by a process of its own (worker.py) on the networks of
a `Case` (cases.py). The processes of a group stay warm and take turns (rounds.py). A stage
(stages.py) measures several groups. Its results go to a record in JSON, from which page.py writes
the tables and the figure of docs/performance.md.
"""
