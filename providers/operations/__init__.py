"""The operations that come with CloudSec."""

from providers.operations.gradient import Sobel
from providers.operations.linear import Gaussian, Mean
from providers.operations.rank import Median

__all__ = ["BUILT_IN", "Gaussian", "Mean", "Median", "Sobel"]

BUILT_IN = (Gaussian, Mean, Median, Sobel)
