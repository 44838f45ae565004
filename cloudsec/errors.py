"""What can go wrong at the broker; a message never holds pixels, keys or names of people."""

from pathlib import Path


class CloudsecError(Exception):
    """Anything that CloudSec refuses or could not finish."""


class IncompatibleScheme(CloudsecError, ValueError):
    """The scheme cannot carry this operation exactly, or not with these providers.

    The message names the cause and, behind a semicolon, the way out.
    """

    @property
    def cause(self) -> str:
        """Why not, without the way out."""
        return str(self).partition("; ")[0]


class Cancelled(CloudsecError):
    """The job was stopped by who asked for it: raised by a broker's `progress`."""


class ProviderFailed(CloudsecError):
    """A provider did not deliver; the message names it."""


class Unavailable(ProviderFailed):
    """The provider could not be reached, or not in time.

    Attributes
    ----------
    pause : float
        Seconds after which it wants to be asked again; 0 where it did not say.
    """

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class Refused(ProviderFailed):
    """The provider will not do this task, or cannot be trusted to be the one that was named."""


class Dishonest(ProviderFailed):
    """The provider's answer cannot be the answer to what it was asked."""


class ImageFileError(CloudsecError):
    """A file that is not an image that CloudSec reads, or cannot hold the result."""


class DicomError(ImageFileError):
    """A DICOM file that CloudSec does not read, or cannot derive a result from."""


class VaultError(CloudsecError):
    """A key file or a sealed record that cannot be used, made or read."""


class DatabaseFailed(VaultError):
    """The vault's database did not do what it was asked; it may do it later."""


class PatientConflict(VaultError):
    """What is to be remembered of a patient is known of another one, or otherwise; nothing was changed."""


def shown(path: Path | str) -> str:
    """A file's name that keeps a message on one line."""
    return "".join(c if c.isprintable() else "?" for c in str(path))
