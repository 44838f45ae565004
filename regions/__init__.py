"""The science of splitting an image: arrays in, arrays out; no I/O, no clock, no secrets."""

from regions.assembly import (
    BlockLinks,
    CollusionCurve,
    adjacent_area,
    assembled_area,
    block_links,
    collusion_threshold,
)
from regions.attacks import JoinScore, StripPairs, join_strips, score_pairs
from regions.box import Box
from regions.colouring import NO_CLASS, greedy, stand_ins
from regions.content import BlockContent, block_content
from regions.detail import coverage, covered_area, detail_share, gradient_energy, gradient_map, informative
from regions.entropy import block_entropy, entropy_map
from regions.fitness import Fitness, Speeds, even_cuts, fitness_terms, random_cuts
from regions.grid import BlockGrid, alike, cut, paste
from regions.levels import grey_levels
from regions.metrics import Figure, correlation, npcr, permuted_correlation, stack_entropy, uaci
from regions.neighbours import HALOS_PER_BLOCK, neighbours
from regions.partition import LATTICE_PERIODS, lattice
from regions.scramble import Scramble, Symmetries
from regions.thresholds import SortedBlocks, segmented, sorted_blocks

__all__ = [
    "HALOS_PER_BLOCK",
    "LATTICE_PERIODS",
    "NO_CLASS",
    "BlockContent",
    "BlockGrid",
    "BlockLinks",
    "Box",
    "CollusionCurve",
    "Figure",
    "Fitness",
    "JoinScore",
    "Scramble",
    "SortedBlocks",
    "Speeds",
    "StripPairs",
    "Symmetries",
    "adjacent_area",
    "alike",
    "assembled_area",
    "block_content",
    "block_entropy",
    "block_links",
    "collusion_threshold",
    "correlation",
    "coverage",
    "covered_area",
    "cut",
    "detail_share",
    "entropy_map",
    "even_cuts",
    "fitness_terms",
    "gradient_energy",
    "gradient_map",
    "greedy",
    "grey_levels",
    "informative",
    "join_strips",
    "lattice",
    "neighbours",
    "npcr",
    "paste",
    "permuted_correlation",
    "random_cuts",
    "score_pairs",
    "segmented",
    "sorted_blocks",
    "stack_entropy",
    "stand_ins",
    "uaci",
]
