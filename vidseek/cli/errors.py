"""How errors end a command: a line on stderr, a document on stdout with --json, an exit code."""

from __future__ import annotations

import errno
import logging
import traceback
from dataclasses import dataclass
from typing import Any

import typer

from vidseek.cli import output
from vidseek.cli.exit_codes import (
    EXIT_DISK,
    EXIT_ERROR,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_LOCKED,
    EXIT_NOT_FOUND,
    EXIT_USAGE,
)

# Some versions of typer have click inside, others depend on it.
USAGE_ERROR: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError"
)


class StoppedError(Exception):
    """The user stopped the command."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("stopped")
        self.exit_code = exit_code


@dataclass(frozen=True)
class Failure:
    """An error as the command line reports it."""

    exit_code: int
    code: str
    """Stable identifier of the kind of error."""
    message: str
    """What is wrong, without the next step."""
    hint: str | None = None
    """The next step, worded for the shell."""
    path: str | None = None
    """The file or folder concerned."""

    @property
    def line(self) -> str:
        """Message and next step."""
        return self.message if self.hint is None else f"{self.message.rstrip('.')}. {self.hint}"

    def to_json(self) -> dict[str, Any]:
        """The document that --json writes."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "path": self.path,
        }


def failure_of(error: BaseException) -> Failure:
    """Word an error and choose its exit code."""
    from vidseek.cli.hints import shell_hint
    from vidseek.core.errors import VidseekError

    if isinstance(error, VidseekError):
        path = None if error.path is None else str(error.path)
        return Failure(_exit_code(error), error.code, str(error), shell_hint(error.hint), path)
    if isinstance(error, USAGE_ERROR):
        return _usage_failure(error)
    if isinstance(error, StoppedError):
        return Failure(error.exit_code, "cancelled", str(error))
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        code = EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_ERROR
        return Failure(code, "cancelled", "interrupted" if code == EXIT_INTERRUPTED else "aborted")
    if isinstance(error, OSError):
        return _file_failure(error)
    return Failure(
        EXIT_INTERNAL,
        "internal",
        f"unexpected {type(error).__name__}: {error}",
        "This is a bug in vidseek. Please report it with the traceback that "
        "`vidseek --debug ...` (or VIDSEEK_DEBUG=1) shows.",
    )


def _exit_code(error: Exception) -> int:
    from vidseek.core import errors

    kinds: dict[int, tuple[type[Exception], ...]] = {
        EXIT_USAGE: (errors.QueryError,),
        EXIT_NOT_FOUND: (
            errors.PathNotFoundError,
            errors.NotALibraryError,
            errors.UnknownEncoderError,
            errors.ModelNotFoundError,
        ),
        EXIT_LOCKED: (errors.LibraryLockedError,),
        EXIT_DISK: (
            errors.LibraryFullError,
            errors.LibraryDiskError,
            errors.LibraryReadOnlyError,
            errors.LibraryDamagedError,
            errors.FileAccessError,
        ),
    }
    return next((code for code, types in kinds.items() if isinstance(error, types)), EXIT_ERROR)


def _usage_failure(error: Any) -> Failure:
    # Some versions of typer check values with pydantic and pass its wording on.
    message = str(error.message).removeprefix("Value error, ")
    is_missing = type(error).__name__ == "MissingParameter"
    name = _parameter_name(error)
    if name:
        message = f"{name} is missing" if is_missing else f"{name}: {message}"
    context = getattr(error, "ctx", None)
    words = [] if context is None else context.command_path.split()[1:]
    command = " ".join(["vidseek", *words])
    return Failure(
        EXIT_USAGE, "usage", message.rstrip("."), f"`{command} --help` shows what it takes."
    )


def _parameter_name(error: Any) -> str:
    """``--sampling``, ``FILE``; empty if the error is about no single parameter."""
    name = getattr(error, "param_hint", None)
    param = getattr(error, "param", None)
    if name is None and param is not None:
        is_option = param.param_type_name == "option"
        name = param.opts if is_option else param.metavar or param.name.upper()
    return str(name or "") if not isinstance(name, list | tuple) else ", ".join(name)


def _file_failure(error: OSError) -> Failure:
    reason = error.strerror or str(error)
    path = None if error.filename is None else output.printable(str(error.filename))
    missing = error.errno in {errno.ENOENT, errno.ENOTDIR}
    return Failure(
        EXIT_NOT_FOUND if missing else EXIT_DISK,
        "path_not_found" if missing else "file_access",
        f"{path}: {reason}" if path else reason,
        path=path,
    )


def report_failure(error: BaseException, *, json: bool) -> int:
    """Write an error to stderr, and with --json to stdout; return the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]
        return EXIT_USAGE
    failure = failure_of(error)
    is_debugging = logging.getLogger("vidseek").level == logging.DEBUG
    if is_debugging and not isinstance(error, USAGE_ERROR):
        output.say_aside("".join(traceback.format_exception(error)).rstrip())
    if not (is_debugging and failure.exit_code == EXIT_INTERNAL):
        output.say_aside(f"vidseek: {failure.line}")
    if json:
        output.print_json_line(failure.to_json())
    return failure.exit_code
