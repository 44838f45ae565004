"""A job in memory does what the command line does with files, and touches no disk."""

from __future__ import annotations

import builtins
import gzip
import io
import json
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

import providers
from cloudsec import Broker
from cloudsec.cli import main
from cloudsec.errors import ImageFileError
from cloudsec.formats import FIGURES, FORMATS
from cloudsec.image_file import ImageFile
from cloudsec.result import Result
from cloudsec.slices import Folder
from cloudsec.work import Images, Output, Work, images_of_file, images_of_folder, in_memory
from providers import make_operation
from tests import in_blocks
from tests.dicom_files import dataset_of, file_of

FRAMES = np.random.default_rng(0).integers(0, 200, (3, 70, 66), np.int16)
MEDIAN = Work(operation=make_operation("median", size=3))


@pytest.fixture
def broker() -> Iterator[Broker]:
    with in_blocks.Broker(4, key=bytes(32), plan={"block": 8}) as broker:
        yield broker


def nothing(result: Result) -> None:
    """What a job is done with that nobody wants to know of."""


def slices(**changes: Any) -> Folder:
    """Three of them, whose names are in another order than their positions."""
    files = {
        name: file_of(
            dataset_of(
                frame,
                ImagePositionPatient=[0, 0, height],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                SOPInstanceUID=f"1.2.3.{height + 1}",
                **changes,
            )
        )
        for name, frame, height in zip("bca", FRAMES, (0, 2, 4), strict=True)
    }
    return Folder(Path("study 7"), {name: in_memory(content) for name, content in files.items()})


def npy(pixels: np.ndarray[Any, Any]) -> bytes:
    buffer = BytesIO()
    np.save(buffer, pixels)
    return buffer.getvalue()


def results(
    broker: Broker, images: Images, form: str, work: Work = MEDIAN, name: str = "the result"
) -> list[bytes]:
    return list(work.contents(broker, images.files, Output(form, name), nothing))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_result_in_memory_is_what_the_command_line_writes(
    suffix: str, broker: Broker, tmp_path: Path
) -> None:
    if suffix in (".nii", ".nii.gz"):
        image = nibabel.Nifti1Image(FRAMES.T, np.eye(4))
        content = gzip.compress(image.to_bytes())
    else:
        content = file_of(dataset_of(FRAMES[0]))
    source, target = tmp_path / "in", tmp_path / f"out{suffix}"
    source.write_bytes(content)
    words = ["process", str(source), str(target), "-o", "median", "-p", "size=3", "--block", "8"]
    (held,) = results(broker, images_of_file("in", in_memory(content)), suffix)
    assert main([*words, "--providers", "4"]) == 0
    written = target.read_bytes()
    if suffix == ".dcm":
        # New UIDs and times are new each time.
        one, other = (pydicom.dcmread(BytesIO(each)) for each in (held, written))
        assert one.PixelData == other.PixelData
        assert one.DerivationDescription == other.DerivationDescription
    elif suffix == ".nii.gz":
        assert gzip.decompress(held) == gzip.decompress(written)
    else:
        assert held == written


@pytest.mark.parametrize("one_by_one", [False, True])
def test_slices_become_as_many_files_in_the_order_of_their_positions(
    one_by_one: bool, broker: Broker
) -> None:
    images = images_of_folder(slices(), one_by_one=one_by_one)
    assert images.total == (3 if one_by_one else 1)
    written = [pydicom.dcmread(BytesIO(content)) for content in results(broker, images, ".dcm")]
    wanted = (
        [providers.apply(plane, "median", size=3) for plane in FRAMES]
        if one_by_one
        else providers.apply(FRAMES, "median", size=3)
    )
    for dataset, plane, height in zip(written, wanted, (0, 2, 4), strict=True):
        assert (dataset.pixel_array == plane).all()
        assert dataset.ImagePositionPatient == [0, 0, height]


def test_slices_of_a_volume_become_one_array(broker: Broker) -> None:
    (content,) = results(broker, images_of_folder(slices()), ".npy")
    assert (np.load(BytesIO(content)) == providers.apply(FRAMES, "median", size=3)).all()


