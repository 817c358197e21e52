"""Text that can be sent: file names that are not UTF-8, and control characters."""

from __future__ import annotations

from pathlib import Path


def safe_text(text: str) -> str:
    """Text that is valid UTF-8; bytes of a file name that are not appear as ``\\xff``.

    >>> safe_text("caf\\udce9.mp4")
    'caf\\\\xe9.mp4'
    """
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        raw = text.encode("utf-8", "replace")
    return raw.decode("utf-8", "backslashreplace")


def path_text(path: Path) -> str:
    """A path as text that can be sent."""
    return safe_text(str(path))
