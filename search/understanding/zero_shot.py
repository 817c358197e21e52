"""Zero-shot classification: labels in words, compared with the stored vectors of clips.

classifier = ZeroShotClassifier(engine, ["a dog", "a beach"], job=Job())
confidences = classifier.confidences(clip_vectors)

As in CLIP (Radford et al., "Learning transferable visual models from natural language supervision",
2021), the vectors of several prompts are averaged for each label, and a softmax over the cosines
shares a clip among the labels. A softmax always names a label. So the share is multiplied by the
calibrated confidence that the clip shows its best label at all; the rest is "none of these".
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import QueryError
from vidseek.core.job import Job, Progress
from vidseek.core.types import SearchWarning
from vidseek.encoders.base import Encoder, MonolingualEncoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.outputs import text_vectors
from vidseek.encoders.platt_scaling import sigmoid
from vidseek.search.moments.engine import SearchEngine
from vidseek.search.moments.query import clean_text

PROMPTS = ("{}", "a video of {}", "a photo of {}", "someone films {}")
"""Sentences around a label, whose vectors are averaged."""
MAX_LABELS = 20_000
"""More labels are refused: no vocabulary is as large, but a file given by mistake may be."""
LABELS_PER_BATCH = 64
"""Labels encoded together, between two looks at the job."""
UNCALIBRATED_SCALE = 100.0
"""Inverse temperature of encoders without a calibration: the limit in the training of CLIP."""
SHARPNESS = 3.0
"""Inverse temperature of calibrated encoders, in units of the slope of their calibration. The
calibration tells a right clip from the best of a library, where scores are close together; labels
are further apart. For 300 photographs of 15 kinds of scenes, 48 % of which get their
own label, the mean confidence is 0.31 at 1, 0.44 at 2, 0.49 at 3 and 0.53 at 5."""

MAX_KEPT_LABELS = 4_096
"""Labels whose vectors are kept for the next call, for each encoder: six megabytes."""
_KEPT: WeakKeyDictionary[Encoder, dict[str, NDArray[np.float32]]] = WeakKeyDictionary()


class ZeroShotClassifier:
    """Labels, encoded once, that any number of clips are compared with."""

    def __init__(self, engine: SearchEngine, labels: Sequence[str], *, job: Job) -> None:
        """Encode the labels.

        Args:
            engine: the library's, for its encoder and calibration.
            labels: in plain words; duplicates, also those in other case, count once.
            job: reports progress and cancels.

        Raises:
            QueryError: no label, an empty label, or more than ``MAX_LABELS``.
            JobCancelledError: the job was cancelled.
        """
        self.labels = unique_labels(labels)
        """The labels without duplicates, as they were first written."""
        self._encoder = engine.encoder
        self.kept = engine.kept
        """The rows of the catalog that the engine's queries share."""
        current = engine.current_confidence()
        self._scale, self._bias = current.scale, current.bias
        self._hubness = current.hubness
        self._vectors = self._encode(job)

    @property
    def is_calibrated(self) -> bool:
        """Whether "none of these" can be told."""
        return self._scale is not None and self._bias is not None

    def warnings(self) -> list[SearchWarning]:
        """What a reader of the answers should know about the labels."""
        found = []
        encoder = self._encoder
        if isinstance(encoder, MonolingualEncoder):
            unread = [label for label in self.labels if not encoder.understands(label)]
            if unread:
                message = (
                    f"{encoder.spec.source} understands English only: {unread[0]!r} and "
                    f"{len(unread) - 1} more of {len(self.labels)} labels are in another script"
                    if len(unread) > 1
                    else f"{encoder.spec.source} understands English only: the label "
                    f"{unread[0]!r} is in another script"
                )
                found.append(SearchWarning("english_only", message))
        if not self.is_calibrated:
            message = (
                f"{encoder.spec.source} is not calibrated: every moment gets the nearest label, "
                "even if it shows none of them"
            )
            found.append(SearchWarning("uncalibrated", message))
        return found

    def confidences(
        self, vectors: NDArray[np.float32], clip_ids: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """How sure each label is for each clip.

        Args:
            vectors: (K, D) float32 of clips, L2-normalised.
            clip_ids: (K,) of clips of the library, whose hubness is then kept for later calls; None
                for other clips.

        Returns:
            (K, L) float64, 0 to 1, in the order of ``labels``; a row's sum is at most 1, and the
            rest is the confidence of "none of these".
        """
        scores = (vectors @ self._vectors.T).astype(np.float64)
        if self._hubness is not None:
            scores += self._corrections(self._hubness, vectors, clip_ids)[:, None]
        if self._scale is None or self._bias is None:
            return _softmax(UNCALIBRATED_SCALE * scores)
        shown = sigmoid(self._scale * scores.max(axis=1) + self._bias)
        return _softmax(SHARPNESS * self._scale * scores) * shown[:, None]

    def _corrections(
        self,
        hubness: HubnessCorrection,
        vectors: NDArray[np.float32],
        clip_ids: NDArray[np.int64] | None,
    ) -> NDArray[np.float32]:
        if clip_ids is None:
            return hubness.corrections(vectors)
        ids = clip_ids.tolist()
        row_of = {clip_id: row for row, clip_id in enumerate(ids)}
        return self.kept.now().corrections(
            hubness, ids, lambda unknown: vectors[[row_of[i] for i in unknown]]
        )

    def _encode(self, job: Job) -> NDArray[np.float32]:
        """(L, D) float32: for each label the normalised mean of its prompts' vectors."""
        kept = _KEPT.setdefault(self._encoder, {})
        known = {label: kept[label] for label in self.labels if label in kept}
        new = [label for label in self.labels if label not in known]
        for start in range(0, len(new), LABELS_PER_BATCH):
            job.check()
            chosen = new[start : start + LABELS_PER_BATCH]
            texts = [prompt.format(label) for label in chosen for prompt in PROMPTS]
            vectors = text_vectors(self._encoder, texts)
            means = vectors.reshape(len(chosen), len(PROMPTS), -1).mean(axis=1)
            lengths = np.linalg.norm(means, axis=1, keepdims=True)
            unit = (means / np.maximum(lengths, 1e-9)).astype(np.float32)
            known.update(zip(chosen, unit, strict=True))
            job.report(
                Progress(
                    stage="encoding labels",
                    done=start + len(chosen),
                    total=len(new),
                    unit="labels",
                )
            )
        if len(kept) + len(new) > MAX_KEPT_LABELS:
            kept.clear()
        if len(self.labels) <= MAX_KEPT_LABELS:
            kept.update(known)
        return np.stack([known[label] for label in self.labels])


def unique_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Cleaned labels without duplicates.

    Raises:
        QueryError: no label, an empty label, or more than ``MAX_LABELS``.
    """
    cleaned: dict[str, str] = {}
    for label in labels:
        text = clean_text(label, what="label").text
        cleaned.setdefault(text.casefold(), text)
    if not cleaned:
        raise QueryError("There is no label to look for.")
    if len(cleaned) > MAX_LABELS:
        raise QueryError(f"There are {len(cleaned):,} labels, the limit is {MAX_LABELS:,}.")
    return tuple(cleaned.values())


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares
