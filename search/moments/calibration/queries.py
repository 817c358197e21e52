"""Queries that calibrate a library without labels: bundled, or from a file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from vidseek.core.errors import CalibrationError


def bundled_queries() -> list[str]:
    """The sentences and phrases bundled with vidseek."""
    text = (
        files("vidseek.search.moments.calibration")
        .joinpath("queries.txt")
        .read_text(encoding="utf-8")
    )
    return read_queries(text)


def read_queries(text: str) -> list[str]:
    """Parse one query per line; skip empty lines, lines that start with # and repetitions."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def read_query_file(file: Path) -> list[str]:
    """Read queries from a file, one per line.

    Raises:
        CalibrationError: it cannot be read, or is not UTF-8 text.
    """
    try:
        return read_queries(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise CalibrationError(
            f"{file} is not UTF-8 text: write one query per line", path=file
        ) from error
    except OSError as error:
        raise CalibrationError(f"{file} cannot be read: {error.strerror}", path=file) from error
