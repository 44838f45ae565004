"""`ga-es` beside the paper's scheme on every open image: what providers could learn, and how fast it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

import cloudsec
import providers
from benchmarks.assignments import KEY
from benchmarks.open_data import (
    LEAST,
    NOT_HERE,
    LeftOut,
    Picture,
    by_reason,
    every_picture,
    open_data_folder,
)
from benchmarks.state import own_state
from cloudsec.exposure import Exposure

PARTIES = 4
OPERATION = providers.make_operation("gaussian", sigma=2.0)
COMPARED = ("ga-es", "ga-es-2018")
WORST = ("pixels", "gradient", "entropy")
HEADS = ("A_1", "A_2", *WORST, *WORST, "home", "first s", "next s")


def compared(picture: Picture, scheme: str) -> tuple[float, ...]:
    """Figures as HEADS names them, of two jobs of a study of its own.

    All but the seconds are of the first job, before speeds were measured: they are the same in every run.
    """
    wanted = providers.apply(picture.pixels, OPERATION, channel_axis=picture.channel_axis)
    reports = []
    with cloudsec.Broker(PARTIES, scheme=scheme, key=KEY, seed=0) as broker:
        for _ in range(2):
            result = broker.process(
                picture.pixels, OPERATION, channel_axis=picture.channel_axis, study=picture.name
            )
            if not np.array_equal(result.image, wanted):
                raise SystemExit(f"{picture.name}: the result differs from the unsplit operation")
            reports.append(result.report)
    first = reports[0]
    sent = first.exposure
    assert isinstance(sent, Exposure)
    own = replace(sent, plan=replace(sent.plan, windows=sent.plan.boxes))
    shares = [
        worst
        for shown in (sent, own)
        for worst in (shown.worst_received_share, shown.worst_gradient_share, shown.worst_entropy_share)
    ]
    seconds = [report.timings["total"] for report in reports]
    return (*sent.assembled.areas[:2], *shares, first.home["pixel_share"], *seconds)


def print_paper() -> None:
    """Two rows for each image; then of each scheme the median and the worst over all images."""
    folder = open_data_folder()
    print(
        f"{OPERATION} at {PARTIES} embedded providers, each scheme with its own plan. A_t:\n"
        "largest piece, of the informative blocks, that t providers could join by strips that they share\n"
        "(upper bound). Then what one provider has at most of the image's pixels, gradient energy and\n"
        "entropy (of 16 x 16 blocks), with the halos that it was sent, and in its own blocks alone, where\n"
        f"an even spread is {1 / PARTIES:.3f}. Seconds of the first job of a study and of the next, for\n"
        "which ga-es keeps its plan, and ga-es-2018 searches anew."
    )
    if folder is None:
        print(NOT_HERE)
    noise = np.random.default_rng(0).integers(0, 256, (LEAST, LEAST), np.uint8)
    for scheme in COMPARED:
        # The first job of a process loads what the scheme imports, which no image is to pay for.
        compared(Picture("noise", noise), scheme)
    entries = list(every_picture(folder))
    pictures = [entry for entry in entries if isinstance(entry, Picture)]
    width = max(len(picture.name) for picture in pictures)
    groups = f"{'with halos':>{16 + 9 * len(WORST)}}{'own blocks':>{9 * len(WORST)}}"
    head = f"{'image':<{width}}{'size':>17}  {'scheme':<10}" + "".join(f"{word:>9}" for word in HEADS)
    print(f"\n{' ' * (width + 29)}{groups}\n{head}\n{'-' * len(head)}")
    found: dict[str, list[tuple[float, ...]]] = {scheme: [] for scheme in COMPARED}
    for picture in pictures:
        size = " x ".join(map(str, picture.pixels.shape))
        for scheme, rows in found.items():
            rows.append(compared(picture, scheme))
            print(f"{picture.name:<{width}}{size:>17}  {scheme:<10}{_columns(rows[-1])}")
    for name, over in (("median", np.median), ("worst", np.max)):
        for scheme, rows in found.items():
            count = f"{len(rows)} images"
            print(f"{name:<{width}}{count:>17}  {scheme:<10}{_columns(over(rows, axis=0))}")
    print(*by_reason(entry for entry in entries if isinstance(entry, LeftOut)), sep="\n")


def _columns(figures: Iterable[float]) -> str:
    return "".join(f"{figure:>9.3f}" for figure in figures)


if __name__ == "__main__":
    with own_state():
        print_paper()
