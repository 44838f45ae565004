"""How images are protected: one file each, in a plain dict."""

from cloudsec.schemes.base import Job, Plan, Protected, ProtectionScheme, Sealed
from cloudsec.schemes.ga_es import GaEs
from cloudsec.schemes.ga_es_2018 import GaEs2018
from cloudsec.schemes.unprotected import Unprotected
from cloudsec.study import HOME

SCHEMES: dict[str, ProtectionScheme] = {scheme.name: scheme for scheme in (GaEs(), GaEs2018(), Unprotected())}
"""Name → scheme, those that are built."""

__all__ = ["HOME", "SCHEMES", "Job", "Plan", "Protected", "ProtectionScheme", "Sealed"]
