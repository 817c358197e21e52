"""Ranges of bytes that a client asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class ByteRange:
    """The bytes from ``start`` to before ``end``."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.end - self.start


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """The range of a ``Range`` header.

    Args:
        header: its value; None if there is none.
        size: bytes of the file.

    Returns:
        None for the whole file: no range is asked for, or several, or in a unit other than bytes,
        which a server may ignore.

    Raises:
        ValueError: the range begins at or beyond the end of the file.
    """
    found = None if header is None else _RANGE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        last = int(found[2])
        if last == 0 or size == 0:
            raise ValueError(f"no bytes in the range {header!r}")
        return ByteRange(max(0, size - last), size)
    start = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    if start >= size:
        raise ValueError(f"{header!r} begins beyond {size} bytes")
    return ByteRange(start, end)
