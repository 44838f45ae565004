from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsec.table import WIDTH, shortened, summary
from cloudsec.wording import share
from tests.reports import example, nothing_sent


def test_every_figure_of_a_job_is_in_its_row() -> None:
    lines = summary(example()).splitlines()
    assert lines[0] == "gaussian sigma=2 truncate=4 by scheme ga-es (heuristic), 0.32 s"
    first = "http://127.0.0.1:40930 8.7% 15.1% 30.1% 134.8 91.2 201 301 401 0.031"
    assert lines[2].split() == first.split()
    last = "http://127.0.0.1:40938 9.5% 15.9% 30.9% 142.8 99.2 209 309 409 0.111"
    assert lines[10].split() == last.split()
    assert " ".join(lines[11].split()) == "at home 21.6% (edge 6.5%, ring 12.1%, lost 3.0%)"


def test_a_share_that_is_not_nothing_is_not_written_as_nothing() -> None:
    fields = example()
    fields["leakage"]["assembled_area"] = [0.0, 0.0004]
    (line,) = [line for line in summary(fields).splitlines() if line.startswith("assembled")]
    assert line.split() == ["assembled", "0.0%", "<0.1%"]


def test_columns_stand_below_their_heads() -> None:
    lines = summary(example()).splitlines()
    assert len({len(line) for line in lines[1:11]}) == 1
    right = lines[1].index("computed") + len("computed")
    assert all(line[right - 1] == "%" for line in lines[2:12])


def test_the_curves_stand_below_the_sizes_of_coalitions() -> None:
    lines = {line.split("  ")[0]: line.split()[-5:] for line in summary(example()).splitlines()}
    assert lines["colluding"] == ["1", "2", "3", "4", "5"]
    assert lines["assembled"] == ["0.2%", "0.6%", "6.2%", "44.2%", "81.2%"]
    assert lines["adjacent"] == ["0.3%", "0.8%", "7.4%", "47.2%", "83.2%"]
    assert lines["without losses"][-4:] == ["0.1%", "0.5%", "5.5%", "43.5%"]


def test_losses_threshold_statement_and_verification_are_said() -> None:
    fields = example()
    said = " ".join(summary(fields).split())
    assert "Lost http://127.0.0.1:40938: It did not answer within 61 s. Of its 29 blocks:" in said
    assert "29 blocks: 11 at http://127.0.0.1:40930, 18 at home." in said
    most = "11.3% of the pixels computed, 15.9% received, 13.2% of the gradient; ideal 11.1%"
    assert f"Most at one provider: {most}" in said
    assert "Without losses: 11.2% of the pixels computed, 12.1% of the gradient." in said
    assert "one among 37 blocks" in said
    assert "It takes 4 colluding providers" in said
    assert fields["statement"] in said
    assert said.endswith("Exact: by construction, and 73 blocks were computed again at home and agreed.")


def test_a_job_without_losses_says_nothing_of_any() -> None:
    said = summary(example(lost=False))
    assert "Lost" not in said
    assert "ithout losses" not in said


@given(st.lists(st.text(max_size=150), min_size=1, max_size=12), st.booleans())
def test_no_line_is_wider_and_no_character_controls_the_terminal(names: list[str], lost: bool) -> None:
    fields = example(len(names), lost=lost)
    for provider, name in zip(fields["providers"], names, strict=True):
        provider["name"] = name
    for loss in fields["losses"]:
        loss |= {"provider": names[0], "reason": names[-1], "at_stand_ins": dict.fromkeys(names, 3)}
    said = summary(fields)
    assert all(len(line) <= WIDTH for line in said.split("\n"))
    assert all(character.isprintable() for line in said.split("\n") for character in line)


@pytest.mark.parametrize("providers", [1, 2, 64])
def test_any_number_of_providers_has_a_table(providers: int) -> None:
    fields = example(providers)
    fields["leakage"]["assembled_area"] = [i / providers for i in range(providers)]
    fields["leakage"]["adjacent_area"] = [i / providers for i in range(providers)]
    lines = summary(fields).splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + providers]] == [p["name"] for p in fields["providers"]]
    assert all(len(line) <= WIDTH for line in lines)
    shown = [figure for line in lines if line.startswith("assembled") for figure in line.split()[1:]]
    assert shown == [share(i / providers) for i in range(providers)]


def test_what_a_search_for_regions_found_is_said_where_there_was_one() -> None:
    said = " ".join(summary(example(searched=True)).split())
    assert "Regions by entropy part at 3.961, 6.344, 7.909 bits; 6 generations" in said
    assert "brought J from 1.5432 to 1.4876." in said
    assert "generation" not in summary(example())


def test_where_nothing_left_the_house_no_leakage_is_spoken_of() -> None:
    said = summary(nothing_sent())
    assert "(small 100.0%)" in said
    assert "colluding" not in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"collusion_threshold": None}, "No 5 colluding providers could put together a piece"),
        ({"collusion_threshold": 1}, "A single provider could put together a piece"),
        ({"collusion_threshold": None, "assembled_area": [0.01]}, "No provider alone could put together"),
        ({"collusion_threshold": None, "assembled_area": []}, "nothing that providers could put together"),
        ({"bound": "greedy"}, "a worse one than those found may exist"),
        ({"bound": "exact"}, "Every coalition of these sizes was tried"),
        ({"over_study": False}, "This counts this job alone"),
        ({"over_study": True}, "all jobs of the study"),
    ],
)
def test_the_verdict_says_what_was_found_and_what_it_holds_for(change: dict[str, Any], said: str) -> None:
    fields = example()
    fields["leakage"] |= change
    assert said in " ".join(summary(fields).split())


@given(st.text(max_size=80), st.integers(2, 60))
def test_a_text_that_is_cut_keeps_both_ends_and_says_so(text: str, width: int) -> None:
    shown = shortened(text, width)
    assert len(shown) == min(len(text), width)
    if len(text) > width:
        head, tail = shown[: width // 2], shown[width // 2 + 1 :]
        assert shown == f"{head}…{tail}"
        assert text.startswith(head)
        assert text.endswith(tail)
    else:
        assert shown == text
