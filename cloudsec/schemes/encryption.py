"""What schemes of ciphertexts share: all answers are needed, and all providers together learn nothing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TypeVar

from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes.base import Job, chosen_number
from cloudsec.schemes.linear import Dealing, LinearScheme
from cloudsec.schemes.packing import Tiling
from providers import Filter
from providers.stencil import EXACT_INT


@dataclass(frozen=True, eq=False)
class Encryption(Dealing):
    """How the pixels of a job become ciphertexts: slabs in tiles, of which each holder gets a band of rows.

    Attributes
    ----------
    tiling : Tiling
        Of every slab; all have as many rows.
    """

    tiling: Tiling

    @property
    def assurance(self) -> str:
        return "computational"

    @property
    def quorum(self) -> int:
        return len(self.parties)

    @property
    def pixel_share(self) -> float:
        return 1 / self.regions

    def withstands(self, colluders: int) -> bool:
        return True


E = TypeVar("E", bound=Encryption)


class EncryptionScheme(LinearScheme[E]):
    """A linear operation on ciphertexts of the pixels, each of which stays where it is in its tile."""

    def carries(self, operation: Filter) -> bool:
        return super().carries(operation) and not operation.whole

    @abstractmethod
    def assumption(self, dealing: E) -> str:
        """What nobody without the key is known to be able to, as the end of "whoever cannot …"."""

    def statement(self, job: Job, dealing: E) -> str:
        return (
            "Withstands all providers together: what they received are ciphertexts, which tell nothing to "
            f"whoever cannot {self.assumption(dealing)}. The image's size, its "
            f"{(dealing.high - dealing.low).bit_length()} bits and the operation are no secrets."
        )

    def chosen_holders(self, job: Job) -> tuple[int, ...]:
        """Who is sent ciphertexts: all that may be asked, or as many as the plan fixes; no more than rows."""
        present = tuple(job.present.values())
        used = chosen_number(job.choices, "regions", 1, len(job.providers)) or len(present)
        if not present or used > len(present):
            raise IncompatibleScheme(
                f"scheme {self.name!r} needs at least {max(1, used)} providers here, and only "
                f"{len(present)} may be asked; name more"
            )
        return present[: min(used, job.shape[0])]

    def answer_bits(self, job: Job, low: int, high: int) -> int:
        """Bits that tell apart pixels from `low` to `high`, and all answers to them, which int64 holds."""
        ranges = [(low, high), *(part.bounds(low, high) for part in job.operation.parts)]
        width = max(1, *((end - first).bit_length() for first, end in ranges))
        if 1 << width > EXACT_INT or any(max(-first, end) >= EXACT_INT for first, end in ranges):
            raise IncompatibleScheme(
                f"scheme {self.name!r} cannot carry {job.operation.name!r}: its answers may have {width} "
                "bits, and there are 63; use a smaller kernel, or an image of fewer bits"
                f"{', or larger steps' if 'step' in job.choices else ''}"
            )
        return width
