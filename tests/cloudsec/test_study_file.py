import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloudsec import VaultError, study_file
from cloudsec.keystream import Keystream
from cloudsec.study_file import StudyFile
from tests.odd_places import made_odd
from tests.racers import ROOT, run_at_once

KEYS = Keystream(bytes(range(32)))
SECRET = b"provider 3 holds class 1"


@pytest.fixture
def record(tmp_path: Path) -> StudyFile:
    """The file of a study without a record, in a directory that does not exist yet."""
    return StudyFile(KEYS.for_study("Jane Doe, knee"), tmp_path / "state" / "records")


def write(record: StudyFile, content: bytes) -> Path:
    with record.changing() as change:
        change.write(content)
    return record.path


def refusal(record: StudyFile) -> str:
    """The one line that says why a record was refused, with nothing drawn anew and nothing overwritten."""
    with pytest.raises(VaultError) as caught:
        record.read()
    with pytest.raises(VaultError), record.changing():
        pytest.fail("a record that cannot be read was given out to be changed")
    message = str(caught.value)
    assert message.isprintable()
    assert str(record.path) in message
    assert "provider 3" not in message
    assert "Jane" not in message
    return message


def test_what_is_written_is_read_again(record: StudyFile) -> None:
    assert record.read() is None
    with record.changing() as change:
        assert change.content is None
        change.write(b"first")
        assert change.content == b"first"
        change.write(SECRET)
    assert record.read() == SECRET
    assert StudyFile(KEYS.for_study("Jane Doe, knee"), record.directory).read() == SECRET
    with record.changing() as change:
        assert change.content == SECRET
    for content in (b"", bytes(100_000)):
        write(record, content)
        assert record.read() == content


def test_nothing_is_written_unasked(record: StudyFile) -> None:
    assert record.read() is None
    assert not record.directory.exists()
    with pytest.raises(RuntimeError), record.changing():
        raise RuntimeError
    assert record.read() is None
    write(record, SECRET)
    before = record.path.read_bytes()
    with pytest.raises(RuntimeError), record.changing():
        raise RuntimeError
    assert record.path.read_bytes() == before


def test_a_change_ends_with_its_block(record: StudyFile) -> None:
    with record.changing() as change:
        pass
    with pytest.raises(ValueError, match="no longer locked"):
        change.write(SECRET)
    assert record.read() is None


def test_files_and_representations_tell_nothing(record: StudyFile) -> None:
    sealed = write(record, SECRET).read_bytes()
    assert SECRET not in sealed
    assert sealed != write(record, SECRET).read_bytes()
    assert sorted(os.listdir(record.directory)) == sorted([record.path.name, record.path.stem + ".lock"])
    assert record.path.with_suffix(".lock").read_bytes() == b""
    assert "Jane" not in repr(record)
    with record.changing() as change:
        assert "provider 3" not in repr(change)


def test_every_study_and_every_key_has_a_file_of_its_own(tmp_path: Path) -> None:
    studies = [keys.for_study(name) for keys in (KEYS, Keystream(bytes(32))) for name in (None, "", "a", "b")]
    paths = [StudyFile(keys, tmp_path).path for keys in studies]
    assert len(set(paths)) == len(paths)
    assert all(len(path.name) == len("study-.sealed") + 32 for path in paths)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_record_is_its_owners_alone_from_the_start_and_lasts(
    record: StudyFile, umask: int, synced_modes: list[int]
) -> None:
    before = os.umask(umask)
    try:
        write(record, SECRET)
        # However it was widened, a new record does not take that over.
        record.path.chmod(0o644)
        write(record, SECRET)
    finally:
        os.umask(before)
    for path in record.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(mode) for mode in synced_modes if stat.S_ISREG(mode)] == [0o600, 0o600]
    # Two directories that were made, and two records, each known to the directory above.
    assert sum(map(stat.S_ISDIR, synced_modes)) == 4
    assert stat.S_IMODE(record.directory.stat().st_mode) == 0o700


