"""The clips of a library as one table of vectors, without the blank ones."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import VectorBatch, VectorLevel, VideoFilter
from vidseek.search.moments.blank import SAME_FRAME_SECONDS
from vidseek.storage.store import LibraryStore

CLIPS_PER_READ = 4096


MAX_KEPT_CLIPS = 20_000
"""Clips whose table is kept for the next call: 30 MB."""
_KEPT: WeakKeyDictionary[LibraryStore, tuple[object, VectorBatch]] = WeakKeyDictionary()
"""The last table of each library, with what was asked for and the state of the library."""


def read_clips(
    store: LibraryStore, fingerprint: str, where: VideoFilter, *, level: VectorLevel = "clips"
) -> VectorBatch:
    """Read the searchable clips, or their frames, that show something. Call it within a snapshot.

    Reading takes longer than most of what is done with the vectors: the last table of clips is kept
    until the library changes, and is not to be written to.

    Args:
        store: the library.
        fingerprint: of the encoder.
        where: which videos.
        level: a row for each clip, or for each frame.
    """
    asked = store.sequence(), fingerprint, where
    kept = _KEPT.get(store)
    if level == "clips" and kept is not None and kept[0] == asked:
        return kept[1]
    clips = _read(store, fingerprint, where, level)
    if level == "clips" and len(clips) <= MAX_KEPT_CLIPS:
        clips.vectors.flags.writeable = False
        _KEPT[store] = asked, clips
    return clips


def _read(
    store: LibraryStore, fingerprint: str, where: VideoFilter, level: VectorLevel
) -> VectorBatch:
    ids = store.clip_vectors.ids(where, fingerprint).tolist()
    batches = [
        store.clip_vectors.batch(ids[start : start + CLIPS_PER_READ], fingerprint, level)
        for start in range(0, max(len(ids), 1), CLIPS_PER_READ)
    ]
    columns: dict[str, Any] = {}
    for name in (field.name for field in fields(VectorBatch)):
        parts = [getattr(batch, name) for batch in batches]
        if name == "paths":
            columns[name] = tuple(path for part in parts for path in part)
        else:
            columns[name] = None if parts[0] is None else np.concatenate(parts)
    clips = VectorBatch(**columns)
    return chosen_rows(clips, np.flatnonzero(_show_something(store, clips)))


def chosen_rows(batch: VectorBatch, rows: NDArray[np.intp]) -> VectorBatch:
    """Some rows of a batch, in the order given."""
    seconds = batch.frame_seconds
    return VectorBatch(
        vectors=batch.vectors[rows],
        clip_ids=batch.clip_ids[rows],
        video_ids=batch.video_ids[rows],
        paths=tuple(batch.paths[row] for row in rows.tolist()),
        start_seconds=batch.start_seconds[rows],
        end_seconds=batch.end_seconds[rows],
        frame_seconds=None if seconds is None else seconds[rows],
    )


def _show_something(store: LibraryStore, clips: VectorBatch) -> NDArray[np.bool_]:
    """Which rows have a frame that is not flat: copy descriptors exist for those frames only."""
    shows = np.ones(len(clips), np.bool_)
    described = store.copy_descriptors.seconds(set(clips.video_ids.tolist()))
    begin, end = clips.start_seconds, clips.end_seconds
    if clips.frame_seconds is not None:
        begin = end = clips.frame_seconds
    order = np.argsort(clips.video_ids, kind="stable")
    ids, starts = np.unique(clips.video_ids[order], return_index=True)
    for video_id, rows in zip(ids.tolist(), np.split(order, starts[1:]), strict=False):
        times = described.get(video_id)
        if times is None:
            continue
        first = np.searchsorted(times, begin[rows] - SAME_FRAME_SECONDS)
        last = np.searchsorted(times, end[rows] + SAME_FRAME_SECONDS, side="right")
        shows[rows] = last > first
    return shows