def test_figures_are_one_file_and_a_list_only_of_several_images(broker: Broker) -> None:
    work = Work(operation=make_operation("statistics"))
    for one_by_one in (False, True):
        (content,) = results(broker, images_of_folder(slices(), one_by_one=one_by_one), FIGURES, work)
        figures = json.loads(content)
        assert isinstance(figures, list) == one_by_one
        assert not one_by_one or [each["maximum"] for each in figures] == [frame.max() for frame in FRAMES]


def test_each_result_is_told_as_it_comes_before_the_next_image_is_read(broker: Broker) -> None:
    course: list[str] = []

    def read() -> Iterator[ImageFile]:
        for frame in FRAMES:
            course.append("read")
            yield ImageFile(frame)

    work = MEDIAN.contents(broker, read(), Output(".npy"), lambda result: course.append("done"))
    for _ in work:
        course.append("written")
    assert course == ["read", "done", "written"] * 3


def test_nothing_is_read_or_sent_before_a_content_is_asked_for(broker: Broker) -> None:
    def read() -> Iterator[ImageFile]:
        raise AssertionError
        yield

    MEDIAN.contents(broker, read(), Output(".npy"), nothing)


@pytest.mark.parametrize(
    ("content", "form", "says"),
    [
        (npy(FRAMES), ".png", "the result: cannot hold several frames or planes"),
        (npy(FRAMES), ".dcm", "the result: can be DICOM only if the input is"),
        (npy(FRAMES), ".nii.gz", "the result: can be NIfTI only if the input is"),
        (npy(FRAMES), ".gif", "the result: has no suffix that is written"),
        (npy(FRAMES), ".json", "the result: has no suffix that is written"),
    ],
)
def test_a_form_that_cannot_be_is_refused_before_anything_is_sent(
    content: bytes, form: str, says: str
) -> None:
    class Unasked:
        name = "a"

        def send(self, request: bytes, timeout: float) -> bytes:
            raise AssertionError

    clouds = [Unasked(), type("Other", (Unasked,), {"name": "b"})()]
    with in_blocks.Broker(clouds) as broker, pytest.raises(ImageFileError, match=says):
        results(broker, images_of_file("in", in_memory(content)), form)


def test_what_measures_is_written_as_figures_only(broker: Broker) -> None:
    work = Work(operation=make_operation("statistics"))
    with pytest.raises(ValueError, match="statistics measures; name a .json file"):
        results(broker, images_of_folder(slices()), ".dcm", work)


@pytest.mark.parametrize("content", [b"", b"hello", npy(FRAMES)[:-1], bytes(128) + b"DICM" + bytes(64)])
def test_what_cannot_be_read_is_said_in_a_line_that_begins_with_its_name(content: bytes) -> None:
    with pytest.raises(ImageFileError, match=r"\Aimage 3: .*"):
        images_of_file("image 3", in_memory(content))


def test_a_slice_that_cannot_be_read_is_named_in_its_folder() -> None:
    folder = slices()
    broken = Folder(folder.name, {**folder.files, "d": in_memory(b"hello")})
    with pytest.raises(ImageFileError, match=r"\Astudy 7/d: is no DICOM file"):
        images_of_folder(broken)


def test_letters_are_judged_by_the_scheme_that_is_taken() -> None:
    images = [images_of_folder(slices(BurnedInAnnotation="YES")) for _ in range(3)]
    with Broker(4, key=bytes(32)) as broker:
        with pytest.raises(ImageFileError, match=r"\Aseries 1: .* letters stay legible under scheme 'ga-es'"):
            results(broker, images[0], ".npy", Work(operation=MEDIAN.operation, source="series 1"))
        accepted = Work(operation=MEDIAN.operation, burned_in="accept")
        assert results(broker, images[1], ".npy", accepted)
        # Of shares nobody reads a letter.
        assert results(broker, images[2], ".npy", Work(operation=make_operation("mean", size=3)))


def test_a_job_in_memory_opens_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(operation=make_operation("mean", size=3))

    def written(broker: Broker) -> list[bytes]:
        single = images_of_file("in", in_memory(npy(FRAMES[0])))
        return results(broker, images_of_folder(slices()), ".dcm", work) + results(
            broker, single, ".png", work
        )

    def opened(*_: object, **__: object) -> None:
        raise AssertionError

    with Broker(4) as broker:
        # What is compiled, or loaded when it is first needed, is there then.
        written(broker)
        for module in (builtins, io, os):
            monkeypatch.setattr(module, "open", opened)
        assert len(written(broker)) == 4