def test_processes_that_change_a_record_lose_no_update(record: StudyFile) -> None:
    imports = "import sys; from pathlib import Path; from cloudsec.study_file import StudyFile\n"
    imports += "from cloudsec.keystream import Keystream"
    program = """
record = StudyFile(Keystream(bytes(range(32))).for_study("Jane Doe, knee"), Path(sys.argv[1]))
for turn in range(10):
    with record.changing() as change:
        change.write((change.content or b"") + f"{sys.argv[2]}.{turn} ".encode())
"""
    run_at_once(imports, program, [(str(record.directory), str(number)) for number in range(8)])
    written = (record.read() or b"").split()
    assert sorted(written) == sorted(f"{number}.{turn}".encode() for number in range(8) for turn in range(10))
    assert len(os.listdir(record.directory)) == 2


def test_threads_that_change_a_record_lose_no_update(record: StudyFile) -> None:
    start = threading.Barrier(8)

    def append(number: int) -> None:
        start.wait()
        for turn in range(10):
            with record.changing() as change:
                change.write((change.content or b"") + f"{number}.{turn} ".encode())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))
    written = (record.read() or b"").split()
    assert sorted(written) == sorted(f"{number}.{turn}".encode() for number in range(8) for turn in range(10))


def test_a_reader_beside_writers_always_sees_a_whole_record(record: StudyFile) -> None:
    write(record, bytes(50_000))
    seen: list[bytes | None] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(record.read())

    def change(number: int) -> None:
        for turn in range(20):
            write(record, bytes([20 * number + turn]) * (50_000 + 1000 * turn))

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(change, number) for number in range(2)]
        try:
            for writer in writers:
                writer.result()
        finally:
            done.set()
        for reader in readers:
            reader.result()
    assert len(seen) > 1
    for content in seen:
        assert content is not None
        assert len(set(content)) == 1
        assert len(content) == 50_000 + 1000 * (content[0] % 20)


def test_a_reader_needs_no_lock(record: StudyFile) -> None:
    write(record, SECRET)
    with record.changing() as change:
        change.write(b"new")
        assert record.read() == b"new"


def test_another_studys_lock_is_not_waited_for(record: StudyFile) -> None:
    other = StudyFile(KEYS.for_study(None), record.directory)
    with record.changing() as change, other.changing() as others:
        change.write(b"mine")
        others.write(b"theirs")
    assert (record.read(), other.read()) == (b"mine", b"theirs")


