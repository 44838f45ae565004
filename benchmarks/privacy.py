"""Privacy on the open data: real jobs, and the bounds that they must keep.

    CLOUDSEC_TEST_DATA=… python -m benchmarks.privacy [word]

filters every plane of at least 512 x 512 pixels (of names that hold the word) with a median of size 5, a
halo of 2, through a Broker, and prints a line per image and the worst over all of them:

- what one and two providers could join (A_1, A_2) of nine, and of four under the ring, beside the bounds;
- the same for 5 to 16 providers by greedy colouring, of what they are sent, and with all that they may
  stand in for;
- the strip join, a real attack: it must find neighbours that are spread at random or by entropy, and
  must have nothing to find in what the providers of `ga-es` received.

Recall is of all informative neighbours that single providers hold, and ("of strips") of those whose shared
strip is not flat: a flat one looks like every other, and nothing can join by it.
"joined" counts the pairs that the join names in what they received: no two of these windows share a pixel
("neighbours" 0), so that each is an error of the attack, by strips that look alike. In a mask of two grey
levels most strips do; no recall is asked for there.

Exits with 1 if a bound is broken. Providers under a bound compute, and the result is compared with the
operation unsplit; those of greedy colourings only note what they are sent, and answer anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cloudsec
import providers
from benchmarks.assignments import HALO, KEY, OPERATION, entropy_grid, joined, random_grid, sent_under
from benchmarks.open_data import NOT_HERE, LeftOut, Picture, by_reason, open_data_folder, pictures
from benchmarks.state import own_state
from cloudsec.exposure import Exposure
from providers import handle
from providers.wire import Answer, decode_task, encode_answer
from regions import assembled_area, join_strips

BLOCKS = (16, 32)
GREEDY = (5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16)
JOINED = 0.95
"""Recall and precision that the strip join must reach where blocks are spread at random or by entropy."""


@dataclass
class Cloud:
    """A provider that keeps the windows it was sent; an idle one answers their middles."""

    name: str
    idle: bool = False
    stacks: list[NDArray[Any]] = field(default_factory=list)

    def send(self, request: bytes, timeout: float) -> bytes:
        task = decode_task(request)
        self.stacks.append(task.stack)
        if not self.idle:
            return handle(request)
        middles = [slice(halo, -halo or None) for halo in task.operation.halo]
        return encode_answer(Answer(task.id, task.stack[:, *middles].astype(task.answer_dtype)))

    @property
    def windows(self) -> NDArray[Any]:
        return np.concatenate(self.stacks)


@dataclass(frozen=True)
class Line:
    """One image in one table."""

    name: str
    figures: tuple[float | None, ...]
    broken: bool = False


@dataclass
class Table:
    """Lines with one format for each figure, and which way a figure is worse: 1 up, -1 down, 0 neither."""

    title: str
    columns: tuple[tuple[str, str, int], ...]
    lines: list[Line] = field(default_factory=list)

    def print(self) -> None:
        width = max(len(line.name) for line in self.lines)
        heads = [f"{head:>{max(9, len(head) + 2)}}" for head, _, _ in self.columns]
        print(f"\n{self.title}\n\n{'image':<{width}}" + "".join(heads))
        print("-" * (width + sum(map(len, heads))))
        for line in [*self.lines, Line("worst", tuple(map(self._worst, range(len(self.columns)))))]:
            cells = [
                f"{'-' if figure is None else format(figure, form):>{len(head)}}"
                for figure, (_, form, _), head in zip(line.figures, self.columns, heads, strict=True)
            ]
            print(f"{line.name:<{width}}" + "".join(cells) + ("  BROKEN" if line.broken else ""))

    def _worst(self, column: int) -> float | None:
        way = self.columns[column][2]
        figures = [figure for line in self.lines if (figure := line.figures[column]) is not None]
        return max(figures, key=lambda figure: way * figure) if figures and way else None


def areas(shown: Exposure, received: NDArray[np.bool_], most: int = 2) -> tuple[float, ...]:
    """A_1 up to A_most by exact links; reports search larger coalitions too, which takes longer."""
    links = shown.scheme.links(shown.job, shown.plan)
    rows, columns = shown.plan.counts
    flat = np.zeros((len(received), rows * columns), bool)
    flat[:, shown.plan.places] = received
    return assembled_area(flat.reshape(-1, rows, columns), links, most).areas


def with_stand_ins(shown: Exposure) -> NDArray[np.bool_]:
    """What was received, and all that anybody may stand in for."""
    parties = np.arange(len(shown.received))[:, None]
    held: NDArray[np.bool_] = shown.received | (parties == shown.plan.stand_ins)
    return held


def job(
    picture: Picture, parties: int, plan: dict[str, Any], *, tolerate: int = 1, idle: bool = False
) -> tuple[list[Cloud], cloudsec.Report]:
    """One job in a study of its own."""
    clouds = [Cloud(f"cloud-{number + 1}", idle) for number in range(parties)]
    study = f"{picture.name} {parties} {plan}"
    with cloudsec.Broker(
        clouds,
        scheme="ga-es",
        key=KEY,
        plan=plan,
        tolerate=tolerate,
        # What idle ones answer is wrong, and of no interest: who holds which windows is.
        verify=False if idle else "sample",
    ) as broker:
        result = broker.process(picture.pixels, OPERATION, channel_axis=picture.channel_axis, study=study)
    if not idle:
        wanted = providers.apply(picture.pixels, OPERATION, channel_axis=picture.channel_axis)
        if not np.array_equal(result.image, wanted):
            raise SystemExit(f"{picture.name}: the result differs from the unsplit operation")
    return clouds, result.report


def joins_in(clouds: Sequence[Cloud]) -> int:
    """Pairs that the strip join names in what providers received, at every width that a strip can have."""
    found = 0
    for cloud in clouds:
        windows = cloud.windows
        widths = range(max(2 * HALO, 1), windows.shape[1])
        found += len(join_strips(windows, HALO, widths=widths).blocks)
    return found


BOUNDED = (("informative", ".0f", 0), ("A_1", ".4f", 1), ("≤", ".4f", 0), ("A_2", ".4f", 1), ("≤", ".4f", 0),
           ("touching A_1", ".4f", 1), ("touching A_2", ".4f", 1), ("home", ".3f", 1),
           ("neighbours", ".0f", 1), ("joined", ".0f", 1))  # fmt: skip


def bounded(picture: Picture, parties: int, block: int) -> Line:
    """A_1 and A_2 of nine providers with shared halos, or of four under the ring, and the strip join."""
    ring = parties == 4
    clouds, report = job(picture, parties, {"block": block}, tolerate=2 if ring else 1)
    shown, leakage = report.exposure, report.leakage
    assert isinstance(shown, Exposure)
    one, two = leakage["assembled_area"][:2]
    count = shown.informative
    limits = (1.0, 0.05) if ring else (max(0.01, 1 / count), max(0.02, 2 / count))
    policy = "ring" if ring else "shared"
    neighbours = neighbours_held(shown)
    found = joins_in(clouds)
    broken = one > limits[0] or two > limits[1] or report.plan["halo_policy"] != policy
    broken |= neighbours > 0 or not leakage["over_study"]
    touching = leakage["adjacent_area"]
    figures = (count, one, limits[0], two, limits[1], touching[0], touching[1], report.home["pixel_share"])
    return Line(picture.name, (*figures, neighbours, found), broken)


def neighbours_held(shown: Exposure) -> int:
    """Pairs of blocks that single providers received and that can be joined, whatever they show."""
    links = shown.scheme.links(shown.job, shown.plan)
    count = 0
    for own in shown.received:
        holds = np.zeros(shown.plan.counts[0] * shown.plan.counts[1], bool)
        holds[shown.plan.places[own]] = True
        count += int(holds[links.exact].all(axis=1).sum()) if len(links.exact) else 0
    return count


def coloured(picture: Picture, block: int) -> list[tuple[float, ...]]:
    """A_1, A_2, and both with stand-ins, for every number of providers with a greedy colouring."""
    rows = []
    for parties in GREEDY:
        _, report = job(picture, parties, {"block": block}, idle=True)
        shown = report.exposure
        rows.append((*areas(shown, shown.received), *areas(shown, with_stand_ins(shown))))
    return rows


JOIN = (("neighbours", ".0f", 0), ("recall", ".4f", -1), ("of strips", ".0f", 0), ("recall ", ".4f", -1),
        ("precision", ".4f", -1))  # fmt: skip


def attacked(picture: Picture, grid_of: Callable[..., Any], parties: int, block: int) -> Line:
    """The strip join on an assignment that leaves neighbours with single providers."""
    score = joined(sent_under(grid_of(picture.planes, block, parties), picture.planes))
    asked = len(np.unique(picture.pixels)) > 2
    broken = asked and min(score.by_strips or 0, score.precision or 0) < JOINED
    figures = (score.neighbours, score.recall, score.with_strips, score.by_strips, score.precision)
    return Line(picture.name, figures, broken)


def main(word: str = "") -> int:
    """Print all tables; 1 if a bound is broken."""
    folder = open_data_folder()
    if folder is None:
        sys.exit(NOT_HERE)
    tables: dict[str, Table] = {}

    def add(title: str, columns: tuple[tuple[str, str, int], ...], line: Line) -> None:
        tables.setdefault(title, Table(title, columns)).lines.append(line)

    left_out: list[LeftOut] = []
    for entry in pictures(folder, word):
        if isinstance(entry, LeftOut):
            left_out.append(entry)
            continue
        print(f"{entry.name} {entry.pixels.shape}", file=sys.stderr, flush=True)
        for block in BLOCKS:
            for parties, kind in ((9, "3 x 3 lattice"), (4, "tolerate=2, ring")):
                title = f"N={parties}, B={block}, {kind}: what providers received"
                add(title, BOUNDED, bounded(entry, parties, block))
        for block in BLOCKS:
            rows = np.array(coloured(entry, block)).T
            columns = tuple((f"N={parties}", ".4f", 1) for parties in GREEDY)
            for name, row in zip(
                ("A_1", "A_2", "A_1 with stand-ins", "A_2 with stand-ins"), rows, strict=True
            ):
                add(f"greedy, B={block}: {name}", columns, Line(entry.name, tuple(row.tolist())))
        for name, grid_of in (("random", random_grid), ("entropy", entropy_grid)):
            for parties in (4, 9):
                for block in BLOCKS:
                    title = f"strip join, N={parties}, B={block}, blocks {name}"
                    add(title, JOIN, attacked(entry, grid_of, parties, block))
    print(f"median of size {2 * HALO + 1}, {len(next(iter(tables.values())).lines)} images.")
    print(*by_reason(left_out), sep="\n")
    for table in tables.values():
        table.print()
    broken = [
        f"{table.title}: {line.name}" for table in tables.values() for line in table.lines if line.broken
    ]
    print("\n" + ("broken: " + "; ".join(broken) if broken else "every bound is kept"))
    return 1 if broken else 0


if __name__ == "__main__":
    with own_state():
        sys.exit(main(*sys.argv[1:2]))
