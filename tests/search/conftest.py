"""A library filled clip by clip, so that a test knows what every hit must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from palette_encoder import PaletteEncoder, solid

from vidseek.core.types import (
    EncodedClip,
    FrameBatch,
    SearchHit,
    SearchOptions,
    TimeSpan,
    Video,
    VideoFilter,
)
from vidseek.search import SearchEngine
from vidseek.storage.store import LibraryStore
from vidseek.video.thumbnail import encode_thumbnail

CLIP_SECONDS = 4.0


class Shelf:
    """A store, an encoder and an engine, and videos made of named colours."""

    def __init__(self, folder: Path, encoder: PaletteEncoder) -> None:
        self.folder = folder
        self.encoder = encoder
        self.store = LibraryStore.open(folder / "library", create=True)
        self.store.encoders.register(encoder.spec)
        self.store.encoders.activate(encoder.spec.fingerprint)
        self.engine = SearchEngine(self.store, encoder)

    def add(
        self,
        name: str,
        colours: Sequence[str | tuple[str, ...]],
        *,
        seconds: float = CLIP_SECONDS,
        thumbnails: bool = False,
        **fields: object,
    ) -> Video:
        """Store a video of one clip a colour; a tuple names the colour of each frame."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"not a video: {name}".encode())  # decoding it fails
        status = path.stat()
        video = Video(
            id=0,
            path=path,
            content_hash=f"{abs(hash(name)):064x}"[:64],
            size_bytes=status.st_size,
            modified_ns=status.st_mtime_ns,
            duration_seconds=seconds * len(colours),
            frame_rate=25.0,
            width=640,
            height=360,
            codec="h264",
        )
        video = replace(video, **fields)  # type: ignore[arg-type]
        clips = [
            self._clip(colour, index * seconds, seconds) for index, colour in enumerate(colours)
        ]
        with self.store.lease():
            stored = self.store.videos.add(video, clips, fingerprint=self.encoder.spec.fingerprint)
            if thumbnails:
                for clip in clips:
                    middle = clip.middle_frame_seconds
                    jpeg = encode_thumbnail(solid("grey")[0])
                    self.store.write_thumbnail(video.content_hash, middle, jpeg)
        return stored

    def search(
        self, text: str, *, k: int = 10, per_video: int | None = None, **options: Any
    ) -> list[SearchHit]:
        """The hits of a text query; ``where`` and other options as the engine takes them."""
        return list(self.engine.search(text, self._paging(options, k, per_video), **options))

    def similar(
        self, path: Path, *, k: int = 10, per_video: int | None = None, **options: Any
    ) -> list[SearchHit]:
        """The hits of a query by picture or video."""
        return list(self.engine.similar(path, self._paging(options, k, per_video), **options))

    @staticmethod
    def _paging(options: dict[str, Any], k: int, per_video: int | None) -> SearchOptions:
        where = options.pop("where", VideoFilter())
        copies = options.pop("copies", False)
        return SearchOptions(k=k, where=where, per_video=per_video, copies=copies)

    def _clip(self, colour: str | tuple[str, ...], start: float, seconds: float) -> EncodedClip:
        frames = [colour] * 4 if isinstance(colour, str) else list(colour)
        data = np.concatenate([solid(frame) for frame in frames])
        times = start + (np.arange(len(frames)) + 0.5) * seconds / len(frames)
        batch = FrameBatch(data, times)
        features = self.encoder.encode_frames(batch.data)
        (vector,) = self.encoder.encode_clips(features, batch.pts_seconds, [slice(0, len(batch))])
        return EncodedClip(
            TimeSpan(start, start + seconds), tuple(times.tolist()), vector, features
        )


@pytest.fixture
def make_shelf(tmp_path: Path) -> Iterator[Callable[[PaletteEncoder], Shelf]]:
    """Makes the shelf of an encoder."""
    shelves: list[Shelf] = []

    def make(encoder: PaletteEncoder) -> Shelf:
        shelves.append(Shelf(tmp_path, encoder))
        return shelves[-1]

    yield make
    for shelf in shelves:
        shelf.store.close()


@pytest.fixture
def shelf(make_shelf: Callable[[PaletteEncoder], Shelf]) -> Shelf:
    return make_shelf(PaletteEncoder())