def test_a_process_that_was_forked_inside_a_change_does_not_keep_the_lock(record: StudyFile) -> None:
    # What a fork inherits is one more descriptor of the same opening, so that is what stands for it.
    opened = os.open
    inherited: list[int] = []

    def opened_and_inherited(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = opened(path, flags, mode)
        inherited.append(os.dup(descriptor))
        return descriptor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened_and_inherited)
        with record.changing():
            pass
    lock = opened(record.path.with_suffix(".lock"), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for descriptor in (lock, *inherited):
        os.close(descriptor)


@pytest.mark.parametrize("moment", ["os.fsync", "Path.replace"])
def test_a_process_that_is_killed_while_it_writes_leaves_the_old_record_and_no_lock(
    record: StudyFile, moment: str
) -> None:
    write(record, SECRET)
    program = f"""
import os, signal, sys
from pathlib import Path
from cloudsec.keystream import Keystream
from cloudsec.study_file import StudyFile

{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
record = StudyFile(Keystream(bytes(range(32))).for_study("Jane Doe, knee"), Path(sys.argv[1]))
with record.changing() as change:
    change.write(b"new")
"""
    ended = subprocess.run([sys.executable, "-c", program, str(record.directory)], cwd=ROOT, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(record.directory.glob(".cloudsec-*.part"))) == 1
    assert record.read() == SECRET
    write(record, b"the next one's")
    assert record.read() == b"the next one's"


def test_a_write_that_fails_leaves_the_old_record(record: StudyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write(record, SECRET)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with record.changing() as change:
        with monkeypatch.context() as patch, pytest.raises(VaultError, match="No space left") as caught:
            patch.setattr(os, "fsync", full)
            change.write(b"new")
        assert str(record.path) in str(caught.value)
        assert change.content == SECRET
    assert record.read() == SECRET
    assert len(os.listdir(record.directory)) == 2


def test_every_flipped_bit_is_refused(record: StudyFile) -> None:
    sealed = write(record, SECRET).read_bytes()
    for place in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[place] ^= 1 << bit
            record.path.write_bytes(flipped)
            with pytest.raises(VaultError):
                record.read()
    record.path.write_bytes(bytes([sealed[0] ^ 1]) + sealed[1:])
    assert "restore it from a backup" in refusal(record)
    record.path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert "restore it from a backup" in refusal(record)
    record.path.write_bytes(sealed)
    assert record.read() == SECRET


def test_every_cut_and_every_addition_is_refused(record: StudyFile) -> None:
    sealed = write(record, SECRET).read_bytes()
    for length in range(len(sealed)):
        record.path.write_bytes(sealed[:length])
        with pytest.raises(VaultError):
            record.read()
    for content in (b"", sealed[: len(sealed) // 2], sealed + b"\0", sealed * 2, b"\0" + sealed, SECRET):
        record.path.write_bytes(content)
        assert "other positions" in refusal(record)
        assert record.path.read_bytes() == content


def test_a_record_of_another_version_is_refused(record: StudyFile) -> None:
    sealed = write(record, SECRET).read_bytes()
    assert sealed.startswith(b"cloudsec record 1\n")
    record.path.write_bytes(sealed.replace(b"record 1\n", b"record 2\n"))
    assert "version" in refusal(record)


def test_a_record_under_another_name_or_of_another_key_is_refused(record: StudyFile) -> None:
    write(record, SECRET)
    for keys in (
        KEYS.for_study("another"),
        KEYS.for_study(None),
        Keystream(bytes(32)).for_study("Jane Doe, knee"),
    ):
        other = StudyFile(keys, record.directory)
        shutil.copy(record.path, other.path)
        assert "another study's" in refusal(other)
    # The name is sealed with the content, so that not even the right key opens what was renamed.
    renamed = StudyFile(record.keys, record.directory)
    path = record.path.with_name("study-0.sealed")
    shutil.copy(record.path, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StudyFile, "path", path)
        refusal(renamed)


def test_a_record_that_moved_with_its_directory_is_read(record: StudyFile, tmp_path: Path) -> None:
    write(record, SECRET)
    moved = record.directory.rename(tmp_path / "elsewhere")
    assert StudyFile(record.keys, moved).read() == SECRET


@made_odd
def test_what_is_no_regular_file_is_refused_at_once(record: StudyFile, make: Callable[[Path], None]) -> None:
    record.directory.mkdir(parents=True)
    make(record.path)
    assert "restore it from a backup" in refusal(record)


def test_a_record_that_is_too_large_is_refused_unread(
    record: StudyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write(record, SECRET).open("r+b") as file:
        file.truncate(study_file.LARGEST_RECORD + 1)
    assert "too large" in refusal(record).lower()
    write_limit = 100
    record.path.unlink()
    write(record, SECRET)
    monkeypatch.setattr(study_file, "LARGEST_RECORD", write_limit)
    with record.changing() as change, pytest.raises(VaultError, match="beyond 100 bytes"):
        change.write(bytes(write_limit))
    assert record.read() == SECRET


def test_a_record_that_may_not_be_read_is_refused(record: StudyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write(record, SECRET)
    opened = os.open

    # Nothing is forbidden to root, as whom tests may run.
    def forbidden(path: str, *arguments: int) -> int:
        if str(path) == str(record.path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", forbidden)
    message = refusal(record)
    assert "Permission denied" in message
    assert "restore it from a backup" in message


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_refused(
    record: StudyFile, reason: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_locks(*_: int) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(fcntl, "flock", without_locks)
    with pytest.raises(VaultError, match=r"\$CLOUDSEC_STATE") as caught, record.changing():
        pytest.fail("a record was given out without a lock")
    assert str(record.path) in str(caught.value)


def test_a_place_that_cannot_be_made_or_written_is_refused(record: StudyFile, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "unmounted")
    record.directory.mkdir(parents=True)
    record.path.with_suffix(".lock").mkdir()
    for directory in (tmp_path / "file", tmp_path / "file" / "in it", tmp_path / "gone", record.directory):
        placed = StudyFile(record.keys, directory)
        with pytest.raises(VaultError, match=r"\$CLOUDSEC_STATE") as caught, placed.changing():
            pytest.fail("a record was given out without a lock")
        assert str(placed.path) in str(caught.value)
