"""A trained head for a third-party model: it weighs a clip's frames by the query (X-Pool).

    encoder = create_attending_encoder("my-head", create_hub_encoder)

X-Pool (Gorti et al., CVPR 2022) lets a sentence attend over the vectors of a clip's frames and
compares it with the attended vector instead of with their mean. `vidseek train --from hf:...`
trains it on frozen towers and writes two files, without the model itself: facts about the head, and
its weights. Vectors and fingerprint are the model's own, so a library that was indexed with the
model can be searched with the head at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import EncoderError, WeightsError
from vidseek.core.paths import absolute_path
from vidseek.core.types import CellFeatures, EncoderSpec, FrameFeatures
from vidseek.encoders.base import CellEncoder, Encoder, LimitedTextEncoder
from vidseek.encoders.hub.file_names import HEAD_FACTS
from vidseek.encoders.hubness import HubnessCorrection

WEIGHTS = "xpool.safetensors"
FORMAT = 1
NORM_EPSILON = 1e-6
"""Frame vectors have length 1, so their elements are small: torch's 1e-5 would distort them."""
LINEAR = ("query", "key", "value", "out", "project")
NORMS = ("input_norm", "attended_norm", "output_norm")
SHARE = 0.5
"""Of the head's score in the result; the rest is the first stage's."""


@dataclass(frozen=True)
class HeadFacts:
    """The model that a head was trained on, and the calibration of its scores."""

    base: str
    """Source of the model for ``create_encoder``; may be edited after moving the model."""
    fingerprint: str
    """Of the model's vectors."""
    dimension: int
    """D."""
    scale: float
    offset: float
    """``scale * score + offset`` is on the level of the first stage's scores."""
    sha256: str
    """Of the file of weights."""


