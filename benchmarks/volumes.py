"""Volumes of the open data: what providers could join of columns, and that single slices add no position.

    CLOUDSEC_TEST_DATA=… python -m benchmarks.volumes

sends the twenty slices in the middle one by one, and then the whole volume, through one study of `ga-es`,
with a mean over 3 x 3 (x 3) pixels, a halo of 1, and compares the volume's result with the operation unsplit.
"""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
from numpy.typing import NDArray

import cloudsec
import providers
from benchmarks.open_data import NOT_HERE, open_data_folder
from cloudsec.exposure import Exposure
from providers import make_operation
from providers.operation import float_tolerance, resolved_for

PARTIES = (4, 9, 16)
COLLUDERS = (1, 2)
BLOCK = 16
SLICES = 20
OPERATION = make_operation("mean", size=3)
FLAIR = "volume/ms_patient07_flair.nii.gz"
SERIES = "ct/ct_chest_lidc0314_20x6mm.zip"


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume ``(P, M, N)`` of the open data."""

    name: str
    voxels: NDArray[np.generic] = field(repr=False)


def volumes(folder: Path) -> Iterator[Volume]:
    """The FLAIR volume, in float32, and the CT series, in int16 and ordered along its axis."""
    content = gzip.decompress((folder / FLAIR).read_bytes())
    columns, rows, planes = np.frombuffer(content, "<i2", 3, offset=42).tolist()
    (start,) = np.frombuffer(content, "<f4", 1, offset=108).astype(int).tolist()
    yield Volume("FLAIR", np.frombuffer(content, "<f4", offset=start).reshape(planes, rows, columns))
    with zipfile.ZipFile(folder / SERIES) as archive:
        slices = [pydicom.dcmread(BytesIO(archive.read(name))) for name in archive.namelist()]
    slices.sort(key=lambda dataset: float(dataset.ImagePositionPatient[2]))
    yield Volume("CT series", np.stack([dataset.pixel_array for dataset in slices]))


def positions(shown: Exposure) -> dict[str, frozenset[int]]:
    """Which blocks of the study's grid each provider was sent."""
    return {
        name: frozenset(shown.plan.places[shown.received[party]].tolist())
        for party, name in enumerate(shown.job.providers)
    }


def sent(volume: Volume, parties: int, study: str) -> tuple[Exposure, bool]:
    """What was sent of a volume, and whether its slices, one by one, went to the same positions."""
    first = max(0, (len(volume.voxels) - SLICES) // 2)
    with cloudsec.Broker(parties, scheme="ga-es", plan={"block": BLOCK}, key=bytes(32), seed=0) as broker:
        before = [
            positions(broker.process(plane, OPERATION, study=study).report.exposure)
            for plane in volume.voxels[first : first + SLICES]
        ]
        result = broker.process(volume.voxels, OPERATION, study=study)
    wanted = providers.apply(volume.voxels, OPERATION)
    assert result.image is not None
    assert isinstance(wanted, np.ndarray)
    allowed = float_tolerance(resolved_for(volume.voxels, OPERATION), volume.voxels)
    if np.abs(result.image.astype(np.float64) - wanted.astype(np.float64)).max() > allowed:
        raise SystemExit(f"{volume.name}: the result differs from the unsplit operation")
    shown = result.report.exposure
    assert isinstance(shown, Exposure)
    own = positions(shown)
    return shown, all(each == own for each in before)


def print_volumes() -> None:
    """One row for each volume and number of providers."""
    folder = open_data_folder()
    if folder is None:
        print(NOT_HERE)
        return
    print(
        f"ga-es, {OPERATION}, blocks of {BLOCK}. A_t: largest piece, of the informative columns, that t\n"
        "providers could join by pixels that they share; touching: by any common edge. positions: whether\n"
        f"{SLICES} slices as {SLICES} jobs gave each provider the same as the volume.\n"
    )
    head = f"{'volume':<11}{'size':>16}{'N':>4}{'halo':>8}"
    head += "".join(f"{f'A_{t}':>8}" for t in COLLUDERS)
    head += "".join(f"{f'touching A_{t}':>14}" for t in COLLUDERS) + f"{'positions':>11}"
    print(head + "\n" + "-" * len(head))
    for volume in volumes(folder):
        size = " x ".join(map(str, volume.voxels.shape))
        for parties in PARTIES:
            shown, same = sent(volume, parties, f"{volume.name} {parties}")
            row = f"{volume.name:<11}{size:>16}{parties:>4}{shown.plan.halo_policy:>8}"
            row += "".join(f"{shown.assembled.areas[t - 1]:>8.3f}" for t in COLLUDERS)
            row += "".join(f"{shown.adjacent.areas[t - 1]:>14.3f}" for t in COLLUDERS)
            print(row + f"{'same' if same else 'other':>11}")


if __name__ == "__main__":
    with TemporaryDirectory() as state:
        os.environ["CLOUDSEC_STATE"] = state
        print_volumes()
