"""Operations on whole planes: the law on shares, liars, the secrets that check them, and refusals."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec.cli import main
from cloudsec.errors import IncompatibleScheme, ProviderFailed
from cloudsec.schemes import SCHEMES
from cloudsec.verification.products import Probe
from providers import Filter, make_operation
from providers.testing import images
from tests.dicom_files import dataset_of, file_of
from tests.simulator import Behaviour, Simulated, changed

DTYPES = ("uint8", "int16", "uint16")
IMAGE = np.random.default_rng(0).integers(0, 4096, (16, 24), np.uint16)
MATRIX = np.random.default_rng(1).integers(-99, 99, (12, 16 * 24))
EACH = {
    "operator": {"matrix": MATRIX, "output_shape": (4, 3), "divisor": 3},
    "dct": {},
    "rescale": {"scale": 3},
    "backprojection": {},
}


@st.composite
def jobs(draw: st.DrawFn) -> tuple[NDArray[Any], int | None, Filter]:
    """A grey image, one in colour, or a volume, and an operation that takes whole planes of it."""
    name = draw(st.sampled_from([*EACH]))
    sides = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    parameters: dict[str, Any] = {}
    if name == "dct":
        parameters["size"] = draw(st.sampled_from([2, 4, 8]))
        sides = (parameters["size"], 2 * parameters["size"])
    elif name == "rescale":
        parameters = {"scale": draw(st.integers(2, 4)), "mode": draw(st.sampled_from(["reflect", "mirror"]))}
    elif name == "operator":
        shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
        random = np.random.default_rng(draw(st.integers(0, 2**32)))
        bound = draw(st.sampled_from([2, 200, 2**28]))
        matrix = random.integers(-bound, bound, (shape[0] * shape[1], sides[0] * sides[1]))
        parameters = {"matrix": matrix, "output_shape": shape, "divisor": draw(st.sampled_from([1, 7, 16]))}
    kind = draw(st.sampled_from(["plane", "colour", "volume"]))
    if kind == "volume" and sides[1] not in (3, 4):
        return (
            draw(images((draw(st.integers(1, 3)), *sides), DTYPES)),
            None,
            make_operation(name, **parameters),
        )
    shape = (*sides, 3) if kind == "colour" else sides
    return draw(images(shape, DTYPES)), -1 if kind == "colour" else None, make_operation(name, **parameters)


@settings(max_examples=60)
@given(jobs(), st.sampled_from(["additive", "shamir", "auto"]), st.integers(2, 4), st.booleans())
def test_a_result_on_shares_is_that_of_the_operation_on_the_image(
    job: tuple[NDArray[Any], int | None, Filter], scheme: str, count: int, seeds: bool
) -> None:
    image, axis, operation = job
    wanted = providers.apply(image, operation, channel_axis=axis)
    plan = None if scheme == "auto" else {"seeds": seeds}
    with cloudsec.Broker(count, scheme=scheme, plan=plan, key=bytes(32)) as broker:
        result = broker.process(image, operation, channel_axis=axis)
    assert result.image is not None
    assert result.image.dtype == wanted.dtype
    assert result.image.shape == wanted.shape
    assert (result.image == wanted).all()
    assert "secret tag" in result.report.exact


@pytest.mark.parametrize("name", EACH)
def test_it_holds_over_http(http_providers: list[str], name: str) -> None:
    with cloudsec.Broker(http_providers[:3], scheme="shamir", key=bytes(32)) as broker:
        result = broker.process(IMAGE, name, **EACH[name])
    assert (result.image == providers.apply(IMAGE, name, **EACH[name])).all()


def lying(task_number: int = 0) -> Behaviour:
    def change(answer: Any) -> Any:
        stack = answer.stack.copy()
        stack.flat[task_number] ^= stack.dtype.type(1)
        return type(answer)(answer.id, stack)

    return changed(change)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("liar", [0, 1])
def test_one_liar_of_three_is_named_and_the_result_is_right(name: str, liar: int) -> None:
    clouds = [Simulated(f"c{at}", **({"behaviour": lying()} if at == liar else {})) for at in range(3)]
    with cloudsec.Broker(clouds, scheme="shamir", key=bytes(32)) as broker:
        result = broker.process(IMAGE, name, **EACH[name])
        assert (result.image == providers.apply(IMAGE, name, **EACH[name])).all()
        (loss,) = result.report.losses
        assert loss.provider == f"c{liar}"
        assert "answered wrongly" in loss.reason
        # It is not asked again.
        broker.process(IMAGE, name, **EACH[name])
    assert len(clouds[liar].requests) == 1


@pytest.mark.parametrize("name", EACH)
def test_with_too_few_honest_providers_the_broker_computes_it(name: str) -> None:
    clouds = [Simulated("liar", behaviour=lying()), Simulated("honest")]
    with cloudsec.Broker(clouds, scheme="additive", key=bytes(32)) as broker:
        result = broker.process(IMAGE, name, **EACH[name])
    assert (result.image == providers.apply(IMAGE, name, **EACH[name])).all()
    assert result.report.home["pixel_share"] == 1
    with (
        cloudsec.Broker(clouds, scheme="additive", on_loss="fail", key=bytes(32)) as broker,
        pytest.raises(ProviderFailed, match="liar"),
    ):
        broker.process(IMAGE, name, **EACH[name])


def test_two_images_of_a_series_are_checked_by_one_secret_and_another_after_a_lie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Probe] = []
    real = Probe.drawn
    monkeypatch.setattr(Probe, "drawn", lambda part: drawn.append(real(part)) or drawn[-1])
    lies = {"now": False}

    def change(answer: Any) -> Any:
        stack = answer.stack.copy()
        stack.flat[0] ^= stack.dtype.type(lies["now"])
        return type(answer)(answer.id, stack)

    clouds = [Simulated(f"c{at}", **({"behaviour": changed(change)} if at == 1 else {})) for at in range(4)]
    with cloudsec.Broker(clouds, scheme="shamir", key=bytes(32)) as broker:
        for image in (IMAGE, IMAGE + 1):
            broker.process(image, "backprojection")
        assert len(drawn) == 1
        lies["now"] = True
        broker.process(IMAGE, "backprojection")
        assert len(drawn) == 1
        broker.process(IMAGE, "backprojection")
        assert len(drawn) == 2
        broker.process(IMAGE, "dct")
        assert len(drawn) == 3
    secrets = {probe.answers.tobytes() for probe in drawn} | {probe.pixels.tobytes() for probe in drawn}
    for cloud in clouds:
        for request in cloud.requests:
            assert not any(secret[:64] in request for secret in secrets)


def test_nothing_is_drawn_where_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Probe, "drawn", lambda part: pytest.fail("a secret was drawn"))
    with cloudsec.Broker(2, scheme="shamir", verify=False, key=bytes(32)) as broker:
        report = broker.process(IMAGE, "dct").report
    assert "shape, type and range only" in report.exact


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("scheme", ["packed", "bfv", "paillier", "ga-es", "ga-es-2018", "unprotected"])
def test_schemes_of_parts_refuse_it_and_name_one_that_does_not(scheme: str, name: str) -> None:
    with (
        cloudsec.Broker(4, scheme=scheme, key=bytes(32)) as broker,
        pytest.raises(IncompatibleScheme, match="needs whole planes; use scheme 'shamir'"),
    ):
        broker.process(IMAGE, name, **EACH[name])
    resolved = make_operation(name, **EACH[name]).resolved(2, "uint16")
    carrying = {key for key, each in SCHEMES.items() if each.carries(resolved)}
    assert carrying & {"additive", "shamir", scheme} == {"additive", "shamir"}


def test_planes_that_are_more_than_one_task_are_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with cloudsec.Broker(3, scheme="shamir", key=bytes(32)) as broker:
        monkeypatch.setattr("cloudsec.schemes.shares.MAX_WORK", 100)
        with pytest.raises(
            IncompatibleScheme, match=r"more work for one task.*plane by plane \(--one-by-one\)"
        ):
            broker.process(IMAGE, "dct")
        monkeypatch.undo()
        monkeypatch.setattr("cloudsec.schemes.shares.MAX_REQUEST", 1 << 20)
        with pytest.raises(IncompatibleScheme, match="bytes for one task"):
            broker.process(IMAGE, "dct")
    # There is nothing weaker that would carry it.
    with (
        cloudsec.Broker(3, key=bytes(32)) as broker,
        pytest.raises(IncompatibleScheme, match="bytes for one task"),
    ):
        broker.process(IMAGE, "dct")


def test_what_would_be_done_is_planned_without_sending_anything() -> None:
    clouds = [Simulated(f"c{at}") for at in range(3)]
    with cloudsec.Broker(clouds, scheme="shamir", key=bytes(32)) as broker:
        fields = broker.plan(IMAGE, "rescale").to_dict()
    assert fields["plan"]["shares"]["quorum"] == 2
    assert not any(cloud.requests for cloud in clouds)


def test_a_series_of_files_is_processed_and_written_in_the_new_shape(tmp_path: Any) -> None:
    source = tmp_path / "in.npy"
    np.save(source, np.stack([IMAGE, IMAGE + 5]))
    words = ["--scheme", "shamir", "--providers", "3", "-o", "rescale", "-p", "scale=2"]
    for more in ([], ["--one-by-one"]):
        assert main(["process", str(source), str(tmp_path / "out.npy"), *words, *more]) == 0
        found = np.load(tmp_path / "out.npy")
        assert (found == [providers.apply(image, "rescale") for image in (IMAGE, IMAGE + 5)]).all()


def test_a_dicom_file_of_another_shape_is_refused_with_what_can_be_written(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.dcm"
    source.write_bytes(file_of(dataset_of(IMAGE)))
    for target in ("out.dcm", "out.nii"):
        words = ["--scheme", "shamir", "--providers", "3", "-o", "rescale"]
        assert main(["process", str(source), str(tmp_path / target), *words]) != 0
    assert "write a .npy or .tiff file" in capsys.readouterr().err
    assert main(["process", str(source), str(tmp_path / "out.tiff"), *words]) == 0
