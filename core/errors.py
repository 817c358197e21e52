"""Every error vidseek raises on purpose, in one tree.

The library raises these; only the front door (``vidseek/``) prints and translates them. A message
says what is wrong, names the file and gives the next step.

    VidseekError
    ├── LibraryError            the library folder or its database
    │   ├── NotALibraryError        the folder exists and is something else
    │   ├── LibraryTooNewError      written by a newer vidseek
    │   ├── LibraryLockedError      another process is writing
    │   ├── LibraryReadOnlyError    no permission to write
    │   ├── LibraryFullError        no space left on the device
    │   └── LibraryDamagedError     the database itself cannot be read
    ├── VideoError              one file; recorded with its reason, never ends a run
    │   ├── NotAVideoError          the bytes are no video of a kind vidseek reads
    │   ├── UnreadableVideoError    a video, but no frame of it can be decoded
    │   └── DecodeLimitError        a time, memory or size limit was reached
    ├── EncoderError            models and their weights
    │   ├── UnknownEncoderError     no encoder of that name
    │   ├── WeightsError            missing, truncated or swapped weights
    │   ├── MissingExtraError       an optional part of vidseek is not installed
    │   ├── UnsupportedModelError   a model of a kind that vidseek cannot search with
    │   └── ModelDownloadError      a model is not on this machine and cannot be fetched
    │       ├── DownloadRefusedError    whoever was asked said no
    │       ├── GatedModelError         its makers want an agreement first
    │       └── ModelNotFoundError      no such repository or folder
    ├── TrainingError           captions or a run that cannot be trained with
    ├── CalibrationError        a library whose scores cannot be made confidences
    ├── PathNotFoundError       a path that was given does not exist
    └── QueryError              a query or option that cannot be answered
"""

from __future__ import annotations

from pathlib import Path


class VidseekError(Exception):
    """Base of all errors that vidseek raises on purpose."""


class LibraryError(VidseekError):
    """The library folder or its database cannot be used."""


class NotALibraryError(LibraryError):
    """The folder exists and is not a vidseek library."""


class LibraryTooNewError(LibraryError):
    """The library was written by a newer version of vidseek."""


class LibraryLockedError(LibraryError):
    """Another process is writing to the library."""


class LibraryReadOnlyError(LibraryError):
    """The library cannot be written to."""


class LibraryFullError(LibraryError):
    """The device that holds the library is full."""


class LibraryDamagedError(LibraryError):
    """The library's database is damaged."""


class VideoError(VidseekError):
    """One file cannot be used. Recorded with its reason; never ends a run.

    ``reason`` is one line without the path, for reports that print the path themselves.
    """

    def __init__(self, reason: str, *, path: Path | str | None = None) -> None:
        self.reason = reason
        self.path = None if path is None else Path(path)
        super().__init__(reason if path is None else f"{path}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross from the decoding process to ours; keyword arguments are lost by default.
        return (_rebuild_video_error, (type(self), self.reason, self.path))


def _rebuild_video_error(
    error_type: type[VideoError], reason: str, path: Path | None
) -> VideoError:
    return error_type(reason, path=path)


class NotAVideoError(VideoError):
    """The bytes are no video of a kind vidseek reads."""


class UnreadableVideoError(VideoError):
    """A video, but no frame of it can be decoded."""


class DecodeLimitError(VideoError):
    """Decoding reached a limit of time, memory, size or length."""


class EncoderError(VidseekError):
    """A model cannot be used."""


class UnknownEncoderError(EncoderError):
    """No encoder of that name is known."""


class WeightsError(EncoderError):
    """Weights are missing, truncated, swapped or of another version."""


class MissingExtraError(EncoderError):
    """An optional part of vidseek is needed and not installed."""


class UnsupportedModelError(EncoderError):
    """A model of a kind that vidseek cannot search with."""


class ModelDownloadError(EncoderError):
    """A model is not on this machine, or not all of it, and cannot be fetched."""


class DownloadRefusedError(ModelDownloadError):
    """A download was needed, and whoever was asked said no."""


class GatedModelError(ModelDownloadError):
    """The makers of a model want an agreement before it is downloaded."""


class ModelNotFoundError(ModelDownloadError):
    """There is no repository or folder of that name."""


class TrainingError(VidseekError):
    """A model cannot be trained with what was given."""


class CalibrationError(VidseekError):
    """The scores of a library cannot be made into confidences with what was given."""


class QueryError(VidseekError):
    """A query or an option of it cannot be answered as given."""


class PathNotFoundError(VidseekError):
    """A path that was given does not exist."""
