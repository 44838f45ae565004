"""One job on what files hold: from their bytes to the bytes of its result, in memory, whoever asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError
from cloudsec.file_port import port
from cloudsec.formats import FIGURES, STORED_ONLY, BurnedIn, Meaning, Opener, check_format, encoded, image_of
from cloudsec.image_file import ImageFile
from cloudsec.schemes import BLOCK_SCHEMES
from providers import Filter
from providers.operation import resolved_for
from providers.operations.measurement import Measurement

if TYPE_CHECKING:
    from cloudsec.broker import Broker
    from cloudsec.proposal import Proposal
    from cloudsec.result import Result
    from cloudsec.slices import Folder


@dataclass(frozen=True, eq=False)
class Images:
    """What a job is done with.

    Attributes
    ----------
    total : int
        How many images there are to process; a volume is one.
    files : iterator of ImageFile
        What holds them. A slice is read when it is asked for, and nothing of an earlier one is kept here.
    remarks : tuple of str
        What their user should know of how they are read.
    """

    total: int
    files: Iterator[ImageFile]
    remarks: tuple[str, ...] = ()


def images_of_file(name: str | Path, opened: Opener, *, one_by_one: bool = False) -> Images:
    """What one file holds; one by one, every plane is an image of its own. Errors begin with the name."""
    image = image_of(name, opened, burned_in="accept")
    image = image.plane_by_plane() if one_by_one else image
    return Images(image.count, iter([image]), image.remarks)


def images_of_folder(folder: Folder, *, one_by_one: bool = False) -> Images:
    """What DICOM slices are: a volume, or one by one as many images, in the order of their positions.

    Raises
    ------
    ImageFileError
        If they have no order; or are no volume, and are not to be taken one by one.
    """
    from cloudsec.slices import read_series, read_volume

    series = read_series(folder)
    if one_by_one:
        slices = map(partial(_slice, folder), series.names)
        return Images(len(series.names), slices, (*series.irregularities, *series.remarks))
    volume = read_volume(folder, series, burned_in="accept")
    return Images(1, iter([volume]), volume.remarks)


def in_memory(content: bytes) -> Opener:
    """The opener of bytes that are at hand."""
    return partial(BytesIO, content)


@dataclass(frozen=True)
class Output:
    """What is to come of a job.

    Attributes
    ----------
    form : str
        How results are written: one of `cloudsec.formats.FORMATS`, or its FIGURES of what measures.
    name : str or Path
        What errors call it.
    """

    form: str
    name: str | Path = "the result"


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done with images.

    Attributes
    ----------
    operation : Filter
    study : str or None
        What the images belong with; None: what their file says.
    burned_in : {"refuse", "accept"}
        What to do with images whose pixels may show a name, under a scheme that leaves letters legible.
    probe : bool
        Whether providers that nothing is known of are asked first how far away they are.
    source : str or Path
        What errors call the images.
    """

    operation: Filter
    study: str | None = None
    burned_in: BurnedIn = "refuse"
    probe: bool = False
    source: str | Path = "the image"

    @property
    def measures(self) -> bool:
        """Whether the result is figures, and no image."""
        return isinstance(self.operation, Measurement)

    def check_form(self, form: str) -> None:
        """ValueError where no result of the operation is written so, whatever the image."""
        if self.measures and form != FIGURES:
            raise ValueError(f"{self.operation.name} measures; name a .json file for its figures")

    def check(self, image: ImageFile, output: Output) -> None:
        """Refuses what the result of an image could not be written as; what passes may be sent out.

        Raises
        ------
        ImageFileError
            If the format cannot hold a result of this image.
        ValueError
            If it would have to say of the result what the operation does not tell.
        """
        self.check_form(output.form)
        if not self.measures:
            with port(output.name, "cannot be written"):
                check_format(output.form, image)
            self._meaning(image, output.form)

    def proposal(self, broker: Broker, image: ImageFile) -> Proposal:
        """What would be done with the first image of a file; sends nothing of it. Errors as of `results`."""
        frame = next(self._illegible(broker, image))
        self._probe(broker, image)
        return broker.plan(frame, self.operation, channel_axis=image.channel_axis, study=self._study(image))

    def results(self, broker: Broker, image: ImageFile) -> Iterator[Result]:
        """The results of all images of a file, one after the other; each is computed when it is asked for.

        Raises
        ------
        ImageFileError
            Where a name may be legible to providers, unless that is accepted.
        """
        axis, study = image.channel_axis, self._study(image)
        self._probe(broker, image)
        frames = self._illegible(broker, image)
        if image.count > 1:
            return broker.map(frames, self.operation, channel_axis=axis, study=study)
        return iter([broker.process(next(frames), self.operation, channel_axis=axis, study=study)])

    def _study(self, image: ImageFile) -> str | None:
        return image.study if self.study is None else self.study

    def _probe(self, broker: Broker, image: ImageFile) -> None:
        if self.probe:
            broker.probe(image.frames[0], self.operation, channel_axis=image.channel_axis)

    def _illegible(self, broker: Broker, image: ImageFile) -> Iterator[NDArray[np.generic]]:
        """The images of a file, one by one; refused where a name may be legible, unless that is accepted."""

        def checked(frame: NDArray[np.generic]) -> NDArray[np.generic]:
            scheme = broker.scheme_for(frame, self.operation, channel_axis=image.channel_axis)
            if scheme in BLOCK_SCHEMES:
                raise ImageFileError(
                    f"{self.source}: {image.letters}, and letters stay legible under scheme {scheme!r}; look "
                    "at it, then pass --burned-in accept, or leave --scheme out: shares carry linear "
                    "operations"
                )
            return frame

        accepted = image.letters is None or self.burned_in == "accept"
        # Unlike a generator's frame, this holds no image while the next is made.
        return iter(image.frames) if accepted else map(checked, image.frames)

    def contents(
        self, broker: Broker, images: Iterable[ImageFile], output: Output, done: Callable[[Result], None]
    ) -> Iterator[bytes]:
        """The files of the result, in order: of a file one, of slices as DICOM as many, of figures one.

        Parameters
        ----------
        broker : Broker
        images : iterable of ImageFile
            Each is taken, checked and done with before the next.
        output : Output
        done : callable
            Called with each result as it comes, in the order of the images; nothing of it is kept here. What
            it raises ends the job.

        Raises
        ------
        CloudsecError, ValueError
            Those of `check`, `results` and the broker.
        """
        self.check_form(output.form)
        if self.measures:
            return self._measured(broker, images, done)
        # Unlike a generator's frame, this holds no image while the next is read.
        return chain.from_iterable(map(partial(self._derived, broker, output, done), images))

    def _measured(
        self, broker: Broker, images: Iterable[ImageFile], done: Callable[[Result], None]
    ) -> Iterator[bytes]:
        results = chain.from_iterable(map(partial(self.results, broker), images))
        figures = [_figures(done, result) for result in results]
        content = figures[0] if len(figures) == 1 else figures
        yield (json.dumps(content, indent=2) + "\n").encode()

    def _derived(
        self, broker: Broker, output: Output, done: Callable[[Result], None], image: ImageFile
    ) -> Iterator[bytes]:
        self.check(image, output)
        meaning = self._meaning(image, output.form)
        pixels = image.together(map(partial(_pixels, done), self.results(broker, image)))
        with port(output.name, "cannot be written"):
            yield from encoded(output.form, pixels, image, meaning)

    def _meaning(self, image: ImageFile, form: str) -> Meaning:
        """What a result of this image means; ValueError where a format has to say it and nobody knows."""
        operation = self.operation
        resolved = resolved_for(image.frames[0], operation, image.channel_axis)
        facts = resolved.symmetries
        if form not in STORED_ONLY:
            if facts.offset_gain is None and not operation.own_scale:
                raise ValueError(
                    f"{operation.name} does not say what its grey levels mean as DICOM or NIfTI; write a "
                    ".npy file"
                )
            shape = image.frames[0].shape if image.channel_axis is None else image.frames[0].shape[:-1]
            if resolved.whole and resolved.answered(shape) != shape:
                raise ValueError(
                    f"{operation.name} answers an image of another shape, and a DICOM or NIfTI file would "
                    "have to say where that lies; write a .npy or .tiff file"
                )
        return Meaning(
            f"CloudSec: {operation}",
            None if operation.own_scale else facts.offset_gain,
            # An operation that is not known to forget the sign keeps it.
            facts.negation_sign or -1,
        )


def _slice(folder: Folder, name: str) -> ImageFile:
    """One of several, which is one image."""
    image = folder.image(name, burned_in="accept")
    if image.count > 1:
        raise ValueError(f"{folder.place(name)} holds several images; name it, not its directory")
    return image


def _pixels(done: Callable[[Result], None], result: Result) -> NDArray[np.generic]:
    """The image of a result that is done with."""
    done(result)
    assert result.image is not None
    return result.image


def _figures(done: Callable[[Result], None], result: Result) -> dict[str, Any]:
    """What a result measured, as JSON has it."""
    done(result)
    assert result.value is not None
    return {name: _plain(figure) for name, figure in result.value.items()}


def _plain(figure: Any) -> Any:
    """A figure, or an array of them, or one for each colour component, as JSON has it."""
    if isinstance(figure, list):
        return [_plain(each) for each in figure]
    return figure if isinstance(figure, (int, float)) else figure.tolist()
