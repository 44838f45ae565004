"""CloudSec lets a hospital use clouds that it does not trust to process medical images.

>>> import numpy as np, cloudsec
>>> image = np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)
>>> cloudsec.process(image, "median", size=3).image.shape
(256, 256)
"""

from cloudsec.broker import Broker
from cloudsec.endpoints import Endpoint, HttpEndpoint, LocalEndpoint
from cloudsec.errors import (
    Cancelled,
    CloudsecError,
    DicomError,
    Dishonest,
    ImageFileError,
    IncompatibleScheme,
    ProviderFailed,
    Refused,
    Unavailable,
    VaultError,
)
from cloudsec.once import process
from cloudsec.proposal import Proposal
from cloudsec.report import Report
from cloudsec.result import Result
from cloudsec.schemes import SCHEMES

__version__ = "0.1.0"

__all__ = [
    "SCHEMES",
    "Broker",
    "Cancelled",
    "CloudsecError",
    "DicomError",
    "Dishonest",
    "Endpoint",
    "HttpEndpoint",
    "ImageFileError",
    "IncompatibleScheme",
    "LocalEndpoint",
    "Proposal",
    "ProviderFailed",
    "Refused",
    "Report",
    "Result",
    "Unavailable",
    "VaultError",
    "__version__",
    "process",
]
