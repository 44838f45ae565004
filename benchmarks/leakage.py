"""Leakage: what providers could put together of the demonstration's CT slice, by assignment of blocks."""

from __future__ import annotations

from benchmarks.assignments import Sent, entropy_grid, joined, own_grid, random_grid, sent_under
from cloudsec.demo import SLICE
from cloudsec.exposure import FEWEST_COLLUDERS, Exposure
from cloudsec.files import read_image
from cloudsec.schemes.layout import FEWEST_SEPARATED
from regions import LATTICE_PERIODS, collusion_threshold

BLOCKS = (16, 32)
GREEDY = (5, 6, 7, 8, 12, 16)


def print_leakage() -> None:
    """One row for each assignment, number of providers and block size."""
    planes = read_image(SLICE).pixels[None]
    print(
        "CT slice 512 x 512, halo 2. gradient: share of the gradient energy that the worst provider\n"
        "receives. A_t: largest piece, of the informative blocks, that t providers could join by strips\n"
        "that they share (upper bound); touching: by any common edge; t*: fewest providers that join more\n"
        "than a tenth. Neighbours at one provider, and how well the strip join, a real attack, finds them.\n"
    )
    head = f"{'assignment':<18}{'N':>3}{'B':>4}{'gradient':>10}"
    head += "".join(f"{f'A_{t}':>7}" for t in range(1, FEWEST_COLLUDERS + 1))
    head += f"{'touching A_2':>14}{'t*':>4}{'neighbours':>12}{'recall':>8}{'precision':>11}"
    print(head + "\n" + "-" * len(head))
    for parties in (count for count in LATTICE_PERIODS if count >= FEWEST_SEPARATED):
        for block in BLOCKS:
            for name, drawn in (("ga-es", own_grid), ("random", random_grid), ("entropy", entropy_grid)):
                sent = sent_under(drawn(planes, block, parties), planes)
                print(_row(name, parties, block, sent.exposure(), sent))
    print()
    for parties in GREEDY:
        for block in BLOCKS:
            sent = sent_under(own_grid(planes, block, parties), planes)
            print(_row("ga-es", parties, block, sent.exposure(), sent))
            # Who may stand in may be given these blocks too; the attack looks at what is sent.
            print(_row("  with stand-ins", parties, block, sent.exposure(stand_ins=True), None))


def _row(name: str, parties: int, block: int, shown: Exposure, sent: Sent | None) -> str:
    row = f"{name:<18}{parties:>3}{block:>4}{shown.worst_gradient_share:>10.3f}"
    row += "".join(f"{area:>7.3f}" for area in shown.assembled.areas[:FEWEST_COLLUDERS])
    row += f"{shown.adjacent.areas[1]:>14.3f}{collusion_threshold(shown.assembled) or '-':>4}"
    if sent is None:
        return row
    score = joined(sent)
    row += f"{score.neighbours:>12}{'-' if score.recall is None else f'{score.recall:.3f}':>8}"
    return row + f"{'-' if score.precision is None else f'{score.precision:.3f}':>11}"
