"""What a header says of the pixels, refused where it contradicts itself or asks for too much memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pydicom import Dataset

from cloudsec.errors import DicomError

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclass(frozen=True)
class Claims:
    """How the pixels are stored, as the header says.

    Attributes
    ----------
    frames, rows, columns, samples : int
        `samples` is three for colour, and one for grey and for a palette.
    allocated, stored : int
        Bits that a sample takes, and those of them that it uses.
    signed : bool
    photometric : str
        As in the header.
    planar : bool
        Whether each frame holds one colour after the other.
    floating : bool
        Whether the samples are floating-point numbers, which use all their bits.
    """

    frames: int
    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    signed: bool
    photometric: str
    planar: bool
    floating: bool

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """That of the samples of one frame."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def frame_bytes(self) -> int:
        return prod(self.frame_shape) * self.allocated // 8

    @property
    def subsampled(self) -> bool:
        """Whether two pixels share their colour differences, where they are not compressed."""
        return self.photometric == "YBR_FULL_422"

    @property
    def native_bytes(self) -> int:
        """Of all frames, where they are not compressed."""
        return self.frames * (self.rows * self.columns * 2 if self.subsampled else self.frame_bytes)

    @property
    def stated(self) -> str:
        """The claim in words, for what does not keep it."""
        frames = f"{self.frames} frames of " if self.frames > 1 else ""
        return f"{frames}{' x '.join(map(str, self.frame_shape))} values of {self.allocated} bits"


def checked_claims(dataset: Dataset, max_pixels: int, *, floating: bool) -> Claims:
    """The claims of a header, of which every one can be kept, on integers or floating-point numbers.

    Raises
    ------
    DicomError
        For kinds of pixels that are not read, and for more than `max_pixels` values.
    """
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    samples = _integer(dataset, "SamplesPerPixel", 1)
    if (photometric in (*GREY, PALETTE)) != (samples == 1) or (photometric in _COLOURS) != (samples == 3):
        raise DicomError(
            "its pixels are neither grey nor in colours that are read; those are "
            f"{', '.join((*GREY, PALETTE, *_COLOURS))}; convert it with dcmtk"
        )
    claims = Claims(
        _integer(dataset, "NumberOfFrames", 1),
        _integer(dataset, "Rows"),
        _integer(dataset, "Columns"),
        samples,
        _integer(dataset, "BitsAllocated"),
        _integer(dataset, "BitsAllocated" if floating else "BitsStored"),
        floating or bool(_integer(dataset, "PixelRepresentation", 0)),
        photometric,
        samples == 3 and bool(_integer(dataset, "PlanarConfiguration", 0)),
        floating,
    )
    _refuse_depths(dataset, claims)
    if min(claims.frames, claims.rows, claims.columns) < 1:
        raise DicomError("it claims an image without frames, rows or columns")
    colours = 1 if photometric in GREY else 3
    if claims.frames * claims.rows * claims.columns * colours > max_pixels:
        raise DicomError(
            f"it claims {claims.frames} x {claims.rows} x {claims.columns} pixels; "
            f"at most {max_pixels // colours} are read, cut it"
        )
    return claims


def claimed_size(dataset: Dataset) -> tuple[int, int]:
    """The bytes of all frames where they are not compressed, of pixels of any kind, and how many frames.

    Raises
    ------
    DicomError
        If the header does not say it.
    """
    frames, samples = _integer(dataset, "NumberOfFrames", 1), _integer(dataset, "SamplesPerPixel", 1)
    if str(dataset.get("PhotometricInterpretation", "")) in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        samples = 2
    pixels = frames * samples * _integer(dataset, "Rows") * _integer(dataset, "Columns")
    if pixels < 1:
        raise DicomError("it claims an image without frames, rows or columns")
    return -(-pixels * _integer(dataset, "BitsAllocated") // 8), frames


def _refuse_depths(dataset: Dataset, claims: Claims) -> None:
    if claims.floating:
        if claims.allocated not in (32, 64) or claims.photometric not in GREY:
            raise DicomError(
                "its floating-point pixels are no grey levels of 32 or 64 bits; correct its header"
            )
        return
    if claims.allocated not in (8, 16, 32):
        raise DicomError(f"its pixels take {claims.allocated} bits each; 8, 16 and signed 32 are read")
    if claims.allocated == 32 and not claims.signed:
        raise DicomError("its pixels are unsigned 32-bit numbers; 8, 16 and signed 32 bits are read")
    if claims.samples == 3 and (claims.allocated, claims.stored, claims.signed) != (8, 8, False):
        raise DicomError(f"its colours take {claims.stored} bits each; unsigned ones of 8 are read")
    if claims.photometric == PALETTE and (claims.allocated == 32 or claims.signed):
        raise DicomError("its pixels are no entries of a palette; unsigned ones of 8 and 16 bits are read")
    if (
        not 1 <= claims.stored <= claims.allocated
        or _integer(dataset, "HighBit", claims.stored - 1) != claims.stored - 1
    ):
        raise DicomError(
            "its Bits Stored, High Bit and Bits Allocated contradict each other; correct them first"
        )


def _integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None and default is not None:
        return default
    if not isinstance(value, int):
        raise DicomError(f"its header gives no number for {keyword}, so that the pixels cannot be read")
    return int(value)
