"""No wrong pixel reaches a result under any scheme, whatever liars make of right answers; they are named."""

from __future__ import annotations

import pytest

from benchmarks.tampering import COUNT, SETTINGS, Setting, Tampering, print_tampering


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_no_lie_of_any_kind_reaches_a_result(setting: Setting) -> None:
    lies = named = 0
    for told in Tampering(1).round((setting,)):
        assert told.exact, (told.what, told.kinds)
        assert not told.slandered, (told.what, told.kinds)
        lies, named = lies + len(told.kinds), named + sum(told.named)
    # Some lies are none: pixels that nobody keeps, or what two like pixels are exchanged for.
    assert lies >= named > 0.7 * lies > 7


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_same_lies_are_accepted_where_nothing_is_checked(setting: Setting) -> None:
    assert any(told.accepted for told in Tampering(1, verify=False).round((setting,)))


@pytest.mark.slow
def test_of_ten_thousand_lies_none_is_accepted(capfd: pytest.CaptureFixture[str]) -> None:
    assert print_tampering(COUNT), capfd.readouterr().out
