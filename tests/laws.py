"""What the law is tried on: images, operations, layouts in memory, and what a user may fix."""

import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
from cloudsec.endpoints import Endpoint
from cloudsec.errors import IncompatibleScheme
from providers import make_operation
from providers.testing import images
from tests import in_blocks

MODES = st.sampled_from(["reflect", "nearest", "mirror", "constant"])
SIDES = st.one_of(st.integers(1, 3), st.integers(1, 80))
SHAPES = st.tuples(SIDES, SIDES)
OPERATIONS = st.one_of(
    st.builds(
        lambda sigma, truncate, mode: make_operation("gaussian", sigma=sigma, truncate=truncate, mode=mode),
        st.sampled_from([0.0, 0.5, 1.0, (0.5, 1.0)]),
        st.sampled_from([1.0, 2.0]),
        MODES,
    ),
    st.builds(
        lambda name, size, mode: make_operation(name, size=size, mode=mode, cval=3),
        st.sampled_from(["mean", "median", "minimum", "maximum"]),
        st.sampled_from([1, 2, 3, 4, (1, 3), (3, 2)]),
        MODES,
    ),
    st.builds(
        lambda size, percentile, mode: make_operation(
            "percentile", size=size, percentile=percentile, mode=mode
        ),
        st.sampled_from([2, 3, (3, 2)]),
        st.sampled_from([0, 10, 50, 100]),
        MODES,
    ),
    st.builds(
        lambda name, mode: make_operation(name, mode=mode), st.sampled_from(["sobel", "laplacian"]), MODES
    ),
    st.builds(
        lambda weights, mode: make_operation("convolve", weights=weights, mode=mode, cval=3),
        st.sampled_from(
            [
                ((1, 2, 1), (2, -12, 2), (1, 2, 1)),
                ((1, 0, -1),),
                ((0.25, 0.5), (0.25, 0)),
                ((-0.3,), (1.618,), (0.1,)),
                ((1 / 9,) * 3,) * 3,
                ((-(2**10),),),
            ]
        ),
        MODES,
    ),
    st.builds(
        lambda radius, amount, mode: make_operation("unsharp", radius=radius, amount=amount, mode=mode),
        st.sampled_from([0.0, 0.5, (0.5, 0.2)]),
        st.sampled_from([1.0, 0.5, -0.3, 1.5]),
        MODES,
    ),
    st.builds(
        lambda mode: make_operation("gabor_bank", frequencies=0.5, orientations=2, n_stds=1, mode=mode), MODES
    ),
)
POINTWISE = st.one_of(
    st.builds(lambda value: make_operation("threshold", value=value), st.integers(-300, 300)),
    st.builds(
        lambda center, width: make_operation("window", center=center, width=width),
        st.sampled_from([0, 127.5, 1040]),
        st.sampled_from([1, 256, 400.25, 2**17]),
    ),
    st.just(make_operation("invert")),
    st.builds(lambda offset: make_operation("brightness", offset=offset), st.sampled_from([-70, 3, 2**17])),
    st.builds(
        lambda factor, pivot: make_operation("contrast", factor=factor, pivot=pivot),
        st.sampled_from([-1.5, 0, 0.3, 2]),
        st.sampled_from([0, 128, -70000]),
    ),
)
LAYOUTS = st.sampled_from(["C", "Fortran", "strided", "reversed", "read-only", "big-endian"])
CHANNELS = st.sampled_from([None, None, 3, 4])


def laid_out(image: NDArray[Any], layout: str) -> NDArray[Any]:
    if layout == "Fortran":
        return np.asfortranarray(image)
    if layout == "strided":
        wide = np.zeros((2 * image.shape[0], 3 * image.shape[1], *image.shape[2:]), image.dtype)
        wide[::2, ::3] = image
        return wide[::2, ::3]
    if layout == "reversed":
        return image[::-1, ::-1].copy()[::-1, ::-1]
    if layout == "read-only":
        image.flags.writeable = False
    return image.astype(image.dtype.newbyteorder(">")) if layout == "big-endian" else image


@st.composite
def cases(draw: st.DrawFn, most: int = 16) -> dict[str, Any]:
    """An image that is large enough to be sent, a number of providers, and what a user may fix."""
    count, block = draw(st.integers(2, most)), draw(st.sampled_from([8, 9, 12]))
    period = {4: 2, 9: 3}.get(count, 2)
    wide = draw(st.integers(period, 9))
    shape = tuple(
        block * whole + draw(st.integers(0, block - 1))
        for whole in (max(period, -(-4 * count // wide)), wide)
    )
    channels = draw(CHANNELS)
    plan: dict[str, Any] = {"block": block}
    halo = draw(st.sampled_from([None, "shared", "ring"]))
    if halo is not None and (halo == "ring" or count >= 4):
        plan["halo"] = halo
    return {
        "image": draw(images(shape if channels is None else (*shape, channels))),
        "channel_axis": None if channels is None else -1,
        "count": count,
        "tolerate": draw(st.integers(0, min(3, count - 1))),
        "plan": plan,
    }


def recommended_block(error: IncompatibleScheme) -> int:
    """The way out that a refusal names, which works for the same image."""
    found = re.search(r"plan=\{'block': (\d+)\}", str(error))
    assert found is not None, str(error)
    return int(found[1])


def broker_for(case: dict[str, Any], fleet: int | Sequence[Endpoint], **options: Any) -> cloudsec.Broker:
    # A key of its own makes the study one of its own.
    return in_blocks.Broker(
        fleet, plan=case["plan"], tolerate=case["tolerate"], key=os.urandom(32), **options
    )
