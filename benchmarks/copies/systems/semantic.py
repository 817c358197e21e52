"""The built-in semantic model used as a copy descriptor: same search, different vectors.

The gain over it is the value of a copy descriptor. It sees the same frames as ours (the
library's every second, a query's every half second, none of one colour), candidates are found and
aligned by the same code, and apparent intros count little. There is no noise to take
off. Its cosines mean something else: the least similarity is one of ``SIMILARITIES``, chosen on the
calibration folder, and the score is the alignment's own, for `match_score` was fitted to ours.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.copies.manifest import Entry
from benchmarks.copies.systems.system import Found, found
from vidseek.core.types import CopyBlock, CopyFrames
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.copies.descriptor import is_flat, packed, unpacked
from vidseek.search.copies.alignment.align import align
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.candidates import find_candidates
from vidseek.search.copies.checker import MAX_CANDIDATES
from vidseek.search.copies.scoring import EDGE_WEIGHT, is_edge
from vidseek.search.copies.upload import QUERY_INTERVAL_SECONDS
from vidseek.video import DecodeJob, DecodePool, SamplingPlan

SIMILARITIES = (0.5, 0.6, 0.7, 0.8)
LIBRARY_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class SeenVideo:
    """A video as the model sees it."""

    frames: FrameSequence
    duration_seconds: float


class SemanticFrames:
    """Vectors of videos' frames; vectors of library videos are cached in the benchmark's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._encoder = BuiltinEncoder()
        self._kept = folder / f"library-semantic-{self.version[:8]}"
        self.of_query = functools.lru_cache(maxsize=1)(self._of_query)
        """Frames of a query: several systems that ask it one after the other encode it once."""

    @property
    def version(self) -> str:
        """Version of the model."""
        return self._encoder.spec.fingerprint

    def of_library(self, entry: Entry) -> SeenVideo:
        """A library video, its frames a second apart."""
        path = self._kept / f"{entry.work}.npz"
        if not path.exists():
            frames = self._read(entry.file(self._folder), LIBRARY_INTERVAL_SECONDS).frames
            self._kept.mkdir(exist_ok=True)
            temporary = path.with_suffix(".part.npz")
            np.savez(temporary, vectors=packed(frames.vectors), seconds=frames.seconds)
            temporary.replace(path)
        with np.load(path) as kept:
            frames = FrameSequence(unpacked(kept["vectors"]), kept["seconds"])
        return SeenVideo(frames, entry.duration_seconds)

    def _of_query(self, path: Path) -> SeenVideo:
        return self._read(path, QUERY_INTERVAL_SECONDS)

    def _read(self, path: Path, interval_seconds: float) -> SeenVideo:
        spec = self._encoder.spec
        vectors, seconds = [np.zeros((0, spec.dimension), np.float32)], [np.zeros(0)]
        job = DecodeJob(path, SamplingPlan("dense", interval_seconds), None)
        with DecodePool(workers=1, short_side=spec.image_size) as pool:
            for decoded in pool.read([job]):
                for batch in decoded.batches():
                    useful = ~is_flat(batch.data)
                    vectors.append(self._encoder.encode_frames(batch.data[useful]).vectors)
                    seconds.append(batch.pts_seconds[useful].copy())
                duration = decoded.duration_seconds
        return SeenVideo(FrameSequence(np.concatenate(vectors), np.concatenate(seconds)), duration)


class SemanticSystem:
    """The semantic model at one minimum similarity."""

    def __init__(self, frames: SemanticFrames, min_similarity: float) -> None:
        self._frames = frames
        self._least = min_similarity
        self._sources: list[str] = []
        self._library: list[SeenVideo] = []
        self._descriptors: CopyBlock | None = None

    @property
    def name(self) -> str:
        """See ``System``."""
        return semantic_name(self._least)

    @property
    def version(self) -> str:
        """See ``System``."""
        return self._frames.version

    def index(self, entries: Sequence[Entry]) -> None:
        """See ``System``."""
        self._sources = [entry.sources[0] for entry in entries]
        self._library = [self._frames.of_library(entry) for entry in entries]
        self._descriptors = CopyBlock.of(
            [
                CopyFrames(number, video.frames.seconds, packed(video.frames.vectors))
                for number, video in enumerate(self._library)
            ]
        )

    def ask(self, path: Path) -> list[Found]:
        """See ``System``."""
        assert self._descriptors is not None, "asked before it was given a library"
        query = self._frames.of_query(path)
        candidates = find_candidates(
            [query.frames], [self._descriptors], min_similarity=self._least
        )
        return [
            match
            for candidate in candidates[:MAX_CANDIDATES]
            for match in self._shown(query, candidate.video_id)
        ]

    def _shown(self, query: SeenVideo, number: int) -> Iterator[Found]:
        """What a query shows of one library video."""
        reference = self._library[number]
        for match in align(query.frames, reference.frames, min_similarity=self._least):
            looks_shared = is_edge(match, query.duration_seconds, reference.duration_seconds)
            score = match.score * (EDGE_WEIGHT if looks_shared else 1.0)
            yield found(
                self._sources[number], score, match.query, match.reference, speed=match.speed
            )


def semantic_name(min_similarity: float) -> str:
    """Name of the system at a least similarity."""
    return f"semantic-{min_similarity:.2f}"
