"""Labels that a library learns from examples, and the clips of the library that have them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import Hint, TrainingError
from vidseek.core.job import Job, Progress
from vidseek.core.types import LabelExample, VideoFilter
from vidseek.encoders.platt_scaling import sigmoid
from vidseek.search.understanding.few_shot import Examples, train_label
from vidseek.storage.catalog.labels import LabelClassifier
from vidseek.storage.store import LibraryStore

_ALL = VideoFilter()
MIN_NEGATIVES = 20
"""With fewer clips known not to show a label, clips of the library without an example are added."""
BACKGROUND_CLIPS = 200
"""How many: a label that most of the library shows is rare."""
MIN_CONFIDENCE = 0.5
"""A clip has a label from this confidence on."""
CLIPS_AT_ONCE = 8_192
"""Clips classified together: a dozen megabytes."""


class LabelTrainer:
    """Reads the examples of a library once, and trains its labels."""

    def __init__(self, store: LibraryStore, fingerprint: str) -> None:
        """Read the examples.

        Args:
            store: the library; call this within one of its snapshots.
            fingerprint: of the encoder whose vectors are learned.
        """
        self._store = store
        self._fingerprint = fingerprint
        self._positive: dict[str, set[int]] = {}
        self._negative: dict[str, set[int]] = {}
        self._video_of: dict[int, int] = {}
        for example in store.labels.examples():
            chosen = self._positive if example.is_positive else self._negative
            chosen.setdefault(example.label, set()).update(self._clips_of(example))
        self._everything = store.clip_vectors.ids(_ALL, fingerprint)

    def train(self, label: str) -> LabelClassifier:
        """Train a label.

        Clips that show another label and not this one are counterexamples; where these are few,
        other clips of the library are, too.

        Raises:
            TrainingError: no example of it is left, a clip is an example of both kinds, or nothing
                in the library could be a counterexample.
            MissingExtraError: scikit-learn is not installed.
        """
        positive = self._positive.get(label, set())
        negative = self._negative.get(label, set())
        if not positive:
            raise TrainingError(
                f"the label {label!r} has no example in a searchable video",
                hint=Hint("add_label_examples_or_remove", {"label": label}),
            )
        self._refuse_contradiction(label, positive & negative)
        others = set().union(*self._positive.values()) - positive
        negative = negative | others
        if len(negative) < MIN_NEGATIVES:
            negative = negative | self._background(positive | negative)
        if not negative:
            raise TrainingError(
                f"every clip of the library is an example of {label!r}: there is nothing to tell "
                "it apart from",
                hint=Hint("index_more"),
            )
        return train_label(label, self._examples(positive), self._examples(negative))

    def _clips_of(self, example: LabelExample) -> list[int]:
        """The encoded clips that an example mostly covers, or else the clip that it is part of."""
        clips = self._store.videos.clips_within(example.video_id, example.span)
        covered = [
            clip
            for clip in clips
            if 2 * clip.span.overlap(example.span) >= clip.span.duration_seconds
        ]
        if not covered and clips:
            covered = [max(clips, key=lambda clip: clip.span.overlap(example.span))]
        ids, _ = self._store.clip_vectors.read_existing(
            np.array([clip.id for clip in covered], np.int64), self._fingerprint
        )
        encoded: list[int] = ids.tolist()
        self._video_of |= dict.fromkeys(encoded, example.video_id)
        return encoded

    def _background(self, known: set[int]) -> set[int]:
        """Clips of the library without an example, drawn at random, the same each time."""
        free = np.setdiff1d(self._everything, np.fromiter(known, np.int64, len(known)))
        count = min(BACKGROUND_CLIPS, len(free))
        drawn = np.random.default_rng(0).choice(free, count, replace=False).tolist()
        clips = self._store.videos.clips_by_id(drawn)
        self._video_of |= {clip_id: clip.video_id for clip_id, clip in clips.items()}
        return set(clips)

    def _examples(self, clip_ids: Iterable[int]) -> Examples:
        ids, vectors = self._store.clip_vectors.read_existing(
            np.array(sorted(clip_ids), np.int64), self._fingerprint
        )
        videos = np.array([self._video_of[clip_id] for clip_id in ids.tolist()], np.int64)
        return Examples(vectors, videos)

    def _refuse_contradiction(self, label: str, both: set[int]) -> None:
        if not both:
            return
        clip = self._store.videos.clips_by_id([min(both)])[min(both)]
        video = self._store.videos.get(clip.video_id)
        path = None if video is None else video.path
        raise TrainingError(
            f"{path} from {clip.span.start_seconds:.1f} to {clip.span.end_seconds:.1f} s is an "
            f"example of {label!r} and a counterexample",
            path=path,
            hint=Hint("remove_label_example", {"label": label}),
        )


def label_probabilities(
    classifiers: list[LabelClassifier], vectors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(K, D) clip vectors to (K, L) probabilities of labels."""
    weights = np.stack([each.weights for each in classifiers], axis=1)
    biases = np.array([each.bias for each in classifiers])
    return sigmoid(vectors.astype(np.float64) @ weights + biases)


def label_new_clips(
    store: LibraryStore, fingerprint: str, *, job: Job | None = None
) -> dict[str, int]:
    """Give labels to the clips that came since each label's classifier last saw the library.

    Args:
        store: the library.
        fingerprint: of an encoder; labels learned with another encoder are left alone.
        job: reports progress and cancels; what was stored until then stays.

    Returns:
        How many clips got each label.

    Raises:
        JobCancelledError: the job was cancelled.
    """
    job = job or Job()
    counts: dict[str, int] = {}
    for classifier in store.labels.classifiers(fingerprint):
        ids = store.labels.unclassified_clips(classifier.last_clip_id, fingerprint)
        counts[classifier.label] = 0
        for start in range(0, len(ids), CLIPS_AT_ONCE):
            job.check()
            chosen = ids[start : start + CLIPS_AT_ONCE]
            stored, vectors = store.clip_vectors.read_existing(chosen, fingerprint)
            confidences = label_probabilities([classifier], vectors)[:, 0]
            found = [
                (clip_id, confidence)
                for clip_id, confidence in zip(stored.tolist(), confidences.tolist(), strict=True)
                if confidence >= MIN_CONFIDENCE
            ]
            store.labels.label_clips(
                classifier.label, fingerprint, found, last_clip_id=int(chosen[-1])
            )
            counts[classifier.label] += len(found)
            done = start + len(chosen)
            job.report(Progress(stage="labelling clips", done=done, total=len(ids), unit="clips"))
    return counts
