"""How images are protected: one file each, in a plain dict."""

from typing import Any

from cloudsec.schemes.base import Job, Plan, Protected, ProtectionScheme, Sealed
from cloudsec.schemes.bfv import BFV
from cloudsec.schemes.ga_es import GaEs
from cloudsec.schemes.ga_es_2018 import GaEs2018
from cloudsec.schemes.linear import Dealing, LinearScheme
from cloudsec.schemes.paillier import PAILLIER
from cloudsec.schemes.shares import SHARING_SCHEMES
from cloudsec.schemes.unprotected import Unprotected
from cloudsec.study import HOME

_BLOCKS: tuple[ProtectionScheme, ...] = (GaEs(), GaEs2018(), Unprotected())
BLOCK_SCHEMES = {scheme.name: scheme for scheme in _BLOCKS}
"""Those that send pieces of the image."""
SCHEMES: dict[str, ProtectionScheme | LinearScheme[Any]] = {
    **{scheme.name: scheme for scheme in SHARING_SCHEMES},
    BFV.name: BFV,
    PAILLIER.name: PAILLIER,
    **BLOCK_SCHEMES,
}
"""Name → scheme, those that are built, the strongest first."""

__all__ = [
    "BLOCK_SCHEMES",
    "HOME",
    "SCHEMES",
    "Dealing",
    "Job",
    "LinearScheme",
    "Plan",
    "Protected",
    "ProtectionScheme",
    "Sealed",
]
