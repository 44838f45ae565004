from itertools import product

import pytest

from regions import LATTICE_PERIODS, lattice


@pytest.mark.parametrize(("regions", "period"), LATTICE_PERIODS.items())
def test_no_block_has_the_region_of_one_of_its_eight_neighbours(regions: int, period: int) -> None:
    labels = lattice((7, 8), period)
    assert set(labels.ravel()) == set(range(regions))
    for i, j in product(range(7), range(8)):
        around = labels[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        assert (around == labels[i, j]).sum() == 1


def test_a_lattice_needs_a_period() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        lattice((3, 3), 0)
