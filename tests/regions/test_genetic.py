import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.genetic import FLEETS, Gaps, Subject, gaps, subjects
from benchmarks.optimum import exhaustive, optimum
from regions import Speeds, even_cuts, fitness_terms, segmented, sorted_blocks
from regions.genetic import genetic_thresholds
from tests.regions.test_thresholds import noisy

UNEQUAL = Speeds(np.array([1.0, 2, 3, 1.5]))
COSTLY = Speeds(UNEQUAL.per_second, latency=np.array([9.0, 1, 5, 0]), transfer=np.array(0.2))
SPEEDS = pytest.mark.parametrize("speeds", [Speeds.equal(4), UNEQUAL, COSTLY])
BLOCKS = sorted_blocks(noisy((240, 256)), 8)
NAMES = ["CT chest", "MR wrist", "MG", "retina RGB"]


@pytest.fixture(scope="module")
def images(open_data: Path) -> dict[str, Subject]:
    return {subject.name: subject for subject in subjects(open_data)}


def test_the_same_seed_gives_the_same_result_and_another_another() -> None:
    one, same, other = (genetic_thresholds(BLOCKS, Speeds.equal(9), seed=seed) for seed in (3, 3, 4))
    assert one.convergence == same.convergence
    assert one.thresholds.tolist() == same.thresholds.tolist()
    assert one.evaluations == same.evaluations
    assert one.convergence != other.convergence


def test_no_global_random_state_is_read_or_touched() -> None:
    results, states = [], []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist()
        results.append(genetic_thresholds(BLOCKS, UNEQUAL, seed=0).convergence)
        states.append(before == (random.getstate(), np.random.get_state()[1].tolist()))
    assert results[0] == results[1]
    assert all(states)


@SPEEDS
def test_what_is_found_is_what_its_thresholds_make(speeds: Speeds) -> None:
    found = genetic_thresholds(BLOCKS, speeds, seed=0)
    assert found.regions == len(found.thresholds) + 1 == found.labels.max() + 1
    assert (found.labels == segmented(BLOCKS.entropy, found.thresholds)).all()
    assert np.bincount(found.labels.ravel()).min() > 0
    cuts = np.searchsorted(BLOCKS.thresholds, found.thresholds) + 1
    assert fitness_terms(BLOCKS, [cuts], speeds).sum() == pytest.approx(found.fitness.total, abs=1e-12)
    assert found.convergence[-1] == pytest.approx(found.fitness.total, abs=1e-12)


@pytest.mark.parametrize("providers", [2, 3, 9, 12, 30])
def test_regions_are_at_least_2_and_at_most_12_or_the_providers(providers: int) -> None:
    # Where one provider does nearly all of the work in time, most regions are not worth their latency.
    lone = Speeds(np.r_[1e3, 1e3, np.ones(providers - 2)], latency=np.r_[0, 0, np.full(providers - 2, 1e3)])
    # No constant blocks, which one provider would have all of.
    blocks = sorted_blocks(noisy((240, 256))[60:], 8)
    for speeds, wanted in ((Speeds.equal(providers), min(providers, 12)), (lone, 2)):
        assert genetic_thresholds(blocks, speeds, seed=0).regions == wanted


def test_the_best_is_never_lost_and_the_search_ends_when_nothing_improves() -> None:
    for seed in range(5):
        found = genetic_thresholds(BLOCKS, UNEQUAL, seed=seed, patience=6, generations=80)
        assert (np.diff(found.convergence) <= 0).all()
        assert len(found.convergence) < 81
        assert len(set(found.convergence[-7:])) == 1
        assert len(set(found.convergence[-8:])) == 2
    assert len(genetic_thresholds(BLOCKS, UNEQUAL, seed=0, generations=7).convergence) == 8


def test_every_individual_is_judged_once() -> None:
    found = genetic_thresholds(BLOCKS, UNEQUAL, seed=0, population=30, generations=10)
    assert 30 < found.evaluations < 30 * 11
    assert genetic_thresholds(BLOCKS, UNEQUAL, seed=0, population=30, generations=0).evaluations == 30


@pytest.mark.parametrize("providers", [4, 9, 12])
def test_nothing_found_is_worse_than_equally_many_blocks_per_region(providers: int) -> None:
    speeds = Speeds.equal(providers)
    even = [fitness_terms(BLOCKS, even_cuts(BLOCKS, n)[None], speeds).sum() for n in range(2, providers + 1)]
    assert genetic_thresholds(BLOCKS, speeds, seed=1).fitness.total <= min(even) + 1e-12


