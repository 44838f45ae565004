import hashlib
import hmac

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cloudsec.keystream import Keystream

KEYS = Keystream(bytes(range(32)))


def test_octets_follow_rfc_5869_and_aes_in_counter_mode() -> None:
    extracted = hmac.new(bytes(32), bytes(range(32)), hashlib.sha256).digest()
    derived = hmac.new(extracted, b"cloudsec 1 octets some label" + b"\x01", hashlib.sha256).digest()
    cipher = Cipher(algorithms.AES(derived), modes.ECB()).encryptor()
    wanted = cipher.update((0).to_bytes(16, "big") + (1).to_bytes(16, "big"))
    assert KEYS.octets("some label", 32) == wanted


def test_equal_labels_give_equal_secrets_and_others_do_not() -> None:
    assert KEYS.octets("a", 16) == Keystream(bytes(range(32))).octets("a", 16)
    assert KEYS.octets("a", 16) != KEYS.octets("b", 16)
    assert KEYS.octets("a", 16) != Keystream(bytes(32)).octets("a", 16)


def test_every_job_has_a_keystream_of_its_own() -> None:
    assert len({KEYS.for_job().octets("a", 16) for _ in range(100)}) == 100
    assert Keystream.fresh().octets("a", 16) != Keystream.fresh().octets("a", 16)


def test_a_study_has_the_same_keystream_whenever_it_is_asked_for() -> None:
    extracted = hmac.new(bytes(32), bytes(range(32)), hashlib.sha256).digest()
    label = b"cloudsec 1 study 5 fleet named knee"
    key = hmac.new(extracted, label + b"\x01", hashlib.sha256).digest()
    assert KEYS.for_study("knee", "fleet").octets("a", 16) == Keystream(key).octets("a", 16)
    unnamed = hmac.new(extracted, b"cloudsec 1 study 0  unnamed\x01", hashlib.sha256).digest()
    assert KEYS.for_study(None).octets("a", 16) == Keystream(unnamed).octets("a", 16)


def test_no_two_studies_share_a_keystream() -> None:
    names = [
        None,
        "",
        "None",
        "unnamed",
        "named",
        "named ",
        " named a",
        "a",
        "1",
        "0  unnamed",
        "é",
        "e\u0301",
    ]
    names += ["\udce9", "\ud83d\ude00", "😀"]
    scopes = [name for name in names if name is not None] + ["0", "1 ", " unnamed", "a named a"]
    studies = [KEYS.for_study(name, scope) for name in names for scope in scopes]
    studies += [Keystream(bytes(32)).for_study(name) for name in names] + [KEYS]
    assert len({keys.octets("a", 16) for keys in studies}) == len(studies)


def test_a_name_and_a_scope_that_could_trade_places_do_not() -> None:
    name, scope = "b", "a"
    for moved in ((" b", "a"), ("b", "a "), ("a", "b"), ("", "ab"), ("ab", ""), ("named b", "a")):
        assert KEYS.for_study(name, scope).octets("a", 16) != KEYS.for_study(*moved).octets("a", 16)
    # Without the length, these two would be one label.
    assert KEYS.for_study("x named y", "s").octets("a", 16) != KEYS.for_study("y", "s named x").octets(
        "a", 16
    )


def test_a_callers_own_key_is_condensed_and_a_short_one_refused_without_showing_it() -> None:
    material = b"a long secret of a hospital's own, from its key store"
    extracted = hmac.new(bytes(32), material, hashlib.sha256).digest()
    key = hmac.new(extracted, b"cloudsec 1 master\x01", hashlib.sha256).digest()
    assert Keystream.of(material).octets("a", 16) == Keystream(key).octets("a", 16)
    assert Keystream.of(material + b"x").octets("a", 16) != Keystream.of(material).octets("a", 16)
    assert Keystream.of(bytes(32)).octets("a", 16) != Keystream(bytes(32)).octets("a", 16)
    for short in (b"", b"secret", b"secret" * 5):
        with pytest.raises(ValueError, match=f"at least 32 bytes, this one {len(short)}") as caught:
            Keystream.of(short)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("bound", [1, 2, 3, 5, 7, 10, 1000])
def test_integers_are_uniform_below_their_bound(bound: int) -> None:
    drawn = KEYS.integers(f"numbers below {bound}", bound, 20_000)
    counts = np.bincount(drawn, minlength=bound)
    assert len(counts) == bound
    expected = 20_000 / bound
    # Chi-square over its degrees of freedom, six deviations around 1; the key is fixed, so is the figure.
    squares = ((counts - expected) ** 2 / expected).sum()
    assert abs(squares - (bound - 1)) <= 6 * np.sqrt(2 * bound)


def test_integers_reach_large_bounds_and_refuse_larger_ones() -> None:
    drawn = KEYS.integers("large", 2**62, 1000)
    assert drawn.min() >= 0
    assert drawn.max() > 2**61
    for bound in (0, -1, 2**62 + 1):
        with pytest.raises(ValueError, match="bound"):
            KEYS.integers("x", bound, 1)


def test_a_draw_that_needs_a_second_attempt_repeats_nothing() -> None:
    # Nearly half of the words are thrown away, so that a few hundred numbers take several attempts.
    for count in (1, 5, 300):
        drawn = KEYS.integers("rare", 2**61 + 1, count)
        assert len(set(drawn.tolist())) == count


def test_equal_labels_of_different_kinds_tell_nothing_of_each_other() -> None:
    octets = np.frombuffer(KEYS.octets("a", 800), "<u8")
    assert KEYS.permutation("a", 100).tolist() != np.argsort(octets).tolist()
    assert KEYS.integers("a", 2**62, 1)[0] != int(octets[0] & np.uint64(2**62 - 1))
    assert (KEYS.bits("a", 6400) != np.unpackbits(octets.view(np.uint8))).any()


def test_a_permutation_holds_everything_once_and_every_order_occurs() -> None:
    orders = {tuple(KEYS.permutation(f"order {i}", 3)) for i in range(200)}
    assert len(orders) == 6
    assert sorted(KEYS.permutation("long", 10_000)) == list(range(10_000))


def test_a_key_of_another_length_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="32 bytes") as caught:
        Keystream(b"secret")
    assert "secret" not in str(caught.value)
    assert repr(KEYS) == "Keystream(…)"


def test_a_mask_is_given_once_and_then_refused_with_the_way_out() -> None:
    keys = Keystream(bytes(32))
    assert keys.mask("seeds 0", 16) != keys.mask("seeds 1", 16)
    with pytest.raises(ValueError, match="'seeds 0' was used already.* the keys of another delivery"):
        keys.mask("seeds 0", 16)
    assert keys.for_job().mask("seeds 0", 16) != keys.for_job().mask("seeds 0", 16)
