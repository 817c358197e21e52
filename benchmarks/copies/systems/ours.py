"""vidseek itself, by its public parts: index the library, then ask `CopyFinder`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import vidseek
from benchmarks.copies.manifest import Entry
from benchmarks.copies.systems.system import Found, Plan, found
from vidseek.encoders.copy_descriptor import CopyDescriptor, is_flat, packed
from vidseek.encoders.video import DecodeJob, DecodePool, SamplingPlan
from vidseek.search.copies import CopyFinder
from vidseek.storage.store import LibraryStore
from vidseek.storage.types import CopyFrames

logger = logging.getLogger(__name__)


class OurSystem:
    """One library for each plan, in the benchmark's folder."""

    name = "ours"

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._descriptor = CopyDescriptor()
        self._finder: CopyFinder | None = None
        self._names: dict[Path, str] = {}

    @property
    def version(self) -> str:
        """See ``System``."""
        return self._descriptor.fingerprint

    def index(self, entries: Sequence[Entry]) -> None:
        """See ``System``."""
        self._names = {one.file(self._folder).absolute(): one.sources[0] for one in entries}
        library_folder = self._folder / f"library-{self._plan}"
        with vidseek.open(library_folder) as library:
            library.index(sorted(self._names), plan=SamplingPlan(self._plan))
        store = LibraryStore.open(library_folder, create=False)
        self._describe_rest(store)
        held = store.database.statistics().copy_videos
        if held < len(self._names):
            logger.warning("%d of %d library videos cannot be read", len(self._names) - held, held)
        self._finder = CopyFinder(store, self._descriptor)

    def _describe_rest(self, store: LibraryStore) -> None:
        """Describe videos that indexing left out, as it does for those of an older library."""
        descriptor = self._descriptor
        rest = store.database.videos_without_copy_frames(descriptor.fingerprint)
        jobs = [DecodeJob(video.path, SamplingPlan(self._plan), None) for video in rest]
        with DecodePool(workers=1, short_side=descriptor.picture_size) as pool, store.writing():
            for video, decoded in zip(rest, pool.read(jobs), strict=True):
                vectors = [np.zeros((0, descriptor.dimension), np.float32)]
                seconds = [np.zeros(0)]
                for batch in decoded.batches():
                    useful = ~is_flat(batch.data)
                    vectors.append(descriptor.describe(batch.data[useful]))
                    seconds.append(batch.pts_seconds[useful])
                frames = CopyFrames(
                    video.id, np.concatenate(seconds), packed(np.concatenate(vectors))
                )
                store.database.add_copy_frames(frames, descriptor.fingerprint)

    def ask(self, path: Path) -> list[Found]:
        """See ``System``."""
        assert self._finder is not None, "asked before it was given a library"
        verdict = self._finder.check(path, min_score=0.0)
        return [
            found(
                self._names[match.video.path],
                match.score,
                match.query_span,
                match.library_span,
                speed=match.speed,
                mirrored=match.mirrored,
            )
            for match in verdict.matches
        ]