class XPoolHead:
    """The head, in numpy."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], *, dimension: int) -> None:
        """Take ``LINEAR`` matrices (D, D) and ``NORMS``, each with ``.weight`` and ``.bias``.

        Raises:
            ValueError: a tensor is missing or has another shape.
        """
        for name in (*LINEAR, *NORMS):
            square = (dimension, dimension) if name in LINEAR else (dimension,)
            for part, shape in (("weight", square), ("bias", (dimension,))):
                found = weights.get(f"{name}.{part}")
                if found is None or found.shape != shape:
                    got = "nothing" if found is None else found.shape
                    raise ValueError(f"{name}.{part} should be {shape}, got {got}")
        self._weights = {name: np.asarray(each, np.float32) for name, each in weights.items()}
        self._dimension = dimension

    def scores(
        self, text: NDArray[np.float32], clips: Sequence[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Cosine of a sentence with the vector that it attends to in each clip.

        All clips are one matrix: what the sentence looks for is multiplied with the keys' matrix
        once, and the values' matrix sees each clip's weighted mean, not its frames.

        Args:
            text: (D,) L2-normalised.
            clips: K arrays (F, D) of frame vectors, each of at least one frame.

        Returns:
            (K,) from -1 to 1.
        """
        frames = self._norm("input_norm", np.concatenate(clips))
        lengths = [len(clip) for clip in clips]
        starts = np.cumsum([0, *lengths[:-1]])
        query = self._linear("query", self._norm("input_norm", text))
        # The keys' bias adds the same to every frame, which a softmax cancels.
        wanted = query @ self._weights["key.weight"] / np.float32(self._dimension**0.5)
        logits = frames @ wanted
        weights = np.exp(logits - np.repeat(np.maximum.reduceat(logits, starts), lengths))
        weights /= np.repeat(np.add.reduceat(weights, starts), lengths)
        means = np.add.reduceat(frames * weights[:, None], starts, axis=0)
        found = self._norm("attended_norm", self._linear("out", self._linear("value", means)))
        found = self._norm("output_norm", found + self._linear("project", found))
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        scores: NDArray[np.float32] = found @ text
        return scores

    def _linear(self, name: str, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        product: NDArray[np.float32] = vectors @ self._weights[f"{name}.weight"].T
        return product + self._weights[f"{name}.bias"]

    def _norm(self, name: str, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = vectors - vectors.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(NORM_EPSILON))
        normed: NDArray[np.float32] = centred / spread * self._weights[f"{name}.weight"]
        return normed + self._weights[f"{name}.bias"]


def blended(
    head: NDArray[np.float32],
    first_stage_scores: NDArray[np.float32],
    *,
    scale: float,
    offset: float,
) -> NDArray[np.float32]:
    """(K,) scores of a search: half the head's, brought to their level, half the first stage's."""
    level = np.float32(scale) * head + np.float32(offset)
    result: NDArray[np.float32] = (1 - SHARE) * first_stage_scores + SHARE * level
    return result.astype(np.float32)


class AttendingEncoder:
    """A third-party model with a head: the model's vectors, but re-ranked hits."""

    reranks = True
    hubness: HubnessCorrection | None = None

    def __init__(self, base: Encoder, head: XPoolHead, facts: HeadFacts, *, folder: Path) -> None:
        """Use ``create_attending_encoder``."""
        self._base, self._head, self._facts = base, head, facts
        self.spec: EncoderSpec = replace(
            base.spec,
            source=str(folder),
            revision="",
            head_hash=facts.sha256,
            confidence_scale=None,
            confidence_bias=None,
        )

    def load(self) -> None:
        """See ``Encoder``; the model's own."""
        self._base.load()

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """See ``Encoder``; the model's own."""
        return self._base.encode_frames(frames)

    def encode_cells(self, frames: NDArray[np.uint8]) -> CellFeatures | None:
        """See ``CellEncoder``; the model's own."""
        return self._base.encode_cells(frames) if isinstance(self._base, CellEncoder) else None

    def encode_clips(
        self,
        frames: FrameFeatures,
        pts_seconds: NDArray[np.float64],
        clips: Sequence[slice],
    ) -> NDArray[np.float32]:
        """See ``Encoder``; the model's own."""
        return self._base.encode_clips(frames, pts_seconds, clips)

    def reads_whole(self, text: str) -> bool:
        """See ``LimitedTextEncoder``."""
        base = self._base
        return not isinstance(base, LimitedTextEncoder) or base.reads_whole(text)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Encoder``; the model's own."""
        return self._base.encode_text(texts)

    def rerank(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Score candidate clips by the sentence's attention over their frames.

        Args:
            text: the query.
            clips: K candidates' stored frame features.
            first_stage_scores: (K,) float32, cosine of clip and text vector; part of the result.

        Returns:
            (K,) float32 scores on the scale of ``first_stage_scores``.
        """
        first = np.asarray(first_stage_scores, np.float32)
        if len(clips) == 0:
            return first.copy()
        found = self._head.scores(self.encode_text([text])[0], [clip.vectors for clip in clips])
        return blended(found, first, scale=self._facts.scale, offset=self._facts.offset)


def write_head(
    folder: Path,
    weights: Mapping[str, NDArray[np.float32]],
    *,
    base: EncoderSpec,
    scale: float,
    offset: float,
) -> HeadFacts:
    """Write a head; the folder is valid once the last file, the facts, exists.

    Args:
        folder: exists.
        weights: see ``XPoolHead``.
        base: spec of the model that it was trained on.
        scale: see ``HeadFacts``.
        offset: see ``HeadFacts``.
    """
    from safetensors.numpy import save

    blob = save({name: np.ascontiguousarray(each, np.float32) for name, each in weights.items()})
    facts = HeadFacts(
        base=base.source,
        fingerprint=base.fingerprint,
        dimension=base.dimension,
        scale=scale,
        offset=offset,
        sha256=hashlib.sha256(blob).hexdigest(),
    )
    (folder / WEIGHTS).write_bytes(blob)
    partial = folder / f"{HEAD_FACTS}.partial"
    partial.write_text(json.dumps({"format": FORMAT, **asdict(facts)}, indent=2) + "\n", "utf-8")
    partial.replace(folder / HEAD_FACTS)
    return facts


def read_head(folder: Path) -> tuple[XPoolHead, HeadFacts]:
    """Read a head written by ``write_head``.

    Raises:
        WeightsError: a file is missing, damaged, or from another version.
    """
    facts = _read_facts(folder / HEAD_FACTS)
    path = folder / WEIGHTS
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        blob = path.read_bytes()
        found = hashlib.sha256(blob).hexdigest()
        if found != facts.sha256:
            raise ValueError(
                f"its SHA-256 is {found[:16]}..., {HEAD_FACTS} says {facts.sha256[:16]}..."
            )
        return XPoolHead(load(blob), dimension=facts.dimension), facts
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(
            f"{path}: is not the head that was trained ({error}): copy the whole folder again, or "
            "train it again"
        ) from error


def _read_facts(path: Path) -> HeadFacts:
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if table.pop("format") != FORMAT:
            raise ValueError(f"this vidseek reads format {FORMAT}: upgrade it")
        return HeadFacts(**table)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{path}: cannot be read ({error}): copy the folder again, or train the head again"
        ) from error


def create_attending_encoder(folder: Path, create: Callable[[str], Encoder]) -> AttendingEncoder:
    """Make an encoder from a head's folder and the model that the head was trained on.

    Args:
        folder: written by ``write_head``.
        create: loads a model by name.

    Raises:
        WeightsError: the head is damaged.
        EncoderError: the model is missing, or its weights changed.
    """
    folder = absolute_path(folder)
    head, facts = read_head(folder)
    where = f'or write its new path as "base" into {folder / HEAD_FACTS}'
    try:
        base = create(facts.base)
    except EncoderError as error:
        raise type(error)(
            f"{folder} contains a head for the model {facts.base}, which cannot be used: {error} "
            f"(put the model back, {where})"
        ) from error
    if base.spec.fingerprint != facts.fingerprint:
        raise EncoderError(
            f"{folder} contains a head that was trained on other weights of {facts.base} "
            f"({facts.fingerprint}, now {base.spec.fingerprint}): restore those weights, {where}, "
            "or train a head on the current weights"
        )
    return AttendingEncoder(base, head, facts, folder=folder)
