"""The built-in model's own maps: vectors of a frame's cells, and attention over a clip's frames.

    maps = BuiltinMaps(manifest, threads=2)
    cells = maps.cells(frames)                       # vectors (N, 9, 9, 384)

The model's heads read the mean of a map of 9 x 9 cells. Reading each cell by itself gives the
vector that the frame would have if every cell were like it, as class activation maps do for classes
(Zhou et al., CVPR 2016). The maps and the weights of the heads are tensors inside the shipped
networks, so nothing else is stored.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import WeightsError
from vidseek.core.types import CellFeatures, TimeAttention
from vidseek.encoders.builtin.inner_tensors import (
    Node,
    consumer,
    producer,
    read_nodes,
    with_outputs,
)
from vidseek.encoders.inputs import check_frames
from vidseek.encoders.manifest import Manifest
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.runtime import onnxruntime_session

HEAD_WEIGHTS = (
    "vision.head.0.weight",
    "vision.head.0.bias",
    "vision.head.3.weight",
    "vision.head.3.bias",
    "vision.shortcut.weight",
    "vision.shortcut.bias",
)
NAMES_WEIGHTS = (
    "vision.names.classes.weight",
    "vision.names.classes.bias",
    "vision.names.vectors",
)
WHOLE = (0.0, 0.0, 1.0, 1.0)
FRAME_BATCH = 4
TOP_CLASSES = 10
"""As in training: of the names of classes, only the most probable count."""

_erf = np.vectorize(math.erf, otypes=[np.float32])


class BuiltinMaps:
    """The maps of a model, loaded on first use. Safe to use from several threads."""

    def __init__(self, manifest: Manifest, *, threads: int) -> None:
        """Load nothing yet.

        Args:
            manifest: of the model.
            threads: processor threads to compute with.
        """
        self._manifest, self._threads = manifest, threads
        self._loaded: dict[str, Any] = {}
        self._lock = threading.Lock()

    def cells(self, frames: NDArray[np.uint8], *, names: bool = True) -> CellFeatures | None:
        """The cells of frames (N, H, W, 3) uint8 RGB, which are squashed to squares.

        Args:
            frames: N at least 1.
            names: False for the vectors without names of classes.

        Raises:
            WeightsError: the weights are missing or damaged.
        """
        check_frames(frames)
        side = self._manifest.spec.image_size

        def load(blob: bytes) -> FrameMaps:
            return FrameMaps(blob, threads=self._threads, names=names)

        maps: FrameMaps | None = self._part("vision", f"vision {names}", load)
        if maps is None:
            return None
        parts = [
            maps.cells(squash(frames[start : start + FRAME_BATCH], side))
            for start in range(0, len(frames), FRAME_BATCH)
        ]
        return CellFeatures(np.concatenate(parts), WHOLE)

    def attention(self, inputs: dict[str, NDArray[np.float32]]) -> TimeAttention | None:
        """Attention over time, for the inputs of the temporal part with one clip.

        Raises:
            WeightsError: the weights are missing or damaged.
        """

        def load(blob: bytes) -> TimeMaps:
            return TimeMaps(blob, threads=self._threads)

        maps: TimeMaps | None = self._part("temporal", "temporal", load)
        return None if maps is None else maps.attention(inputs)

    def _part(self, part: str, key: str, load: Callable[[bytes], Any]) -> Any:
        """What ``load`` makes of a part's file; None if the network is of another form."""
        with self._lock:
            if key not in self._loaded:
                blob = self._manifest.read(part)
                try:
                    self._loaded[key] = load(blob)
                except LookupError:
                    self._loaded[key] = None
                except Exception as error:  # ONNX Runtime's errors have no common base
                    file = self._manifest.folder / self._manifest.parts[part].file
                    raise WeightsError(f"{file}: cannot be loaded: {error}") from error
            return self._loaded[key]


