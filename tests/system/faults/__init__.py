"""Faults while load runs: what is lost, what is done twice, and how long until everything works again.

`python -m tests.system.faults` prints the table of services/README.md; `--help` names its options.
"""
