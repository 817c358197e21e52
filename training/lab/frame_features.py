"""Frames as the shipped encoder sees them, and the classes that the untouched stem finds in them.

    probe = Probe(Path("encoders/weights"), cache=Path(".cache/frames"), threads=1)
    frames = probe.pictures(data, "flickr8k", "dev")
    frames.vectors_with(names, weight=0.45)           # (N, 384)

Both are stored in the cache's folder, so that the weight of names can be chosen, and temporal
attention trained, without a second look at the pictures.
"""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vidseek.encoders.manifest import read_manifest
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.runtime import Session, visual_session
from vidseek.training.lab.pictures import PictureRow, read_pictures, read_rows
from vidseek.training.networks.class_names import TOP_CLASSES, ClassNames
from vidseek.training.networks.export import finish, trace
from vidseek.training.networks.restore import restore_vision
from vidseek.training.networks.stem import PICTURE_SIZE, load_imagenet_stem, normalise
from vidseek.training.networks.vision import Vision

logger = logging.getLogger(__name__)

BATCH = 4
LOG_EVERY_FRAMES = 1000
CLASSES = 1000


@dataclass(frozen=True)
class FrameBank:
    """N frames in the order of their set."""

    plain: NDArray[np.float32]
    """(N, D) vectors without names of classes, L2-normalised."""
    logits: NDArray[np.float32]
    """(N, 1000) of the untouched stem."""

    def names(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) the expected names of the frames; see ``ClassNames``.

        Args:
            vectors: (1000, D) of the classes' names.
        """
        exponents = np.exp(self.logits - self.logits.max(1, keepdims=True))
        probabilities = exponents / exponents.sum(1, keepdims=True)
        least = np.partition(probabilities, -TOP_CLASSES, axis=1)[:, -TOP_CLASSES, None]
        expected: NDArray[np.float32] = np.where(probabilities >= least, probabilities, 0) @ vectors
        return expected

    def vectors_with(self, vectors: NDArray[np.float32], *, weight: float) -> NDArray[np.float32]:
        """(N, D) frame vectors with the names of classes added, L2-normalised."""
        added = self.plain + np.float32(weight) * self.names(vectors)
        added /= np.linalg.norm(added, axis=1, keepdims=True)
        return added


class _Both(nn.Module):
    """Maps pictures to vectors without names, and to the logits of the untouched stem."""

    def __init__(self, vision: Vision, names: ClassNames) -> None:
        super().__init__()
        self.vision, self.classifier = vision, names

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.vision.stem.fine_map(normalise(pictures.permute(0, 3, 1, 2)))
        return self.vision(fine).vectors, self.classifier.logits(fine)


class Probe:
    """Encodes pictures with a folder's weights; keeps the results."""

    def __init__(self, weights: Path, *, cache: Path, threads: int) -> None:
        """Load nothing yet.

        Args:
            weights: a folder of the built-in format; names that it adds already are left out.
            cache: where results are kept, by the hash of the visual weights.
            threads: processor threads.
        """
        self._manifest, self._threads = read_manifest(weights), threads
        self._cache = cache / self._manifest.parts["vision"].sha256[:16]
        self._session: Session | None = None

    def pictures(
        self, data: Path, name: str, split: str, *, most: int | None = None
    ) -> tuple[list[PictureRow], FrameBank]:
        """The rows of a split and their frames; the first ``most`` rows if given."""
        rows = [row for row in read_rows(data, name) if row.split == split][:most]
        wanted = {row.index for row in rows}
        last = max(wanted)

        def chosen() -> Iterator[NDArray[np.uint8]]:
            for index, picture in enumerate(read_pictures(data, name)):
                if index in wanted:
                    yield picture
                if index == last:
                    return

        return rows, self.encode(f"{name}-{split}-{len(rows)}", chosen())

    def encode(self, key: str, pictures: Iterable[NDArray[np.uint8]]) -> FrameBank:
        """Encode (H, W, 3) RGB pictures, or read what an earlier call with the key kept."""
        file = self._cache / f"{key}.npz"
        if not file.exists():
            plain, logits = [], []
            for batch in _batches(pictures):
                both = self._run(batch)
                plain.append(both[0].astype(np.float32))
                logits.append(both[1].astype(np.float16))
                if len(plain) * BATCH % LOG_EVERY_FRAMES == 0:
                    logger.info("%s: %d frames", key, len(plain) * BATCH)
            file.parent.mkdir(parents=True, exist_ok=True)
            buffer = io.BytesIO()
            np.savez(buffer, plain=np.concatenate(plain), logits=np.concatenate(logits))
            file.write_bytes(buffer.getvalue())
        with np.load(file) as kept:
            vectors = kept["plain"] / np.linalg.norm(kept["plain"], axis=1, keepdims=True)
            return FrameBank(vectors, kept["logits"].astype(np.float32))

    def _run(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        if self._session is None:
            vision = restore_vision(self._manifest.read("vision"))
            vision.names = None
            vision.set_attn_implementation("eager")
            del vision.stem.classes
            names = ClassNames.from_stem(load_imagenet_stem(), torch.zeros(CLASSES, 1))
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "both.onnx"
                trace(
                    _Both(vision, names),
                    (torch.zeros(2, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.uint8),),
                    file,
                    inputs={"pictures": {0: "n"}},
                    outputs={"vectors": {0: "n"}, "logits": {0: "n"}},
                )
                finish(file, int8=True)  # as they ship
                self._session = visual_session(file.read_bytes(), threads=self._threads)
        return self._session.run(["vectors", "logits"], {"pictures": pictures})


def _batches(pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    batch: list[NDArray[np.uint8]] = []
    for picture in pictures:
        batch.append(squash(picture[None], PICTURE_SIZE)[0])
        if len(batch) == BATCH:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
