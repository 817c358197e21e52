"""The manifest of a benchmark folder: one JSON object per line, the settings first.

manifest = read_manifest(Path("copies"))
copies = [
    entry for entry in manifest.entries if entry.role == "query" and entry.negative is None
]
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.copies.edits import Step
from benchmarks.copies.truth import Segment

MANIFEST_NAME = "manifest.jsonl"


@dataclass(frozen=True)
class Entry:
    """A video of the benchmark, or a skipped one."""

    role: Literal["library", "query", "skipped"]
    work: str
    """Name of the work that made it; unique among queries."""
    path: str | None
    """Relative to the folder; absolute for a library video that lies elsewhere; None if skipped."""
    sources: tuple[str, ...]
    """Names of its sources, the copied one first; without donors."""
    is_synthetic: bool = False
    """True if it consists of pans over pictures."""
    edits: tuple[Step, ...] = ()
    """In order of application."""
    donor: str | None = None
    """The source of the donor video."""
    negative: str | None = None
    """Kind of negative, for a query that is not a copy: ``edited``, or a kind of ``negatives``."""
    duration_seconds: float = 0.0
    segments: tuple[Segment, ...] = ()
    """Which library videos a query shows, by source; none for a negative."""
    shared: tuple[Segment, ...] = ()
    """For a negative: an intro or outro shared with a library video."""
    reason: str | None = None
    """Why it was skipped."""

    def file(self, folder: Path) -> Path:
        """Path of the file, given the benchmark's folder."""
        assert self.path is not None, "a skipped entry has no file"
        return folder / self.path

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_record(record: dict[str, Any]) -> Entry:
        """The entry of a parsed line."""
        record["sources"] = tuple(record["sources"])
        record["edits"] = tuple(Step(**step) for step in record["edits"])
        for name in ("segments", "shared"):
            record[name] = tuple(Segment(**segment) for segment in record[name])
        return Entry(**record)


@dataclass(frozen=True)
class Manifest:
    """All entries of a benchmark."""

    settings: dict[str, Any]
    entries: tuple[Entry, ...]


def read_manifest(folder: Path) -> Manifest:
    """Read a benchmark's manifest; an incomplete last line, left by a crash, is ignored.

    Raises:
        FileNotFoundError: the manifest does not exist.
        ValueError: the file is not a manifest.
    """
    path = folder / MANIFEST_NAME
    lines = path.read_text(encoding="utf-8").splitlines()
    records = []
    for number, line in enumerate(lines):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines) - 1 or number == 0:
                raise ValueError(
                    f"{path}, line {number + 1}: not JSON; delete the folder and generate it again"
                ) from error
    if not records or "settings" not in records[0]:
        raise ValueError(f"{path} does not begin with settings: it is not a copy benchmark")
    entries = tuple(Entry.from_record(record) for record in records[1:])
    return Manifest(records[0]["settings"], entries)


def write_manifest(folder: Path, settings: dict[str, Any], entries: Iterable[Entry]) -> None:
    """Replace the manifest atomically."""
    lines = [json.dumps({"settings": settings}), *(entry.to_json() for entry in entries)]
    temporary = folder / f".{MANIFEST_NAME}.part"
    temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    temporary.replace(folder / MANIFEST_NAME)


def append_entries(folder: Path, entries: Iterable[Entry]) -> None:
    """Append entries."""
    with (folder / MANIFEST_NAME).open("a", encoding="utf-8") as file:
        file.write("".join(f"{entry.to_json()}\n" for entry in entries))
