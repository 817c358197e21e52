"""vPDQ (Meta, ThreatExchange) by its own package: PDQ hashes of one frame per second, and its rule.

Its parameters are those that its README and its matcher in python-threatexchange name: one frame a
second on both sides, quality 50 at least, Hamming distance 31 at most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.copies.manifest import Entry
from benchmarks.copies.systems.frame_hashes import (
    SECONDS_PER_HASH,
    FrameHashes,
    compare,
    hashes_of,
)
from benchmarks.copies.systems.system import Found
from vidseek.core.errors import UnreadableVideoError

DEFAULT_SHARE = math.nextafter(0.8, 0)
"""Its own decision: 80 % of either video, or more. The README asks for 80 % of the library's and
nothing of the query's, python-threatexchange the other way round; either counts here."""

Features = list[tuple[str, int, float]]
"""Hash, quality, seconds."""


class VpdqSystem:
    """vPDQ's hashes; hashes of library videos are cached in the benchmark's folder."""

    name = "vpdq"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = folder / "library-vpdq"
        self._library: dict[str, FrameHashes] = {}

    @property
    def version(self) -> str:
        """See ``System``."""
        try:
            return metadata.version("vpdq")
        except metadata.PackageNotFoundError as error:
            raise ValueError(
                "--system vpdq needs the package vpdq, and that needs cmake and the headers of "
                "FFmpeg to be built: see docs/benchmarks/copy-benchmark.md"
            ) from error

    def index(self, entries: Sequence[Entry]) -> None:
        """See ``System``."""
        self._kept.mkdir(exist_ok=True)
        for entry in entries:
            path = self._kept / f"{entry.work}.json"
            if not path.exists():
                temporary = path.with_suffix(".part")
                temporary.write_text(json.dumps(_features(entry.file(self._folder))))
                temporary.replace(path)
            self._library[entry.sources[0]] = hashes_of(json.loads(path.read_text()))

    def ask(self, path: Path) -> list[Found]:
        """See ``System``."""
        return compare(hashes_of(_features(path)), self._library)


def _features(path: Path) -> Features:
    import vpdq

    try:
        hashes = vpdq.computeHash(str(path), seconds_per_hash=SECONDS_PER_HASH)
    except Exception as error:  # it has no error of its own
        raise UnreadableVideoError(f"vpdq: {error}", path=path) from error
    return [(frame.hex, frame.quality, frame.timestamp) for frame in hashes]
