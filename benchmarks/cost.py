"""Cost: what protection costs on this machine, beside the same operation unsplit."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np

import cloudsec
import providers
from cloudsec.fleet import local_providers
from cloudsec.schemes import BLOCK_SCHEMES

SHAPE = (1024, 1024)
ROUNDS = 7
OPERATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gaussian", {"sigma": 2.0}),
    ("mean", {"size": 5}),
    ("median", {"size": 5}),
    ("sobel", {}),
)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def print_cost() -> None:
    """Time every operation unsplit and by every scheme over HTTP, in turn; print medians and ratios."""
    image = np.random.default_rng(0).integers(0, 4096, SHAPE, np.uint16)
    print(f"{SHAPE[0]} x {SHAPE[1]} uint16 with 12-bit content, four provider processes over HTTP, ", end="")
    print(f"median of {ROUNDS} rounds after one to warm up; a ratio of 1 is the unsplit operation here.\n")
    head = f"{'operation':<29}{'unsplit s':>10}" + "".join(
        f"{name + ' s':>15}{'ratio':>7}{'broker cpu s':>14}{'home':>7}{'MB up':>7}{'MB down':>8}"
        for name in BLOCK_SCHEMES
    )
    print(head + "\n" + "-" * len(head))
    with local_providers(4) as fleet:
        urls = [provider.url for provider in fleet]
        brokers = [cloudsec.Broker(urls, scheme=name) for name in BLOCK_SCHEMES]
        for name, parameters in OPERATIONS:
            operation = providers.make_operation(name, **parameters)
            reference = providers.apply(image, operation)
            unsplit: list[float] = []
            reports: list[list[cloudsec.Report]] = [[] for _ in brokers]
            for _ in range(1 + ROUNDS):
                unsplit.append(seconds(partial(providers.apply, image, operation)))
                for broker, kept in zip(brokers, reports, strict=True):
                    result = broker.process(image, operation)
                    if not np.array_equal(result.image, reference):
                        raise SystemExit(f"{operation}: the result differs from the unsplit operation")
                    kept.append(result.report)
            local = median(unsplit[1:])
            row = f"{operation!s:<29}{local:>10.3f}"
            for kept in reports:
                report = kept[-1]
                total = median(each.timings["total"] for each in kept[1:])
                cpu = median(each.timings["cpu"] for each in kept[1:])
                up = sum(provider.bytes_up for provider in report.providers) / 1e6
                down = sum(provider.bytes_down for provider in report.providers) / 1e6
                row += f"{total:>15.3f}{total / local:>7.2f}{cpu:>14.3f}"
                row += f"{report.home['pixel_share']:>7.1%}{up:>7.1f}{down:>8.1f}"
            print(row)
