"""Features of a few frames of every captioned clip, computed once and stored on disk.

    kept = collect_frames(clips, recipe, Path("model/training"), identity="...")
    kept.values[kept.frames[3]]      # (F, ...) of the fourth clip, F up to ``recipe.most``

Videos are decoded in child processes. The features of a clip are appended to one file, then the
clip is recorded in another, so a stop at any moment loses only the current clip.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vidseek.core.captions import CaptionedClip
from vidseek.core.errors import UnreadableVideoError, VideoError
from vidseek.core.job import Job
from vidseek.core.processors import processor_count
from vidseek.training.user.report import TrainingProgress
from vidseek.video import DecodedVideo, DecodeJob, DecodePool

FRAMES_WHILE_READING = 48
"""Most frames in memory; beyond it every second frame of the video is dropped, again and again."""


@dataclass(frozen=True)
class FrameRecipe:
    """Which features of a frame are stored, and how they are computed."""

    name: str
    """Name of the two files, NAME.bin and NAME.jsonl."""
    limit: int
    """Most frames of a clip, evenly spaced."""
    short_side: int
    """Short side in pixels that frames are decoded to."""
    shape: tuple[int, ...]
    """Shape of a frame's features."""
    dtype: DTypeLike
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    """From a decoded (H, W, 3) uint8 RGB frame to what stays in memory of it."""
    compute: Callable[[NDArray[np.uint8]], NDArray[Any]]
    """From (F, ...) prepared frames to (F, *shape) features of ``dtype``."""

    @property
    def files(self) -> tuple[str, str]:
        """Names of the record of clips and of the file of features."""
        return f"{self.name}.jsonl", f"{self.name}.bin"

    @property
    def frame_bytes(self) -> int:
        """Size of a frame's features on disk."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class KeptFrames:
    """The features of all clips that could be read."""

    values: NDArray[Any]
    """(N, *shape), memory-mapped: all frames, clip after clip."""
    seconds: NDArray[np.float32]
    """(N,) times of the frames."""
    frames: dict[int, slice]
    """Rows of every readable clip, by the clip's position."""
    failures: dict[int, str]
    """Reason for every unreadable clip, by the clip's position."""


def collect_frames(
    clips: Sequence[CaptionedClip],
    recipe: FrameRecipe,
    folder: Path,
    *,
    identity: str,
    job: Job,
) -> KeptFrames | None:
    """Decode clips and compute their features; continues where an earlier call stopped.

    Args:
        clips: the clips to read.
        recipe: the features to compute.
        folder: where the files go; made if missing.
        identity: changes when clips or recipe change; files with another identity are discarded.
        job: receives progress after every clip; cancelling takes effect between clips.

    Returns:
        The features; None if the job was cancelled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes, arrays = (folder / name for name in recipe.files)
    done = _read_notes(notes, arrays, identity, recipe.frame_bytes)
    with notes.open("a", encoding="utf-8") as notes_file, arrays.open("r+b") as arrays_file:
        arrays_file.seek(0, os.SEEK_END)
        remaining = range(len(done), len(clips))
        jobs = [DecodeJob(clips[place].path, span=clips[place].span) for place in remaining]
        started = time.monotonic()
        if jobs:
            workers = max(1, min(4, processor_count() - 1, len(jobs)))
            with DecodePool(workers=workers, short_side=recipe.short_side) as pool:
                for place, decoded in zip(remaining, pool.read(jobs), strict=True):
                    if job.is_cancelled:
                        return None
                    note = _read_clip(decoded, recipe, arrays_file)
                    arrays_file.flush()
                    notes_file.write(json.dumps(note) + "\n")
                    notes_file.flush()
                    done.append(note)
                    rate = (time.monotonic() - started) / (place + 1 - remaining.start)
                    eta = rate * (len(clips) - place - 1)
                    job.report(
                        TrainingProgress(
                            stage="reading",
                            done=place + 1,
                            total=len(clips),
                            unit="clips",
                            eta_seconds=eta,
                        )
                    )
    return _open_kept(arrays, done, recipe)


def _read_clip(decoded: DecodedVideo, recipe: FrameRecipe, arrays: Any) -> dict[str, Any]:
    """Append a clip's features; returns its record."""
    try:
        pictures, seconds = _pick_frames(decoded, recipe)
    except VideoError as error:
        return {"reason": error.reason}
    values = np.asarray(recipe.compute(pictures), recipe.dtype)
    assert values.shape == (len(seconds), *recipe.shape), values.shape
    arrays.write(values.tobytes())
    return {"seconds": seconds}


def _pick_frames(
    decoded: DecodedVideo, recipe: FrameRecipe
) -> tuple[NDArray[np.uint8], list[float]]:
    """(F, ...) evenly spaced frames of a clip, prepared, and their times.

    Raises:
        VideoError: the file cannot be read, or has no frame there.
    """
    span, length = decoded.job.span, decoded.info.duration_seconds
    if span is not None and 0 < length <= span.start_seconds:
        raise UnreadableVideoError(
            f"the part begins at {span.start_seconds:g} s, the video ends at {length:.1f} s"
        )
    kept: list[tuple[float, NDArray[np.uint8]]] = []
    stride, number = 1, 0
    try:
        for batch in decoded.batches():
            for seconds, frame in zip(batch.pts_seconds.tolist(), batch.data, strict=True):
                if number % stride == 0:
                    kept.append((seconds, recipe.prepare(frame)))
                number += 1
                if len(kept) == FRAMES_WHILE_READING:
                    kept, stride = kept[::2], 2 * stride
    except VideoError:
        if not kept:
            raise
    if not kept:
        raise UnreadableVideoError("no frame could be decoded")
    count = min(recipe.limit, len(kept))
    places = ((np.arange(count) + 0.5) * len(kept) / count).astype(np.intp)
    chosen = [kept[place] for place in places]
    return np.stack([frame for _, frame in chosen]), [seconds for seconds, _ in chosen]


def _read_notes(notes: Path, arrays: Path, identity: str, frame_bytes: int) -> list[dict[str, Any]]:
    """Records of an earlier call, with both files cut to match; empty for another identity."""
    lines = notes.read_text(encoding="utf-8").split("\n")[:-1] if notes.exists() else []
    done: list[dict[str, Any]] = []
    if lines and json.loads(lines[0]) == {"identity": identity} and arrays.exists():
        done = [json.loads(line) for line in lines[1:]]
    size = sum(len(note.get("seconds", ())) for note in done) * frame_bytes
    if size > 0 and arrays.stat().st_size < size:  # the disk lost recorded features
        done, size = [], 0
    # Rewritten, because a last line cut short by a kill would corrupt the next one.
    partial = notes.with_suffix(".partial")
    rows = [{"identity": identity}, *done]
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(notes)
    with arrays.open("ab") as file:
        file.truncate(size)
    return done


def _open_kept(arrays: Path, notes: list[dict[str, Any]], recipe: FrameRecipe) -> KeptFrames:
    frames: dict[int, slice] = {}
    failures: dict[int, str] = {}
    seconds: list[float] = []
    for place, note in enumerate(notes):
        if "reason" in note:
            failures[place] = note["reason"]
            continue
        frames[place] = slice(len(seconds), len(seconds) + len(note["seconds"]))
        seconds += note["seconds"]
    shape = (len(seconds), *recipe.shape)
    # An empty file cannot be mapped.
    values: NDArray[Any] = (
        np.memmap(arrays, recipe.dtype, mode="r", shape=shape)
        if seconds
        else np.zeros(shape, recipe.dtype)
    )
    return KeptFrames(values, np.array(seconds, np.float32), frames, failures)
