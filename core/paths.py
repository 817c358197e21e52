"""Paths as users mean them, and the hash that identifies a file's content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeAlias

AnyPath: TypeAlias = str | os.PathLike[str]


def absolute_path(path: AnyPath) -> Path:
    """The absolute path without ``~`` and ``..``.

    Links are not resolved: a file is known by the name the user gave it.
    """
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100


def printable_path(path: Path) -> str:
    """A path for a log; bytes of its name that are no UTF-8 appear as ``\\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
