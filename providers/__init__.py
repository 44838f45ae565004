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

from providers.operation import Filter, checked_image, filter_box, resolved_for
from providers.registry import as_operation, make_operation, operation_names
from providers.service import handle
from regions import Box

__all__ = ["Filter", "apply", "handle", "make_operation", "operation_names"]


def apply(image: ArrayLike, operation: str | Filter, **parameters: Any) -> NDArray[np.generic]:
    """Run an operation here, on the whole image: the reference that every scheme's result equals.

    Parameters
    ----------
    image : (M, N) ndarray of uint8, int16, uint16 or int32
        Strided, read-only and memory-mapped arrays are as good as any.
    operation : str or Filter
        A name of `operation_names`, or an operation.
    **parameters
        Those of the operation, as `make_operation` takes them.

    Returns
    -------
    (M, N) ndarray
        In the dtype that the operation declares.

    Raises
    ------
    ValueError
        For an image, a name or a parameter that is not accepted; names what is.
    """
    pixels = checked_image(image)
    resolved = resolved_for(pixels, as_operation(operation, parameters))
    return filter_box(pixels, resolved, Box.of(pixels.shape))
