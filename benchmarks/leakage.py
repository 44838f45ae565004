"""Leakage: what providers could put together of the demonstration's CT slice, by assignment of blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudsec.demo import SLICE
from cloudsec.files import read_image
from cloudsec.schemes.layout import Layout
from regions import (
    LATTICE_PERIODS,
    BlockGrid,
    Scramble,
    adjacent_area,
    assembled_area,
    block_entropy,
    block_links,
    collusion_threshold,
    cut,
    gradient_map,
    gradient_share,
    greedy,
    informative,
    join_strips,
    score_pairs,
    stand_ins,
)

HALO = 2
MOST = 4
BLOCKS = (16, 32)
GREEDY = (5, 6, 7, 8, 12, 16)


@dataclass(frozen=True)
class Spread:
    """An assignment of the blocks that go out; all others are at home."""

    name: str
    holds: NDArray[np.bool_]


def spreads(image: NDArray[np.generic], layout: Layout, parties: int) -> list[Spread]:
    """Blocks by lattice (ga-es), at random, and by entropy as papers/002 has it, in equal parts."""
    sent = layout.assignment >= 0
    random = np.random.default_rng(0).permutation(int(sent.sum()))
    entropy = np.argsort(np.argsort(block_entropy(image, layout.block)[sent], kind="stable"))
    found = [Spread("ga-es", layout.assignment == np.arange(parties)[:, None, None])]
    for name, ranks in (("random", random), ("entropy", entropy)):
        labels = np.full(sent.shape, -1)
        labels[sent] = ranks * parties // len(ranks)
        found.append(Spread(name, labels == np.arange(parties)[:, None, None]))
    return found


def coloured(shape: tuple[int, ...], block: int, parties: int) -> list[Spread]:
    """Blocks by keyed greedy colouring, and together with all blocks that a provider may stand in for."""
    grid = BlockGrid(shape, (block,) * 2)
    blocks = int(np.prod(grid.counts))
    own_wishes, other_wishes = np.random.default_rng(0).random((2, blocks, parties))
    own = greedy(grid, own_wishes)
    held = [
        classes == np.arange(parties)[:, None, None] for classes in (own, stand_ins(grid, own, other_wishes))
    ]
    return [Spread("greedy", held[0]), Spread("with stand-ins", held[0] | held[1])]


def joined(
    image: NDArray[np.generic], layout: Layout, spread: Spread
) -> tuple[int, float | None, float | None]:
    """Informative neighbours held by one provider; recall and precision of the strip join."""
    rng = np.random.default_rng(1)
    shown = informative(image, layout.block)
    side = layout.block + 2 * HALO
    # Blocks that are shifted to keep the margin share wider strips with their neighbours.
    wider = [layout.margin, *(layout.margin + -n % layout.block for n in image.shape)]
    widths = sorted({2 * HALO, *(2 * HALO + more for more in wider if 2 * HALO + more < side)})
    scores = []
    for held in spread.holds:
        places = rng.permutation(np.argwhere(held))
        count = len(places)
        sign = rng.choice([-1, 1], count).astype(np.int64)
        offset = rng.integers(0, 2**14, count) + np.where(sign < 0, int(image.max()), -int(image.min()))
        scramble = Scramble(rng.random((count, 2)) < 0.5, rng.random(count) < 0.5, sign, offset)
        windows = cut(image, layout.core_starts[tuple(places.T)] - HALO, (side, side))
        stack = scramble.hide(windows, "uint32")
        scores.append(score_pairs(join_strips(stack, HALO, widths=widths), places, shown))
    to_find, found = sum(s.to_find for s in scores), sum(s.found for s in scores)
    hits = sum(s.recall * s.to_find for s in scores if s.recall is not None)
    right = sum(s.right for s in scores)
    return to_find, hits / to_find if to_find else None, right / found if found else None


def print_leakage() -> None:
    """One row for each assignment, number of providers and block size."""
    image = read_image(SLICE).pixels
    print(
        "CT slice 512 x 512, halo 2. gradient: share of the gradient energy that the worst provider\n"
        "receives. A_t: largest piece, of the informative blocks, that t providers could join by strips\n"
        "that they share (upper bound); touching: by any common edge; t*: fewest providers that join more\n"
        "than a tenth. Neighbours at one provider, and how well the strip join, a real attack, finds them.\n"
    )
    head = f"{'assignment':<18}{'N':>3}{'B':>4}{'gradient':>10}"
    head += "".join(f"{f'A_{t}':>7}" for t in range(1, MOST + 1))
    head += f"{'touching A_2':>14}{'t*':>4}{'neighbours':>12}{'recall':>8}{'precision':>11}"
    print(head + "\n" + "-" * len(head))
    for parties, period in LATTICE_PERIODS.items():
        for block in BLOCKS:
            layout = Layout(image.shape, block, period)
            for spread in spreads(image, layout, parties):
                print(_row(image, layout, spread))
    print()
    for parties in GREEDY:
        for block in BLOCKS:
            # Whole blocks only at this size, so that the lattice's geometry is the colouring's too.
            layout = Layout(image.shape, block, 3)
            for spread in coloured(image.shape, block, parties):
                print(_row(image, layout, spread))


def _row(image: NDArray[np.generic], layout: Layout, spread: Spread) -> str:
    starts, window = layout.core_starts - HALO, (layout.block + 2 * HALO,) * 2
    links = block_links(image, starts, window, (HALO, HALO), informative(image, layout.block))
    exact = assembled_area(spread.holds, links, MOST)
    touching = adjacent_area(spread.holds, links, MOST)
    share = gradient_share(gradient_map(image), spread.holds, starts, window).max()
    neighbours, recall, precision = joined(image, layout, spread)
    row = f"{spread.name:<18}{len(spread.holds):>3}{layout.block:>4}{share:>10.3f}"
    row += "".join(f"{area:>7.3f}" for area in exact.areas)
    row += f"{touching.areas[1]:>14.3f}{collusion_threshold(exact) or '-':>4}{neighbours:>12}"
    row += f"{'-' if recall is None else f'{recall:.3f}':>8}"
    return row + f"{'-' if precision is None else f'{precision:.3f}':>11}"
