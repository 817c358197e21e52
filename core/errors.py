"""All errors that vidseek raises deliberately, in one tree.

The library raises these; only the front door (``vidseek/``) prints and translates them. A message
says what is wrong and names the file. Three attributes are for programs: ``code``, a stable
identifier of the kind of error, ``path``, the file or folder concerned, and ``hint``, the next step
as an action with its arguments, which each front door words for its users (``vidseek.cli.hints`` as
shell commands).

    VidseekError
    ├── LibraryError            the library folder or its database
    │   ├── NotALibraryError        the folder exists and is something else
    │   ├── LibraryTooNewError      written by a newer vidseek
    │   ├── LibraryLockedError      another process holds the library for a long run
    │   ├── LibraryReadOnlyError    no permission to write
    │   ├── LibraryFullError        no space left on the device
    │   ├── LibraryDiskError        the disk or the access to it failed
    │   ├── LibraryClosedError      the library was closed
    │   └── LibraryDamagedError     the database itself cannot be read
    ├── VideoError              one file; recorded with its reason, never ends a run
    │   ├── NotAVideoError          not a video format vidseek reads
    │   │   └── SoundOnlyError          sound and no pictures
    │   ├── UnreadableVideoError    a video, but none of its frames can be decoded
    │   ├── DecodeLimitError        a time, memory or size limit was reached
    │   └── InternalVideoError      vidseek or a package it uses failed, perhaps on every file
    ├── EncoderError            models and their weights
    │   ├── UnknownEncoderError     no encoder of that name
    │   ├── WeightsError            missing, truncated or swapped weights
    │   ├── MissingExtraError       an optional dependency is not installed
    │   ├── UnsupportedModelError   a kind of model that vidseek cannot search with
    │   └── ModelDownloadError      a model is not on this machine and cannot be fetched
    │       ├── DownloadRefusedError    the user declined the download
    │       ├── GatedModelError         the model's licence must be accepted first
    │       └── ModelNotFoundError      no such repository or folder
    ├── TrainingError           captions or a run that cannot be trained with
    ├── CalibrationError        a library whose scores cannot be calibrated
    ├── EvaluationError         captions that no video of a library can be measured with
    ├── ExportError             moments that cannot be written for another program
    ├── PathNotFoundError       a given path does not exist
    ├── FileAccessError         a file cannot be opened, read or written
    ├── ServerError             the server cannot be started
    ├── QueryError              a query or option that cannot be answered
    └── JobCancelledError       the caller cancelled the job
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class Hint:
    """The next step after an error.

    >>> Hint("add_model", {"model": "clip-base"})
    Hint(action='add_model', values={'model': 'clip-base'})
    """

    action: str
    """Stable identifier of the step; ``vidseek.cli.hints`` lists all of them."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What the step needs: paths, model names."""


class VidseekError(Exception):
    """Base class of all errors that vidseek raises deliberately."""

    code: ClassVar[str] = "error"
    """Stable identifier of the class, for programs."""

    def __init__(
        self, message: str, *, path: Path | str | None = None, hint: Hint | None = None
    ) -> None:
        super().__init__(message)
        self.path = None if path is None else Path(path)
        """The file or folder that the error is about, if it is about one."""
        self.hint = hint
        """The next step, if there is one to suggest."""


class LibraryError(VidseekError):
    """The library folder or its database cannot be used."""

    code = "library_error"


class NotALibraryError(LibraryError):
    """The folder exists and is not a vidseek library."""

    code = "not_a_library"


class LibraryTooNewError(LibraryError):
    """The library was written by a newer version of vidseek."""

    code = "library_too_new"


class LibraryLockedError(LibraryError):
    """Another process holds the library for a long run, or keeps its database busy."""

    code = "library_locked"


class LibraryReadOnlyError(LibraryError):
    """The library cannot be written to."""

    code = "library_read_only"


