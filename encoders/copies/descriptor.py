"""The copy descriptor: a small vector per frame that survives edits and ignores meaning.

    descriptor = CopyDescriptor()
    vectors = descriptor.describe(frames)              # (N, H, W, 3) uint8 RGB to (N, 128) float32
    surplus = vectors @ others.T - descriptor.noise(vectors)[:, None]

To the semantic model two beaches are similar, but neither is a copy of the other; an inverted,
mirrored thumbnail of a beach is a copy, but the semantic model does not recognise it. The
descriptor is a separate model with its own files: changing the semantic model does not affect it.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import WeightsError
from vidseek.core.paths import hash_file
from vidseek.core.processors import processor_count
from vidseek.encoders.manifest import WEIGHTS_FOLDER, weights_hint
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.runtime import Session, onnxruntime_session

NETWORK_FILE, BACKGROUND_FILE, MANIFEST_FILE = "copies.onnx", "copies-background.npy", "copies.json"
FORMAT = 1
FRAME_BATCH = 4
FLAT_DEVIATION = 5.0
"""Grey levels, of 255."""
NOISE_BATCH = 1024
STEPS = 127
"""Stored as int8: the value times this, rounded."""
NOISE_WEIGHT, NOISE_NEIGHBOURS = 0.7, 3
"""Of score normalisation: how much of the mean similarity to the nearest background vectors is
taken off. VSC 2022's baseline takes 1.2 of the nearest, its winner 1.5 of the ten nearest; chosen
on the calibration sources of `benchmarks/copies`."""


class CopyDescriptor:
    """The descriptor that ships with vidseek. Safe to use from several threads."""

    def __init__(self, folder: Path = WEIGHTS_FOLDER, *, threads: int | None = None) -> None:
        """Read the manifest; no weights yet.

        Args:
            folder: where the files lie.
            threads: processor threads to compute with; all cores if None.

        Raises:
            WeightsError: the folder contains no descriptor of this version.
        """
        self._folder = folder
        self._threads = threads or processor_count()
        self._lock = threading.Lock()
        self._session: Session | None = None
        path = folder / MANIFEST_FILE
        try:
            self._manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"{path}: cannot be read ({error})", hint=weights_hint(folder)
            ) from error
        if self._manifest.get("format") != FORMAT:
            raise WeightsError(
                f"{path}: belongs to another version of vidseek", hint=weights_hint(folder)
            )

    @property
    def dimension(self) -> int:
        """D: length of a vector."""
        return int(self._manifest["dimension"])

    @property
    def picture_size(self) -> int:
        """Side in pixels of the square picture that it sees."""
        return int(self._manifest["picture_size"])

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the network's hash; vectors of different networks are not comparable."""
        return str(self._manifest["files"][NETWORK_FILE])[:16]

    def load(self) -> None:
        """Read the weights now, not at the first frame.

        Raises:
            WeightsError: they are missing or damaged.
        """
        self._network()

    def describe(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Describe frames one by one.

        Args:
            frames: (N, H, W, 3) uint8 RGB, any size; N may be 0.

        Returns:
            (N, D) float32, L2-normalised.

        Raises:
            ValueError: the frames are something else.
            WeightsError: the weights are missing or damaged.
        """
        right = frames.ndim == 4 and frames.shape[3] == 3 and frames.dtype == np.uint8
        if not right or 0 in frames.shape[1:]:
            raise ValueError(f"frames must be (N, H, W, 3) uint8, got {frames.shape}")
        session = self._network()
        vectors = np.empty((len(frames), self.dimension), np.float32)

        def describe_some(start: int) -> None:
            squares = squash(frames[start : start + FRAME_BATCH], self.picture_size)
            (vectors[start : start + len(squares)],) = session.run(
                ["vectors"], {"pictures": squares}
            )

        # One thread per few frames: so small a network gains little from several threads per frame.
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(describe_some, range(0, len(frames), FRAME_BATCH)))
        return vectors

    def noise(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a frame's similarity to anything is worth nothing up to: score normalisation.

        A dark or empty frame is similar to many. Its mean similarity to the nearest of a background
        that nothing is a copy of is taken off all its similarities (Pizzi et al., CVPR 2022,
        section 5; VSC 2022).

        Args:
            vectors: (N, D).

        Returns:
            (N,) float32 to take off cosines.
        """
        mean = np.empty(len(vectors), np.float32)
        # In blocks: all similarities of a long video at once would take gigabytes.
        for start in range(0, len(vectors), NOISE_BATCH):
            some = slice(start, start + NOISE_BATCH)
            nearest = np.partition(vectors[some] @ self.background.T, -NOISE_NEIGHBOURS, axis=1)
            mean[some] = nearest[:, -NOISE_NEIGHBOURS:].mean(1)
        return np.float32(NOISE_WEIGHT) * mean

    @cached_property
    def background(self) -> NDArray[np.float32]:
        """(B, D) unit vectors of frames that nothing is a copy of."""
        steps = np.load(io.BytesIO(self._read(BACKGROUND_FILE)), allow_pickle=False)
        return unpacked(steps)

    def _network(self) -> Session:
        with self._lock:
            if self._session is None:
                # ONNX Runtime even if OpenVINO is installed: it loads sooner, and OpenVINO is no
                # faster for such a small network on one thread.
                self._session = onnxruntime_session(self._read(NETWORK_FILE), threads=1)
            return self._session

    def _read(self, file: str) -> bytes:
        path = self._folder / file
        try:
            blob = path.read_bytes()
        except OSError as error:
            raise WeightsError(
                f"{path}: cannot be read ({error.strerror})", hint=weights_hint(self._folder)
            ) from error
        if hashlib.sha256(blob).hexdigest() != self._manifest["files"][file]:
            raise WeightsError(
                f"{path}: is not the file that {MANIFEST_FILE} names",
                hint=weights_hint(self._folder),
            )
        return blob


def packed(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """(N, D) unit vectors as int8 for storage: a quarter of the bytes, cosine error < 0.01."""
    return np.clip(np.round(vectors * STEPS), -STEPS, STEPS).astype(np.int8)


def unpacked(steps: NDArray[np.int8]) -> NDArray[np.float32]:
    """(N, D) float32 unit vectors again."""
    vectors = steps.astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return vectors


def write_copy_manifest(folder: Path, *, dimension: int, picture_size: int) -> None:
    """Describe the descriptor's files in a folder."""
    files = {name: hash_file(folder / name) for name in (NETWORK_FILE, BACKGROUND_FILE)}
    table = {
        "format": FORMAT,
        "dimension": dimension,
        "picture_size": picture_size,
        "files": files,
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def is_flat(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(N,) True for frames of nearly a single colour (black, a fade), which match everything."""
    # Every fourth pixel of every fourth row is enough to tell a picture from a blank frame.
    grey = frames[:, ::4, ::4].astype(np.float32).mean(-1)
    flat: NDArray[np.bool_] = grey.std(axis=(1, 2)) < FLAT_DEVIATION
    return flat
