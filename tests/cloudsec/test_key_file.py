import os
import re
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudsec import VaultError
from cloudsec.key_file import master_key, state_directory
from cloudsec.keystream import Keystream
from tests.odd_places import made_odd
from tests.racers import run_at_once

DIGITS = bytes(range(32)).hex()
CONTENT = f"cloudsec-key-1 {DIGITS}\n"


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's key file, which does not exist yet, nor the two directories above it."""
    path = tmp_path / "settings" / "cloudsec" / "key"
    monkeypatch.setenv("CLOUDSEC_KEY_FILE", str(path))
    return path


def place(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def drawn(keys: Keystream) -> bytes:
    return keys.octets("a", 16)


def refusal(key: str | Path | None) -> str:
    """The one line that says why a key file was refused, and no digit of its key."""
    with pytest.raises(VaultError) as caught:
        master_key(key)
    assert DIGITS[:8] not in "".join(traceback.format_exception(caught.value))
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_the_first_use_makes_a_key_file_and_later_ones_read_it(path: Path) -> None:
    first = drawn(master_key(None))
    assert re.fullmatch(r"cloudsec-key-1 [0-9a-f]{64}\n", path.read_text())
    assert first == drawn(master_key(None)) == drawn(master_key(path)) == drawn(master_key(str(path)))
    assert first == drawn(Keystream.of(bytes.fromhex(path.read_text().split()[1])))
    assert os.listdir(path.parent) == ["key"]


def test_every_key_file_is_another_key(tmp_path: Path) -> None:
    assert len({drawn(master_key(tmp_path / str(i))) for i in range(10)}) == 10


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_key_is_its_owners_alone_from_the_start(path: Path, umask: int, synced_modes: list[int]) -> None:
    before = os.umask(umask)
    try:
        master_key(None)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(mode) for mode in synced_modes if stat.S_ISREG(mode)] == [0o600]
    # The two directories that were made, and the file in the last of them, each known to the one above.
    assert sum(map(stat.S_ISDIR, synced_modes)) == 3
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(path.parents[1].stat().st_mode) == 0o700


def test_a_directory_that_is_there_keeps_its_mode(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o755)
    master_key(None)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_processes_that_race_for_the_first_use_all_get_one_key(path: Path) -> None:
    imports = "from cloudsec.key_file import master_key"
    printed = run_at_once(imports, "print(master_key(None).octets('a', 16).hex())", [()] * 8)
    assert set(printed) == {drawn(master_key(None)).hex() + "\n"}
    assert os.listdir(path.parent) == ["key"]


def test_who_loses_the_race_takes_the_winners_key_and_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def beaten(source: Path, target: Path) -> None:
        place(path, CONTENT)
        link(source, target)

    monkeypatch.setattr(os, "link", beaten)
    assert drawn(master_key(None)) == drawn(Keystream.of(bytes(range(32))))
    assert path.read_text() == CONTENT
    assert os.listdir(path.parent) == ["key"]


def test_a_callers_own_bytes_touch_no_file(path: Path) -> None:
    assert drawn(master_key(bytes(range(40)))) == drawn(Keystream.of(bytes(range(40))))
    assert not path.parent.exists()
    with pytest.raises(ValueError, match="at least 32 bytes"):
        master_key(b"short")


def test_the_users_key_file_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOUDSEC_STATE")
    places = {"CLOUDSEC_KEY_FILE": "a/own", "XDG_CONFIG_HOME": "b", "HOME": "c"}
    for name, value in places.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    # The first that is named holds; an empty one names nothing, and neither does a relative XDG_CONFIG_HOME.
    for gone, wanted in (
        ({}, "a/own"),
        ({"CLOUDSEC_KEY_FILE": ""}, "b/cloudsec/key"),
        ({"XDG_CONFIG_HOME": "relative"}, "c/.config/cloudsec/key"),
    ):
        for name, value in gone.items():
            monkeypatch.setenv(name, value)
        master_key(None)
        assert (tmp_path / wanted).is_file()
        assert state_directory() == (tmp_path / wanted).parent


def test_records_lie_where_the_environment_says_or_beside_the_users_key_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLOUDSEC_STATE", str(tmp_path / "records"))
    assert state_directory() == tmp_path / "records"
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("CLOUDSEC_STATE")
        else:
            monkeypatch.setenv("CLOUDSEC_STATE", unset)
        assert state_directory() == path.parent
    # Asking makes nothing.
    assert not path.parent.exists()


def test_without_a_home_the_error_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setenv("CLOUDSEC_KEY_FILE", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    assert "$CLOUDSEC_KEY_FILE" in refusal(None)


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o660, 0o644, 0o666, 0o777])
def test_a_key_that_others_can_read_or_write_is_refused(path: Path, mode: int) -> None:
    place(path, CONTENT, mode)
    message = refusal(None)
    assert str(path) in message
    assert "`chmod 600`" in message
    assert path.read_text() == CONTENT


@pytest.mark.parametrize(
    "content",
    [
        "",
        CONTENT[:-1],
        CONTENT[:-2],
        CONTENT[:-2] + "\n",
        CONTENT[:15],
        CONTENT + "\n",
        CONTENT * 2,
        " " + CONTENT,
        CONTENT.replace("0", "g"),
        CONTENT.replace("-1", "-2"),
        CONTENT.replace("\n", "\r\n"),
        bytes(len(CONTENT)),
        bytes(range(32)),
        b"\xff" * 32,
        DIGITS,
    ],
)
def test_what_is_torn_or_no_key_file_is_refused_and_left_alone(path: Path, content: str | bytes) -> None:
    place(path, content)
    before = path.read_bytes()
    message = refusal(None)
    assert str(path) in message
    assert "restore it from a backup" in message
    assert path.read_bytes() == before


@made_odd
def test_what_is_no_regular_file_is_refused_at_once(path: Path, make: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True)
    make(path)
    message = refusal(path)
    assert str(path) in message
    assert "restore it from a backup" in message
    assert os.listdir(path.parent) == ["key"]


def test_a_link_to_a_key_file_is_read(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(place(tmp_path / "mounted", CONTENT))
    assert drawn(master_key(None)) == drawn(Keystream.of(bytes(range(32))))


def test_a_key_file_that_may_not_be_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(path, CONTENT)

    # Nothing is forbidden to root, as whom tests may run.
    def forbidden(*_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", forbidden)
    message = refusal(None)
    monkeypatch.undo()
    assert str(path) in message
    assert "Permission denied" in message
    assert path.read_text() == CONTENT


def test_a_place_where_no_key_can_be_made_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "unmounted")
    assert "$CLOUDSEC_KEY_FILE" in refusal(tmp_path / "gone" / "key")
    assert "cannot be read" in refusal(place(tmp_path / "file", "") / "key")

    def without_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", without_links)
    message = refusal(None)
    assert str(path) in message
    assert "$CLOUDSEC_KEY_FILE" in message
    assert os.listdir(path.parent) == []


def test_an_error_stays_on_one_line_whatever_the_files_name(tmp_path: Path) -> None:
    refusal(place(tmp_path / "two\nlines \udce9", ""))
