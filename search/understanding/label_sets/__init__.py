"""Label sets that come with vidseek, and label sets in files.

>>> "dog" in bundled_labels("everyday")
True
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from vidseek.core.errors import FileAccessError, PathNotFoundError, QueryError

LABEL_SETS = ("actions", "everyday", "places")
"""Names of the bundled sets."""


def bundled_labels(name: str) -> tuple[str, ...]:
    """The labels of a bundled set.

    Raises:
        QueryError: no set has that name.
    """
    if name not in LABEL_SETS:
        raise QueryError(f"There is no label set {name!r}; the sets are {', '.join(LABEL_SETS)}.")
    text = (
        files("vidseek.search.understanding.label_sets").joinpath(f"{name}.txt").read_text("utf-8")
    )
    return parse_labels(text.splitlines())


def read_labels(file: Path) -> tuple[str, ...]:
    """The labels of a file, one a line; empty lines and lines that begin with ``#`` are skipped.

    Raises:
        PathNotFoundError: the file does not exist.
        FileAccessError: the file cannot be read, or is not UTF-8.
        QueryError: the file has no label.
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise PathNotFoundError(f"{file} does not exist", path=file) from None
    except UnicodeDecodeError as error:
        raise FileAccessError(f"{file} is not a text file in UTF-8", path=file) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileAccessError(f"{file} cannot be read: {reason}", path=file) from error
    labels = parse_labels(lines)
    if not labels:
        raise QueryError(f"{file} has no label: write each label on a line.", path=file)
    return labels


def parse_labels(lines: Iterable[str]) -> tuple[str, ...]:
    """The labels of a file's lines, without comments."""
    stripped = (line.strip() for line in lines)
    return tuple(line for line in stripped if line and not line.startswith("#"))
