"""The operations that come with CloudSec."""

from providers.operations.convolution import Convolve, Laplacian
from providers.operations.gradient import Sobel
from providers.operations.linear import Gaussian, Mean
from providers.operations.rank import Maximum, Median, Minimum, Percentile
from providers.operations.sharpen import Unsharp

__all__ = [
    "BUILT_IN",
    "Convolve",
    "Gaussian",
    "Laplacian",
    "Maximum",
    "Mean",
    "Median",
    "Minimum",
    "Percentile",
    "Sobel",
    "Unsharp",
]

BUILT_IN = (Convolve, Gaussian, Laplacian, Maximum, Mean, Median, Minimum, Percentile, Sobel, Unsharp)
