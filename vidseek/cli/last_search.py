"""The hits of the last search of a library, which ``vidseek open`` plays."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidseek.core.types import SearchHit
    from vidseek.exports import Moment

FILE_NAME = "last-search.json"


def remember_hits(folder: Path, hits: Sequence[SearchHit]) -> None:
    """Keep hits in the library's folder, in the order and with the numbers that were shown."""
    from vidseek.exports.files import write_atomically
    from vidseek.exports.moments import Moment
    from vidseek.exports.tables import to_json

    with contextlib.suppress(OSError):  # a library that cannot be written to is searched, too
        write_atomically(folder / FILE_NAME, to_json([Moment.of(hit) for hit in hits]))


def last_hits(folder: Path) -> list[Moment]:
    """The hits of the last search; empty if there was none.

    Raises:
        ExportError: the file was changed.
        OSError: the file cannot be read.
    """
    from vidseek.exports import parse_moments

    try:
        return parse_moments((folder / FILE_NAME).read_bytes())
    except FileNotFoundError:
        return []
