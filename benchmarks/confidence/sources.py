"""The encoded data, cached between runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import vidseek
from benchmarks.retrieval.pictures import encode
from vidseek.core.types import FrameFeatures
from vidseek.encoders.builtin.encoder import BuiltinEncoder


@dataclass(frozen=True)
class Items:
    """Pictures or videos with captions, as one gallery."""

    name: str
    captions: list[list[str]]
    vectors: NDArray[np.float32]
    """(N, D)."""
    frames: list[FrameFeatures]
    """Frames of each item, for re-ranking; with tokens only if it is used."""


class Sources:
    """The encoded data; each set is encoded on first use."""

    def __init__(self, encoder: BuiltinEncoder, data: Path, cache: Path) -> None:
        self.encoder, self._data = encoder, data
        self._cache = cache / encoder.spec.fingerprint
        self._cache.mkdir(parents=True, exist_ok=True)
        self._items: dict[str, Items] = {}

    def items(self, name: str, split: str) -> Items:
        """Pictures of Flickr8k, or videos of MSR-VTT as clips of their frames."""
        title = f"{name} {split}"
        if title not in self._items:
            self._items[title] = self._read(title, self._encoded(name, split))
        return self._items[title]

    def _encoded(self, name: str, split: str) -> Path:
        file = self._cache / f"{name}-{split}.npz"
        if not file.exists():
            pictures = encode(self.encoder, self._data, name, split)
            unfinished = file.with_name(f"{file.stem}.unfinished.npz")
            np.savez(
                unfinished,
                vectors=pictures.features.vectors,
                tokens=pictures.features.tokens.astype(np.float16),
                captions=json.dumps([list(row.captions) for row in pictures.rows]),
                groups=[str(row.group) for row in pictures.rows],
            )
            unfinished.replace(file)
        return file

    def _read(self, title: str, file: Path) -> Items:
        with np.load(file) as kept:
            captions: list[list[str]] = json.loads(str(kept["captions"]))
            vectors: NDArray[np.float32] = kept["vectors"]
            tokens: NDArray[np.float32] = kept["tokens"].astype(np.float32)
            groups = kept["groups"].tolist()
        frames = FrameFeatures(vectors, tokens)
        if title.startswith("flickr8k"):
            rows = range(len(captions))
            return Items(title, captions, vectors, [frames[row : row + 1] for row in rows])
        of_group: dict[str, list[int]] = {}
        for row, group in enumerate(groups):
            of_group.setdefault(group, []).append(row)
        videos = [frames[np.array(rows)] for rows in of_group.values()]
        clips = [
            # The data has no times; frames are assumed 3 s apart.
            self.encoder.encode_clips(video, 3.0 * np.arange(len(video)), [slice(0, len(video))])
            for video in videos
        ]
        return Items(
            title,
            [captions[rows[0]][:1] for rows in of_group.values()],
            np.concatenate(clips),
            videos,
        )

    @contextmanager
    def clips(self) -> Iterator[vidseek.Library]:
        """A library of the real clips, made by indexing."""
        with vidseek.open(self._cache / "clips", encoder=self.encoder) as library:
            library.index([self._data / "videos" / "clips"])
            yield library

    def clip_captions(self) -> dict[str, str]:
        """File name to caption."""
        captions: dict[str, str] = json.loads(
            (self._data / "videos" / "captions.json").read_text(encoding="utf-8")
        )
        return captions
