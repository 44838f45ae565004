"""Measurements; `python -m benchmarks` prints them as tables. Ratios are taken within one run."""
