"""The paper's genetic search (ga-es-2018): how near it comes to the optimum, against what else, how fast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.open_data import Picture, open_data_folder, pictures
from benchmarks.optimum import optimum
from benchmarks.resegmented import resegmented
from cloudsec.demo import SLICE
from cloudsec.files import read_image
from regions import SortedBlocks, Speeds, even_cuts, fitness_terms, random_cuts, sorted_blocks
from regions.genetic import Segmentation, genetic_thresholds
from regions.thresholds import MOST_STEPS

SEEDS = 10
TYPICAL = 1000
FLEETS = {
    "4": Speeds.equal(4),
    "4, 1:2:3:1.5": Speeds(np.array([1, 2, 3, 1.5])),
    "9": Speeds.equal(9),
    "12": Speeds.equal(12),
}
"""Numbers of providers, and their speeds where they differ."""


@dataclass(frozen=True)
class Subject:
    """An image, and blocks of it, about 1,024."""

    name: str
    image: NDArray[Any]
    block: int
    channel_axis: int | None = None

    def sorted(self, most_steps: int = MOST_STEPS) -> SortedBlocks:
        return sorted_blocks(self.image, self.block, channel_axis=self.channel_axis, most_steps=most_steps)


def subjects(folder: Path | None) -> list[Subject]:
    """CT, MR, mammogram and retina of the open data; without them the demonstration's slice."""
    if folder is None:
        return [Subject("CT (demo)", read_image(SLICE).pixels, 16)]
    return [
        Subject("CT chest", _plane(folder, "ct_chest_lidc0314"), 16),
        Subject("MR wrist", _plane(folder, "mr_wrist_dcm4che"), 8),
        Subject("MG", _plane(folder, "gmic_0_R-CC"), 40),
        Subject("retina RGB", _plane(folder, "drive_21.tif"), 18, -1),
    ]


def random_totals(blocks: SortedBlocks, speeds: Speeds, rng: np.random.Generator, count: int) -> NDArray[Any]:
    """J of random threshold vectors, drawn as the first generation of the search is."""
    drawn = [random_cuts(blocks, speeds, rng) for _ in range(count)]
    width = max(map(len, drawn))
    cuts = [np.pad(row, (0, width - len(row)), constant_values=blocks.steps) for row in drawn]
    return fitness_terms(blocks, cuts, speeds).sum(axis=1)


def equal_population(blocks: SortedBlocks, speeds: Speeds) -> float:
    """The smallest J with thresholds nearest to equally many blocks per region, of any number of regions."""
    cuts = [even_cuts(blocks, regions)[None] for regions in range(2, speeds.most_regions + 1)]
    return min(float(fitness_terms(blocks, each, speeds).sum()) for each in cuts)


@dataclass(frozen=True)
class Gaps:
    """(J − J*) / (median J of 1,000 random threshold vectors − J*), for what finds J without the optimum."""

    best: float
    bound: float
    median: float
    found: tuple[Segmentation, ...]
    random: tuple[float, ...]
    equal: float

    def of(self, total: float) -> float:
        return (total - self.best) / (self.median - self.best)

    @property
    def genetic(self) -> list[float]:
        return [self.of(each.fitness.total) for each in self.found]


def gaps(blocks: SortedBlocks, speeds: Speeds, seeds: int = SEEDS) -> Gaps:
    """The search under several seeds; random search with as many evaluations; equal populations."""
    exact = optimum(blocks, speeds)
    found = tuple(genetic_thresholds(blocks, speeds, seed=seed) for seed in range(seeds))
    random = tuple(
        float(random_totals(blocks, speeds, np.random.default_rng((1, seed)), each.evaluations).min())
        for seed, each in enumerate(found)
    )
    median = float(np.median(random_totals(blocks, speeds, np.random.default_rng((2, 0)), TYPICAL)))
    return Gaps(exact.total, exact.bound, median, found, random, equal_population(blocks, speeds))


