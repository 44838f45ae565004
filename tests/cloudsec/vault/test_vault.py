"""A vault opens for whoever has its envelope, and keeps one secret for each name, whoever comes first."""

from collections.abc import Callable

from cloudsec.vault import Vault


def test_a_secret_is_made_once_for_each_name(vault: Vault, again: Callable[[], Vault]) -> None:
    drawn = vault.secret("knee").octets("a label", 16)
    assert vault.secret("knee").octets("a label", 16) == drawn
    assert vault.secret("hip").octets("a label", 16) != drawn
    with again() as other:
        assert other.secret("knee").octets("a label", 16) == drawn
