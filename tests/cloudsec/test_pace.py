import pytest

from cloudsec.pace import Pace


def test_speeds_are_equal_until_all_that_were_asked_were_timed() -> None:
    assert Pace().of(["a", "b"]) == (1.0, 1.0)
    partly = Pace().after({"a": (100, 1.0), "b": (0, 0.0)})
    assert partly.of(["a", "b"]) == (1.0, 1.0)
    assert partly.after({"a": (10, 1.0), "b": (5, 1.0)}).of(["a", "b"]) == (1.0, 0.5)
    assert Pace().after({"a": (100, 1.0), "b": (50, 1.0)}).of(["a", "b"]) == pytest.approx((4 / 3, 2 / 3))


def test_who_was_never_asked_counts_as_the_average() -> None:
    pace = Pace().after({"a": (300, 1.0), "b": (100, 1.0)})
    assert pace.of(["a", "c", "b"]) == (1.5, 1.0, 0.5)


def test_jobs_of_other_work_are_put_on_one_scale() -> None:
    pace = Pace().after({"a": (300, 1.0), "b": (100, 1.0), "c": (200, 1.0)})
    # A pixel is ten times the work in this one, and c has no part in it.
    assert pace.after({"a": (30, 1.0), "b": (10, 1.0)}).of(["a", "b", "c"]) == pytest.approx((1.5, 0.5, 1))
    # b has become twice as fast beside a, and is taken for as much at last.
    changed = [pace]
    for _ in range(12):
        changed.append(changed[-1].after({"a": (30, 1.0), "b": (20, 1.0)}))
    ratios = [each.of("a")[0] / each.of("b")[0] for each in changed]
    assert ratios[:2] == pytest.approx([3, 4.5**0.5])
    assert ratios[-1] == pytest.approx(1.5, rel=1e-3)


def test_answers_without_pixels_or_seconds_time_nobody() -> None:
    pace = Pace().after({"a": (300, 1.0), "b": (100, 1.0)})
    for nothing in ((0, 0.0), (0, 1.0), (100, 0.0)):
        assert pace.after({"a": nothing, "b": nothing}).of("ab") == (1.5, 0.5)


def test_who_stands_by_is_taken_for_the_average_in_time() -> None:
    pace = Pace().after({"a": (300, 1.0), "b": (300, 1.0), "c": (3, 1.0)})
    speeds = [pace.of("abc")[2]]
    for _ in range(60):
        pace = pace.after({"a": (300, 1.0), "b": (300, 1.0)})
        speeds.append(pace.of("abc")[2])
    assert speeds == sorted(speeds)
    assert speeds[1] < 2 * speeds[0]
    assert speeds[-1] == pytest.approx(pace.of("a")[0], rel=0.05)
