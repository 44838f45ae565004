"""Settings are safe where nobody says anything, and wrong ones are one line that names the way out."""

from pathlib import Path

import pytest

from cloudsec.server.settings import Settings, read_settings
from tests.cloudsec.server.test_dicom_jobs import read, slice_of
from tests.daemons import served


def write(place: Path, *lines: str) -> Path:
    path = place / "daemon.toml"
    path.write_text("\n".join(lines))
    return path


def test_without_a_file_the_daemon_is_for_this_machine_only_and_nothing_leaves_it() -> None:
    settings = read_settings(None)
    assert (settings.host, settings.providers_file, settings.database) == ("127.0.0.1", None, None)


def test_variables_stand_before_the_file_and_names_of_files_are_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "port = 9443", "workers = 3", 'providers_file = "providers.toml"')
    monkeypatch.setenv("CLOUDSEC_PORT", "9444")
    settings = read_settings(path)
    assert (settings.port, settings.workers) == (9444, 3)
    assert settings.providers_file == tmp_path / "providers.toml"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('hosst = "x"', "there is no setting 'hosst'; there are: host, port,"),
        ("port = 70000", "port: input should be less than or equal to 65535"),
        ('host = "0.0.0.0"', "images would travel in the clear; give tls_cert and tls_key"),
        ('tls_cert = "a.pem"', "tls_cert and tls_key belong together"),
        ('client_ca = "a.pem"', "client_ca is of no use without TLS"),
        ('vault_key_file = "a"\nvault_kms_key = "b"', "give one of vault_key_file"),
        ('project = ""', "project: string should have at least 1 character"),
        ("= 1", "is no TOML file"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_what_there_is(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path, line)
    with pytest.raises(ValueError) as error:
        read_settings(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_scheme_that_there_is_not_ends_the_start_and_no_job(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none-such"), served(tmp_path, scheme="none-such"):
        pass


def test_rules_hold_for_what_the_daemon_takes_in_with_their_options(tmp_path: Path) -> None:
    rules = write(tmp_path, 'clean = ["descriptors"]', 'keep = ["SeriesDescription"]')
    content = slice_of(SeriesDescription="t1 sagittal")
    with served(tmp_path, rules_file=rules) as daemon:
        kept, _ = daemon.daemon.intake.taken(content, name="it", project="knee", burned_in="refuse")
    assert read(kept).SeriesDescription == "t1 sagittal"


def test_rules_that_do_not_agree_end_the_start_and_no_job(tmp_path: Path) -> None:
    rules = write(tmp_path, 'keep = ["SeriesDescription"]')
    with pytest.raises(ValueError, match="name the option descriptors"), served(tmp_path, rules_file=rules):
        pass


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        read_settings(write(tmp_path, 'port = "cst-a-secret"'))
    assert "cst-a-secret" not in str(error.value)


def test_every_setting_says_what_it_is() -> None:
    source = Path(__file__).parents[3] / "README.md"
    told = source.read_text()
    assert [name for name in Settings.model_fields if f"`{name}`" not in told] == []
