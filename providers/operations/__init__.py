"""The operations that come with CloudSec."""

from providers.operations.convolution import Convolve, Laplacian
from providers.operations.equalize import EqualizeHist
from providers.operations.gabor import GaborBank
from providers.operations.gradient import Sobel
from providers.operations.linear import Binomial, Gaussian, Mean
from providers.operations.measurement import Histogram, Statistics
from providers.operations.plane import Operator
from providers.operations.pointwise import Brightness, Contrast, Invert, Threshold, Window
from providers.operations.rank import Maximum, Median, Minimum, Percentile
from providers.operations.sharpen import Unsharp
from providers.operations.tomography import Backprojection
from providers.operations.transform import Dct, Rescale

__all__ = [
    "BUILT_IN",
    "Backprojection",
    "Binomial",
    "Brightness",
    "Contrast",
    "Convolve",
    "Dct",
    "EqualizeHist",
    "GaborBank",
    "Gaussian",
    "Histogram",
    "Invert",
    "Laplacian",
    "Maximum",
    "Mean",
    "Median",
    "Minimum",
    "Operator",
    "Percentile",
    "Rescale",
    "Sobel",
    "Statistics",
    "Threshold",
    "Unsharp",
    "Window",
]

BUILT_IN = (
    Backprojection,
    Binomial,
    Brightness,
    Contrast,
    Convolve,
    Dct,
    EqualizeHist,
    GaborBank,
    Gaussian,
    Histogram,
    Invert,
    Laplacian,
    Maximum,
    Mean,
    Median,
    Minimum,
    Operator,
    Percentile,
    Rescale,
    Sobel,
    Statistics,
    Threshold,
    Unsharp,
    Window,
)
