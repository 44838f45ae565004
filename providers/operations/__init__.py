"""The operations that come with CloudSec."""

from providers.operations.gradient import Sobel
from providers.operations.linear import Gaussian, Mean
from providers.operations.rank import Maximum, Median, Minimum, Percentile

__all__ = ["BUILT_IN", "Gaussian", "Maximum", "Mean", "Median", "Minimum", "Percentile", "Sobel"]

BUILT_IN = (Gaussian, Maximum, Mean, Median, Minimum, Percentile, Sobel)