def print_genetic() -> None:
    """Gaps by image and number of providers, then seconds of one core."""
    judged = [(subject, subject.sorted()) for subject in subjects(open_data_folder())]
    print(
        f"ga-es-2018, J = correlation + sameness + time; {SEEDS} seeds. J*: smallest of all thresholds at\n"
        "the steps, by dynamic programming; bound: no thresholds are below. Gap: (J - J*) / (median of\n"
        "1,000 random - J*), also of random search, with as many judged, and of equally many blocks per\n"
        "region. N: providers, and their speeds where they differ. R: regions.\n"
    )
    head = f"{'image':<12}{'steps':>6} {'N':<13}{'J*':>8}{'bound':>8}{'median':>8}{'J mean':>8}{'worst':>8}"
    head += f"{'gap mean':>10}{'worst':>8}{'random':>8}{'equal':>8}{'R':>4}{'judged':>8}"
    print(head + "\n" + "-" * len(head))
    for subject, blocks in judged:
        for name, speeds in FLEETS.items():
            print(f"{subject.name:<12}{blocks.steps:>6} {name:<13}" + _gap_columns(gaps(blocks, speeds)))
    print(
        "\nTime of one core, N = 4, speeds 1:2:3:1.5. individual: J of one, in populations of 60;\n"
        "resegmented: J from the pixels of the regions, entropies known.\n"
    )
    head = f"{'image':<12}{'pixels':>10}{'blocks':>8}{'sort ms':>9}{'search ms':>11}{'optimum ms':>12}"
    head += f"{'individual us':>15}{'resegmented ms':>16}{'ratio':>8}{'differ by':>11}"
    print(head + "\n" + "-" * len(head))
    for subject, blocks in judged:
        print(f"{subject.name:<12}" + _time_columns(subject, blocks, FLEETS["4, 1:2:3:1.5"]))


def _gap_columns(of: Gaps) -> str:
    totals = [each.fitness.total for each in of.found]
    row = f"{of.best:>8.4f}{of.bound:>8.4f}{of.median:>8.3f}{np.mean(totals):>8.4f}{max(totals):>8.4f}"
    row += f"{np.mean(of.genetic):>10.2%}{max(of.genetic):>8.2%}{of.of(float(np.mean(of.random))):>8.2%}"
    row += f"{of.of(of.equal):>8.2%}{max(each.regions for each in of.found):>4}"
    return row + f"{np.mean([each.evaluations for each in of.found]):>8.0f}"


def _time_columns(subject: Subject, blocks: SortedBlocks, speeds: Speeds) -> str:
    rng = np.random.default_rng(0)
    rows = [random_cuts(blocks, speeds, rng) for _ in range(60)]
    cuts = np.array([np.pad(row, (0, 3 - len(row)), constant_values=blocks.steps) for row in rows])
    sort = _seconds(subject.sorted, 3)
    search = _seconds(lambda: genetic_thresholds(blocks, speeds, seed=0), 5)
    exact = _seconds(lambda: optimum(blocks, speeds), 1)
    one = _seconds(lambda: fitness_terms(blocks, cuts, speeds), 50) / len(cuts)
    slow, differ = [], 0.0
    for row, terms in list(zip(rows, fitness_terms(blocks, cuts, speeds), strict=True))[:10]:
        arguments = (subject.image, subject.block, blocks.entropy, blocks.thresholds[row - 1], speeds)
        begin = process_time()
        total = resegmented(*arguments, channel_axis=subject.channel_axis).total
        slow.append(process_time() - begin)
        differ = max(differ, abs(total - float(terms.sum())))
    size = int(np.prod(blocks.entropy.shape))
    columns = f"{blocks.pixels[-1]:>10}{size:>8}{sort * 1e3:>9.0f}{search * 1e3:>11.0f}{exact * 1e3:>12.0f}"
    columns += f"{one * 1e6:>15.1f}"
    return columns + f"{np.mean(slow) * 1e3:>16.0f}{np.mean(slow) / one:>8.0f}{differ:>11.1e}"


def _seconds(run: Any, times: int) -> float:
    """Of the processor, the median of several runs."""
    taken = []
    for _ in range(times):
        begin = process_time()
        run()
        taken.append(process_time() - begin)
    return float(np.median(taken))


def _plane(folder: Path, word: str) -> NDArray[Any]:
    """The image in the middle of those whose names hold the word, however small."""
    found = [entry.pixels for entry in pictures(folder, word, least=1) if isinstance(entry, Picture)]
    return found[len(found) // 2]


if __name__ == "__main__":
    print_genetic()
