"""What a benchmark folder holds: one JSON object a line, first the settings it was made with.

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
    """A video of the benchmark, or one that could not be made."""

    role: Literal["library", "query", "skipped"]
    work: str
    """What it was made by; unique among queries."""
    path: str | None
    """Relative to the folder; absolute for a library video that lies elsewhere; None if skipped."""
    sources: tuple[str, ...]
    """Names of what it is made of, the copied one first; donors are not among them."""
    is_synthetic: bool = False
    """True if it is made of pans over pictures."""
    edits: tuple[Step, ...] = ()
    """In the order they were made."""
    donor: str | None = None
    """The source that edits took another video from."""
    negative: str | None = None
    """Why it is hard, for a query that is no copy: ``edited``, or a kind of ``negatives``."""
    duration_seconds: float = 0.0
    segments: tuple[Segment, ...] = ()
    """Which library videos a query shows, by source; none for a negative."""
    shared: tuple[Segment, ...] = ()
    """Of a negative: an intro or outro that it has in common with a library video."""
    reason: str | None = None
    """Why it was skipped."""

    def file(self, folder: Path) -> Path:
        """Where it lies, given the benchmark's folder."""
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
    """Everything that was made."""

    settings: dict[str, Any]
    entries: tuple[Entry, ...]


def read_manifest(folder: Path) -> Manifest:
    """Read a benchmark's manifest; a last line that was cut off by a crash is left out.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no manifest.
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
                    f"{path}, line {number + 1}: no JSON; delete the folder and generate it anew"
                ) from error
    if not records or "settings" not in records[0]:
        raise ValueError(f"{path} does not begin with settings: it is no benchmark of copies")
    entries = tuple(Entry.from_record(record) for record in records[1:])
    return Manifest(records[0]["settings"], entries)


def write_manifest(folder: Path, settings: dict[str, Any], entries: Iterable[Entry]) -> None:
    """Write a manifest anew; the old one stays until the new one is complete."""
    lines = [json.dumps({"settings": settings}), *(entry.to_json() for entry in entries)]
    temporary = folder / f".{MANIFEST_NAME}.part"
    temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    temporary.replace(folder / MANIFEST_NAME)


def append_entries(folder: Path, entries: Iterable[Entry]) -> None:
    """Add what has just been made."""
    with (folder / MANIFEST_NAME).open("a", encoding="utf-8") as file:
        file.write("".join(f"{entry.to_json()}\n" for entry in entries))
