"""Films put together from frames of real clips, stored in a library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import EncodedClip, FrameFeatures, Video
from vidseek.encoders.base import Encoder
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodeJob, DecodePool, SamplingPlan, cut_clips, frame_signatures


@dataclass(frozen=True)
class Frames:
    """Frames of a clip, sampled densely."""

    name: str
    seconds: NDArray[np.float64]
    pictures: NDArray[np.uint8]
    """(N, H, W, 3) uint8 RGB."""
    features: FrameFeatures
    duration_seconds: float

    @property
    def signatures(self) -> NDArray[np.float32]:
        """(N, S) float32: of the pictures."""
        return frame_signatures(self.pictures)

    def part(self, start: int, stop: int) -> Frames:
        """Some of the frames, from the second of the first."""
        rows = slice(start, stop)
        seconds = self.seconds[rows]
        end = self.seconds[stop] if stop < len(self.seconds) else self.duration_seconds
        return Frames(
            self.name,
            seconds - seconds[0],
            self.pictures[rows],
            self.features[rows],
            float(end - seconds[0]),
        )


def read_frames(
    files: Iterable[Path], encoder: Encoder, *, step_seconds: float = 1.0
) -> list[Frames]:
    """Decode and encode clips, a frame every ``step_seconds``."""
    jobs = [DecodeJob(file, SamplingPlan("dense", step_seconds)) for file in files]
    found = []
    with DecodePool(workers=1, short_side=encoder.spec.image_size) as pool:
        for decoded in pool.read(jobs):
            batches = [(batch.pts_seconds.copy(), batch.data.copy()) for batch in decoded.batches()]
            pictures = np.concatenate([data for _, data in batches])
            found.append(
                Frames(
                    decoded.path.name,
                    np.concatenate([seconds for seconds, _ in batches]),
                    pictures,
                    encoder.encode_frames(pictures),
                    decoded.duration_seconds,
                )
            )
    return found


def join(parts: list[Frames], name: str) -> Frames:
    """Parts one after the other."""
    starts = np.cumsum([0.0, *(part.duration_seconds for part in parts)])
    return Frames(
        name,
        np.concatenate([part.seconds + at for part, at in zip(parts, starts, strict=False)]),
        np.concatenate([part.pictures for part in parts]),
        FrameFeatures(
            np.concatenate([part.features.vectors for part in parts]),
            np.concatenate([part.features.tokens for part in parts]),
        ),
        float(starts[-1]),
    )


def add_film(store: LibraryStore, encoder: Encoder, film: Frames) -> Video:
    """Store a film as a video of the library; its file has one byte, and is never decoded."""
    cuts = cut_clips(
        film.seconds,
        film.signatures,
        film.features.vectors,
        duration_seconds=film.duration_seconds,
    )
    vectors = encoder.encode_clips(film.features, film.seconds, [cut.frames for cut in cuts])
    clips = [
        EncodedClip(
            cut.span, tuple(film.seconds[cut.frames].tolist()), vector, film.features[cut.frames]
        )
        for cut, vector in zip(cuts, vectors, strict=True)
    ]
    height, width = film.pictures.shape[1:3]
    path = store.folder / "films" / film.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"-")
    video = Video(
        id=0,
        path=path,
        content_hash=film.name.encode().hex().rjust(64, "0")[-64:],
        size_bytes=1,
        modified_ns=path.stat().st_mtime_ns,
        duration_seconds=film.duration_seconds,
        frame_rate=25.0,
        width=width,
        height=height,
        codec="h264",
    )
    stored = store.videos.add(video, clips, fingerprint=encoder.spec.fingerprint)
    return replace(video, id=stored.id)


def open_library(folder: Path, encoder: Encoder) -> LibraryStore:
    """A new library with the encoder."""
    store = LibraryStore.open(folder, create=True)
    with store.lease():
        store.encoders.register(encoder.spec)
        store.encoders.activate(encoder.spec.fingerprint)
    return store


def area_under_curve(scores: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    """Probability that a positive has the higher score than a negative; ties count half."""
    order = np.sort(scores[~is_positive])
    wanted = scores[is_positive]
    below = np.searchsorted(order, wanted, side="left")
    upto = np.searchsorted(order, wanted, side="right")
    return float((below + upto).mean() / 2 / len(order))
