"""What a cloud runs: operations on regions of images. Holds no secret and imports none.

>>> import numpy as np, providers
>>> providers.apply(np.eye(3, dtype=np.uint8) * 90, "mean", size=3)
array([[50, 30, 10],
       [30, 30, 30],
       [10, 30, 50]], dtype=uint8)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from providers.boxes import filter_box
from providers.image import checked_image, image_planes
from providers.operation import Filter, resolved_for
from providers.operations.measurement import Measurement, Value
from providers.registry import as_operation, make_operation, operation_names
from providers.service import handle
from regions import Box

__all__ = ["Filter", "apply", "handle", "make_operation", "operation_names"]


def apply(
    image: ArrayLike, operation: str | Filter, *, channel_axis: int | None = None, **parameters: Any
) -> NDArray[np.generic] | Value:
    """Run an operation here, on the whole image: the reference that every scheme's result equals.

    Parameters
    ----------
    image : (M, N), a volume (P, M, N) or, with `channel_axis`, (M, N, 3|4) ndarray
        uint8, int16, uint16, int32, float32 or float64, without NaN and infinity. Strided, read-only
        and memory-mapped arrays are as good as any.
    operation : str or Filter
        A name of `operation_names`, or an operation.
    channel_axis : int or None
        -1 for colour images. Every component is filtered by itself, and `cval` is the border of each.
    **parameters
        Those of the operation, as `make_operation` takes them.

    Returns
    -------
    ndarray of the image's shape
        In the dtype that the operation declares; C-contiguous. Of a measurement, a dict of figures.

    Raises
    ------
    ValueError
        For an image, a name or a parameter that is not accepted; names what is.

    >>> import numpy as np
    >>> colour = np.dstack([np.eye(3, dtype=np.uint8) * level for level in (90, 9, 0)])
    >>> apply(colour, "mean", channel_axis=-1)[1]
    array([[30,  3,  0],
           [30,  3,  0],
           [30,  3,  0]], dtype=uint8)
    """
    pixels, chosen = checked_image(image, channel_axis), as_operation(operation, parameters)
    given = chosen.given(pixels, channel_axis)
    planes = image_planes(given, channel_axis)
    resolved, whole = resolved_for(given, chosen, channel_axis), Box.of(planes.shape[1:])
    if not isinstance(chosen, Measurement):
        planes = np.stack([filter_box(plane, resolved, whole) for plane in planes])
    return chosen.concluded(planes, pixels, channel_axis)