class LibraryFullError(LibraryError):
    """The device that holds the library is full."""

    code = "library_full"


class LibraryDiskError(LibraryError):
    """A file of the library cannot be opened, read or written."""

    code = "library_disk"


class LibraryClosedError(LibraryError):
    """The library was closed and cannot be used any more."""

    code = "library_closed"


class LibraryDamagedError(LibraryError):
    """The library's database is damaged."""

    code = "library_damaged"


class VideoError(VidseekError):
    """One file cannot be used. Recorded with its reason; never ends a run.

    ``reason`` is one line without the path, for reports that print the path themselves.
    """

    code = "video_error"

    def __init__(
        self, reason: str, *, path: Path | str | None = None, hint: Hint | None = None
    ) -> None:
        self.reason = reason
        super().__init__(reason if path is None else f"{path}: {reason}", path=path, hint=hint)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross from the decoding process to ours; keyword arguments are lost by default.
        return (_rebuild_video_error, (type(self), self.reason, self.path, self.hint))


def _rebuild_video_error(
    error_type: type[VideoError], reason: str, path: Path | None, hint: Hint | None
) -> VideoError:
    return error_type(reason, path=path, hint=hint)


class NotAVideoError(VideoError):
    """The file is not a video in a format that vidseek reads."""

    code = "not_a_video"


class SoundOnlyError(NotAVideoError):
    """The file has sound and no pictures. Indexing skips it."""

    code = "sound_only"


class UnreadableVideoError(VideoError):
    """The file is a video, but none of its frames can be decoded."""

    code = "unreadable_video"


class DecodeLimitError(VideoError):
    """Decoding reached a limit of time, memory, size or length."""

    code = "decode_limit"


class InternalVideoError(VideoError):
    """vidseek or a package that it uses failed; the file may be sound."""

    code = "internal_video_error"


class EncoderError(VidseekError):
    """A model cannot be used."""

    code = "encoder_error"


class UnknownEncoderError(EncoderError):
    """No encoder of that name is known."""

    code = "unknown_encoder"


class WeightsError(EncoderError):
    """Weights are missing, truncated, swapped, or from another version."""

    code = "bad_weights"


class MissingExtraError(EncoderError):
    """An optional dependency is needed and not installed."""

    code = "missing_extra"


class UnsupportedModelError(EncoderError):
    """vidseek cannot search with a model of this kind."""

    code = "unsupported_model"


class ModelDownloadError(EncoderError):
    """A model is not on this machine, or only in part, and cannot be fetched."""

    code = "model_download"


class DownloadRefusedError(ModelDownloadError):
    """A download was needed and the user declined it."""

    code = "download_refused"


class GatedModelError(ModelDownloadError):
    """The model's licence must be accepted before it can be downloaded."""

    code = "gated_model"


class ModelNotFoundError(ModelDownloadError):
    """No repository or folder has that name."""

    code = "model_not_found"


class TrainingError(VidseekError):
    """A model cannot be trained on the given data."""

    code = "training_error"


class CalibrationError(VidseekError):
    """The scores of a library cannot be turned into confidences with the given data."""

    code = "calibration_error"


class EvaluationError(VidseekError):
    """A library cannot be evaluated with the given captions."""

    code = "evaluation_error"


class ExportError(VidseekError):
    """There are no moments to export, or none of them can be exported."""

    code = "export_error"


class QueryError(VidseekError):
    """A query or one of its options cannot be answered as given."""

    code = "bad_query"


class PathNotFoundError(VidseekError):
    """A given path does not exist."""

    code = "path_not_found"


class FileAccessError(VidseekError):
    """A file other than a video of the library cannot be opened, read or written."""

    code = "file_access"


class ServerError(VidseekError):
    """The server cannot be started with these settings."""

    code = "server_error"


class JobCancelledError(VidseekError):
    """The caller cancelled a job that has no partial result."""

    code = "cancelled"
