"""Measurements; `python -m benchmarks` prints them as tables. Ratios are taken within one run.

`python -m benchmarks.paper` sets `ga-es` beside the paper's scheme on every image of the open data, and
`python -m benchmarks.privacy` asks these whether the bounds on what leaks are kept.
"""
