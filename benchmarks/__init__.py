"""Measurements; `python -m benchmarks` prints them as tables. Ratios are taken within one run.

`python -m benchmarks.privacy` asks the open data whether the bounds on what leaks are kept.
"""