class FrameMaps:
    """Vectors of the cells of frames. Safe to use from several threads."""

    def __init__(self, blob: bytes, *, threads: int, names: bool) -> None:
        """Load the visual network.

        Args:
            blob: bytes of the visual part.
            threads: processor threads to compute with.
            names: add the names of classes where the network has them, as the frame vectors do.

        Raises:
            LookupError: the network has no such map: it is of another form.
        """
        nodes = read_nodes(blob)
        self._names = names and any(NAMES_WEIGHTS[0] in node.inputs for node in nodes)
        self._maps = [_map_before(nodes, HEAD_WEIGHTS[0])]
        self._weight_names = list(HEAD_WEIGHTS)
        if self._names:
            self._maps.append(_map_before(nodes, NAMES_WEIGHTS[0]))
            self._weight_names += NAMES_WEIGHTS
        tapped = with_outputs(blob, [*self._maps, *self._weight_names])
        self._session = onnxruntime_session(tapped, threads=threads)
        self._weights: dict[str, NDArray[np.float32]] = {}

    def cells(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode the cells of pictures.

        Args:
            pictures: (N, side, side, 3) uint8 RGB.

        Returns:
            (N, rows, columns, D) float32, L2-normalised.
        """
        if not self._weights:
            names = self._weight_names
            arrays = self._session.run(names, {"pictures": pictures[:1]})
            self._weights = dict(zip(names, arrays, strict=True))
        maps = self._session.run(self._maps, {"pictures": pictures})
        maps = [found.transpose(0, 2, 3, 1) for found in maps]
        vectors = _unit(self._head(maps[0]))
        return _unit(vectors + self._class_names(maps[1])) if self._names else vectors

    def _head(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        weights = [self._weights[name] for name in HEAD_WEIGHTS]
        hidden = cells @ weights[0].T + weights[1]
        hidden = hidden * 0.5 * (1 + _erf(hidden / math.sqrt(2)))
        found: NDArray[np.float32] = hidden @ weights[2].T + weights[3]
        return found + cells @ weights[4].T + weights[5]

    def _class_names(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        weights, bias, vectors = (self._weights[name] for name in NAMES_WEIGHTS)
        logits = cells @ weights.T + bias
        shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        top = min(TOP_CLASSES, shares.shape[-1])
        least = np.partition(shares, -top, axis=-1)[..., -top, None]
        found: NDArray[np.float32] = np.where(shares >= least, shares, 0) @ vectors
        return found


class TimeMaps:
    """The weights of a clip's frames in attention over time. Safe to use from several threads."""

    def __init__(self, blob: bytes, *, threads: int) -> None:
        """Load the temporal network.

        Raises:
            LookupError: the network has no such tensors: it is of another form.
        """
        nodes = read_nodes(blob)
        softmaxes = [node for node in nodes if node.operation == "Softmax"]
        if not softmaxes:
            raise LookupError("attends to nothing")
        self._tensors = [softmaxes[-1].outputs[0], producer(nodes, "clips").inputs[0]]
        self._session = onnxruntime_session(with_outputs(blob, self._tensors), threads=threads)

    def attention(self, inputs: dict[str, Any]) -> TimeAttention:
        """The last layer's attention, for the inputs of the temporal part with one clip.

        Args:
            inputs: of one clip, without padding.
        """
        attention, sums = self._session.run(self._tensors, inputs)
        length = float(np.linalg.norm(sums[0]))
        tokens, frames = attention.shape[-1], inputs["vectors"].shape[1]
        if tokens == frames:
            # Before the clip had a token of its own, its vector was read from all frames alike.
            return TimeAttention(attention[0].mean(axis=1), length)
        return TimeAttention(attention[0, :, 0, tokens - frames :], length)


def _map_before(nodes: Sequence[Node], weights: str) -> str:
    """The map whose mean the layer with these weights reads."""
    mean = producer(nodes, consumer(nodes, weights).inputs[0])
    if mean.operation != "ReduceMean":
        raise LookupError(f"has no mean before {weights}")
    return mean.inputs[0]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return found