def test_blocks_of_one_entropy_are_one_region_and_of_few_entropies_few() -> None:
    plain = genetic_thresholds(sorted_blocks(np.zeros((64, 64), np.uint8), 16), UNEQUAL, seed=0)
    assert (plain.regions, plain.labels.tolist()) == (1, [[0] * 4] * 4)
    image = np.zeros((64, 64), np.uint8)
    image[:, 32:] = np.arange(32)
    assert genetic_thresholds(sorted_blocks(image, 16), Speeds.equal(9), seed=0).regions == 2


def test_a_least_number_of_regions_is_kept_where_there_are_so_many_steps() -> None:
    lone = Speeds(np.r_[1e3, 1e3, np.ones(4)], latency=np.r_[0, 0, np.full(4, 1e3)])
    assert genetic_thresholds(BLOCKS, lone, seed=0).regions < 5
    for fewest in (5, 6):
        assert genetic_thresholds(BLOCKS, lone, seed=0, fewest=fewest).regions == fewest
    # Equal parts of these are two, because most blocks are of one entropy.
    image = np.zeros((64, 64), np.uint8)
    image[:4, :16] = np.repeat([1, 2, 3, 4], 4)
    image[0, :16] += np.arange(16, dtype=np.uint8)
    image[1, 4:16:2] += 7
    blocks = sorted_blocks(image, 4)
    for fewest in (2, 3, 4):
        found = genetic_thresholds(blocks, Speeds.equal(4), seed=0, fewest=fewest)
        assert min(fewest, blocks.steps) <= found.regions <= 4


@pytest.mark.parametrize("fewest", [1, 5])
def test_a_number_of_regions_that_providers_cannot_have_is_refused(fewest: int) -> None:
    with pytest.raises(ValueError, match=f"from 2 to 4 regions, not at least {fewest}"):
        genetic_thresholds(BLOCKS, UNEQUAL, seed=0, fewest=fewest)


def test_a_search_without_room_is_refused() -> None:
    for wrong in ({"population": 1}, {"generations": -1}, {"patience": 0}):
        with pytest.raises(ValueError, match="population of at least 2"):
            genetic_thresholds(BLOCKS, UNEQUAL, seed=0, **wrong)


def test_nobody_who_imports_the_packages_waits_for_deap() -> None:
    says = "import sys, regions, cloudsec; print([name for name in ('deap', 'scipy') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@SPEEDS
def test_the_optimum_is_that_of_all_thresholds_one_after_the_other(speeds: Speeds) -> None:
    for seed in range(3):
        blocks = sorted_blocks(noisy((240, 256), seed=seed), 8, most_steps=40)
        wanted, found = exhaustive(blocks, speeds), optimum(blocks, speeds)
        assert found.total == pytest.approx(wanted.total, abs=1e-12)
        assert found.bound == pytest.approx(wanted.total, abs=1e-8)


@pytest.mark.slow
@SPEEDS
def test_so_it_is_of_256_blocks_of_a_real_image(images: dict[str, Subject], speeds: Speeds) -> None:
    blocks = sorted_blocks(images["CT chest"].image[128:384, 128:384], 16)
    assert blocks.steps > 200
    assert optimum(blocks, speeds).total == pytest.approx(exhaustive(blocks, speeds).total, abs=1e-12)


def assert_near(of: Gaps) -> None:
    """The gap is small, measured from what is proven to be the optimum, and smaller than that of chance."""
    assert of.bound == pytest.approx(of.best, abs=1e-8)
    assert min(of.genetic) > -1e-9
    assert np.mean(of.genetic) <= 0.02
    assert max(of.genetic) <= 0.05
    assert np.mean(of.genetic) < of.of(float(np.mean(of.random)))
    assert max(of.genetic) <= of.of(of.equal) + 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_of_four_providers_the_gap_is_small_and_smaller_than_that_of_chance(
    images: dict[str, Subject], name: str
) -> None:
    blocks = images[name].sorted(most_steps=256)
    assert_near(gaps(blocks, Speeds.equal(4)))
    unequal = gaps(blocks, UNEQUAL)
    assert_near(unequal)
    # Equal speeds make equal parts all but the best there is; where they differ, parts must.
    assert max(unequal.genetic) < unequal.of(unequal.equal) - 0.01


@pytest.mark.slow
@pytest.mark.parametrize("speeds", FLEETS.values(), ids=FLEETS)
@pytest.mark.parametrize("name", NAMES)
def test_so_it_is_between_all_blocks_and_of_more_providers(
    images: dict[str, Subject], name: str, speeds: Speeds
) -> None:
    assert_near(gaps(images[name].sorted(), speeds))
