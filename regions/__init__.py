"""The science of splitting an image: arrays in, arrays out; no I/O, no clock, no secrets."""

from regions.box import Box
from regions.detail import gradient_energy, gradient_map, gradient_share, informative
from regions.entropy import block_entropy
from regions.grid import BlockGrid, cut, paste
from regions.metrics import Figure, correlation, npcr, permuted_correlation, stack_entropy, uaci
from regions.partition import LATTICE_PERIODS, lattice
from regions.scramble import Scramble, Symmetries

__all__ = [
    "LATTICE_PERIODS",
    "BlockGrid",
    "Box",
    "Figure",
    "Scramble",
    "Symmetries",
    "block_entropy",
    "correlation",
    "cut",
    "gradient_energy",
    "gradient_map",
    "gradient_share",
    "informative",
    "lattice",
    "npcr",
    "paste",
    "permuted_correlation",
    "stack_entropy",
    "uaci",
]
