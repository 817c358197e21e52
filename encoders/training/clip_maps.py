"""What the frozen part of the stem makes of a few frames of every captioned clip, kept on disk.

    maps = collect_maps(clips, vision, Path("model/training"), identity="...")
    maps.fine[maps.frames[3]]        # (F, 17, 17, 120) int8 of the fourth clip, F up to 6

Videos are decoded in child processes. Every clip's maps are appended and then noted, so that a stop
at any moment loses the clip in hand.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.encoders.model.stem import (
    FINE_CHANNELS,
    FINE_SIDE,
    PICTURE_SIZE,
    normalise,
)
from vidseek.encoders.model.vision import Vision
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.training.cache import STEP
from vidseek.encoders.training.captions import CaptionedClip
from vidseek.encoders.training.report import OnProgress, TrainingProgress
from vidseek.encoders.video import DecodedVideo, DecodeJob, DecodePool
from vidseek.storage.errors import UnreadableVideoError, VideoError

FRAMES_PER_CLIP = 6
FRAMES_WHILE_READING = 48
"""Of a long video more and more frames are passed over, so that it takes no more memory."""
MAP_SHAPE = (FINE_SIDE, FINE_SIDE, FINE_CHANNELS)
MAP_BYTES = FINE_SIDE * FINE_SIDE * FINE_CHANNELS


@dataclass(frozen=True)
class ClipMaps:
    """The maps of all clips that could be read."""

    fine: NDArray[np.int8]
    """(N, 17, 17, 120) int8 steps of 0.25, memory-mapped: all frames, clip after clip."""
    seconds: NDArray[np.float32]
    """(N,) their times."""
    frames: dict[int, slice]
    """The rows of every clip that could be read, by its place."""
    failures: dict[int, str]
    """Why the others could not."""


def collect_maps(
    clips: Sequence[CaptionedClip],
    vision: Vision,
    folder: Path,
    *,
    identity: str,
    on_progress: OnProgress = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ClipMaps | None:
    """Decode clips and compute their maps, going on where a stopped call was.

    Args:
        clips: what to read.
        vision: its stem computes, on the device where it is.
        folder: for the files, made if missing.
        identity: changes when clips or stem change; what was kept under another one is dropped.
        on_progress: called after every clip.
        should_stop: asked before every clip.

    Returns:
        The maps; None if it was stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes, arrays = folder / "maps.jsonl", folder / "maps.bin"
    done = _read_notes(notes, arrays, identity)
    with notes.open("a", encoding="utf-8") as notes_file, arrays.open("r+b") as arrays_file:
        arrays_file.seek(0, os.SEEK_END)
        remaining = range(len(done), len(clips))
        jobs = [DecodeJob(clips[place].path, span=clips[place].span) for place in remaining]
        started = time.monotonic()
        if jobs:
            workers = max(1, min(4, (os.cpu_count() or 1) - 1, len(jobs)))
            with DecodePool(workers=workers, short_side=PICTURE_SIZE) as pool:
                for place, decoded in zip(remaining, pool.read(jobs), strict=True):
                    if should_stop():
                        return None
                    note = _read_clip(decoded, vision, arrays_file)
                    arrays_file.flush()
                    notes_file.write(json.dumps(note) + "\n")
                    notes_file.flush()
                    done.append(note)
                    rate = (time.monotonic() - started) / (place + 1 - remaining.start)
                    eta = rate * (len(clips) - place - 1)
                    on_progress(TrainingProgress("reading", place + 1, len(clips), eta))
    return _open_maps(arrays, done)


def _read_clip(decoded: DecodedVideo, vision: Vision, arrays: Any) -> dict[str, Any]:
    """Append a clip's maps; what to note of it."""
    try:
        pictures, seconds = _pick_frames(decoded)
    except VideoError as error:
        return {"reason": error.reason}
    with torch.inference_mode():
        inputs = normalise(torch.from_numpy(pictures).to(vision.device).permute(0, 3, 1, 2))
        maps = vision.stem.fine_map(inputs).permute(0, 2, 3, 1).float().cpu().numpy()
    arrays.write(np.clip(np.round(maps / STEP), -127, 127).astype(np.int8).tobytes())
    return {"seconds": seconds}


def _pick_frames(decoded: DecodedVideo) -> tuple[NDArray[np.uint8], list[float]]:
    """(F, 260, 260, 3) evenly spread frames of a clip and their times.

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
                    kept.append((seconds, squash(frame[None], PICTURE_SIZE)[0].copy()))
                number += 1
                if len(kept) == FRAMES_WHILE_READING:
                    kept, stride = kept[::2], 2 * stride
    except VideoError:
        if not kept:
            raise
    if not kept:
        raise UnreadableVideoError("no frame of it could be decoded")
    count = min(FRAMES_PER_CLIP, len(kept))
    places = ((np.arange(count) + 0.5) * len(kept) / count).astype(np.intp)
    chosen = [kept[place] for place in places]
    return np.stack([frame for _, frame in chosen]), [seconds for seconds, _ in chosen]


def _read_notes(notes: Path, arrays: Path, identity: str) -> list[dict[str, Any]]:
    """What a stopped call noted, files cut to it; nothing if it was of something else."""
    lines = notes.read_text(encoding="utf-8").split("\n")[:-1] if notes.exists() else []
    done: list[dict[str, Any]] = []
    if lines and json.loads(lines[0]) == {"identity": identity} and arrays.exists():
        done = [json.loads(line) for line in lines[1:]]
    size = sum(len(note.get("seconds", ())) for note in done) * MAP_BYTES
    if size > 0 and arrays.stat().st_size < size:  # the disk lost what had been noted
        done, size = [], 0
    # Written anew: a last line that a kill cut short would spoil the next one.
    partial = notes.with_suffix(".partial")
    rows = [{"identity": identity}, *done]
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(notes)
    with arrays.open("ab") as file:
        file.truncate(size)
    return done


def _open_maps(arrays: Path, notes: list[dict[str, Any]]) -> ClipMaps:
    frames: dict[int, slice] = {}
    failures: dict[int, str] = {}
    seconds: list[float] = []
    for place, note in enumerate(notes):
        if "reason" in note:
            failures[place] = note["reason"]
            continue
        frames[place] = slice(len(seconds), len(seconds) + len(note["seconds"]))
        seconds += note["seconds"]
    shape = (len(seconds), *MAP_SHAPE)
    # An empty file cannot be mapped.
    fine: NDArray[np.int8] = (
        np.memmap(arrays, np.int8, mode="r", shape=shape) if seconds else np.zeros(shape, np.int8)
    )
    return ClipMaps(fine, np.array(seconds, np.float32), frames, failures)
