"""Read a user's captions, one JSON object per line, and check them before training.

captions = read_captions(Path("captions.jsonl"))
for problem in captions.problems:
    print(f"line {problem.line}: {problem.reason}")

    {"path": "beach.mp4", "caption": "children build a sand castle"}
    {"path": "beach.mp4", "caption": "waves", "start_seconds": 12.5, "end_seconds": 20}
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidseek.core.errors import PathNotFoundError, TrainingError
from vidseek.core.types import TimeSpan

FIELDS = frozenset({"path", "caption", "start_seconds", "end_seconds"})


@dataclass(frozen=True)
class CaptionProblem:
    """Why a line, or the clip it names, is not used."""

    line: int
    """Line number, from 1."""
    reason: str


@dataclass(frozen=True)
class CaptionedClip:
    """A video or a part of it, with all its captions."""

    path: Path
    """Absolute path of the video."""
    span: TimeSpan | None
    """The part; None for the whole video."""
    captions: tuple[str, ...]
    lines: tuple[int, ...]
    """Line number of each caption."""


@dataclass(frozen=True)
class Captions:
    """The usable clips of a captions file, and its problems."""

    file: Path
    clips: tuple[CaptionedClip, ...]
    """In order of their first lines."""
    problems: tuple[CaptionProblem, ...]

    @property
    def videos(self) -> list[Path]:
        """The distinct videos of the clips, sorted."""
        return sorted({clip.path for clip in self.clips})

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change with the captions or the video files."""
        digest = hashlib.sha256()
        for clip in self.clips:
            status = clip.path.stat()
            facts = [str(clip.path), str(clip.span), clip.captions, status.st_size]
            digest.update(json.dumps([*facts, status.st_mtime_ns]).encode())
        return digest.hexdigest()[:16]


def read_captions(file: Path, *, check_files: bool = True) -> Captions:
    """Read and check a captions file. Unusable lines are reported and skipped.

    Args:
        file: JSON lines with ``path`` (absolute, or relative to the file's folder), ``caption``,
            and ``start_seconds`` and ``end_seconds`` for a part of the video.
        check_files: also report lines whose video is not on the disk.

    Raises:
        PathNotFoundError: the file does not exist.
        TrainingError: the file cannot be read or is not UTF-8 text.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise PathNotFoundError(f"{file} does not exist", path=file) from error
    except UnicodeDecodeError as error:
        raise TrainingError(
            f"{file} is not UTF-8 text ({error}): save it as JSON lines", path=file
        ) from error
    except OSError as error:
        raise TrainingError(f"{file} cannot be read: {error.strerror}", path=file) from error
    problems: list[CaptionProblem] = []
    captions_of: dict[tuple[Path, TimeSpan | None], list[tuple[int, str]]] = {}
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            path, span, caption = _read_line(content, file.parent, check_files=check_files)
            earlier = captions_of.setdefault((path, span), [])
            for earlier_line, earlier_caption in earlier:
                if earlier_caption.casefold() == caption.casefold():
                    raise ValueError(f"repeats line {earlier_line}")
            earlier.append((line, caption))
        except ValueError as error:
            problems.append(CaptionProblem(line, str(error)))
    clips = tuple(
        CaptionedClip(
            path, span, tuple(caption for _, caption in lines), tuple(line for line, _ in lines)
        )
        for (path, span), lines in captions_of.items()
        if lines
    )
    return Captions(file, clips, tuple(problems))


def _read_line(
    content: str, folder: Path, *, check_files: bool
) -> tuple[Path, TimeSpan | None, str]:
    """Parse the video, its part and the caption of a line.

    Raises:
        ValueError: with the reason why the line is unusable.
    """
    try:
        row: Any = json.loads(content)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at character {error.pos + 1})") from error
    if not isinstance(row, dict):
        raise ValueError('not a JSON object: write {"path": ..., "caption": ...}')
    unknown = sorted(set(row) - FIELDS)
    if unknown:
        # A mistyped "start_second" would silently train on the whole video.
        raise ValueError(f"unknown field {unknown[0]!r}; known fields: {', '.join(sorted(FIELDS))}")
    for name in ("path", "caption"):
        if not isinstance(row.get(name), str):
            raise ValueError(f"{name!r} is missing or not text")
        if not row[name].strip():
            raise ValueError(f"{name!r} is empty")
    span = _read_span(row)
    if "\0" in row["path"]:
        raise ValueError("'path' contains a null character")
    path = (folder / Path(row["path"]).expanduser()).resolve()
    if check_files and not path.is_file():
        raise ValueError(f"no video at {path}")
    return path, span, " ".join(row["caption"].split())


def _read_span(row: dict[str, Any]) -> TimeSpan | None:
    given = [row.get("start_seconds"), row.get("end_seconds")]
    if given == [None, None]:
        return None
    if given[1] is None:
        raise ValueError("'start_seconds' needs 'end_seconds'")
    start, end = (0.0 if value is None else value for value in given)
    for value in (start, end):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ValueError(f"{value!r} is not a number of seconds")
    if not 0 <= start < end:
        raise ValueError(f"bad span: {start:g} to {end:g} seconds")
    return TimeSpan(float(start), float(end))
