"""Scores of right and wrong answers, and their calibration error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import vidseek
from benchmarks.confidence.sources import Items
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.platt_scaling import (
    ABSENT_GALLERY,
    balanced_weights,
    calibration_error,
    chance_error,
    gallery_scores,
    sigmoid,
)

RERANK_CANDIDATES = 50


@dataclass(frozen=True)
class Pairs:
    """Scores of right and of wrong answers."""

    name: str
    matched: NDArray[np.float64]
    mismatched: NDArray[np.float64]

    def joined(self, other: Pairs) -> Pairs:
        """Both together."""
        return Pairs(
            f"{self.name} and {other.name}",
            np.concatenate([self.matched, other.matched]),
            np.concatenate([self.mismatched, other.mismatched]),
        )


def gallery_pairs(
    encoder: BuiltinEncoder, items: Items, *, captions_each: int, size: int = ABSENT_GALLERY
) -> Pairs:
    """Best right and wrong answers in galleries of a given size, as training fits them."""
    asked = [
        (text, place)
        for place, texts in enumerate(items.captions)
        for text in texts[:captions_each]
    ]
    texts = [text for text, _ in asked]
    scores = encoder.encode_text(texts) @ items.vectors.T
    matched, mismatched = gallery_scores(
        scores,
        np.array([place for _, place in asked]),
        size=size,
        depth=RERANK_CANDIDATES,
        rescore=second_stage(encoder, items, texts),
        random=np.random.default_rng(0),
    )
    return Pairs(items.name, matched.astype(np.float64), mismatched.astype(np.float64))


def second_stage(
    encoder: BuiltinEncoder, items: Items, texts: Sequence[str]
) -> Callable[[NDArray[np.intp], NDArray[np.float32]], NDArray[np.float32]]:
    """A function from (Q, K) items and their scores to the final scores of a search."""
    hubness = encoder.hubness
    corrections = None if hubness is None else hubness.corrections(items.vectors)

    def rescore(chosen: NDArray[np.intp], scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if encoder.reranks:
            rows = zip(texts, chosen, scores, strict=True)
            scores = np.stack(
                [encoder.rerank(text, [items.frames[i] for i in of], one) for text, of, one in rows]
            )
        return scores if corrections is None else scores + corrections[chosen]

    return rescore


def clip_pairs(library: vidseek.Library, captions: dict[str, str]) -> Pairs:
    """Best right and wrong answers with the whole library as gallery; each caption counts once.

    Every clip with the same caption is right.
    """
    said: dict[str, set[str]] = {}
    for name, caption in captions.items():
        said.setdefault(caption, set()).add(name)
    matched, mismatched = [], []
    for caption, names in said.items():
        hits = library.search(caption, k=len(captions) * 2, per_video=1)
        wrong = next(hit.score for hit in hits if hit.video.path.name not in names)
        mismatched.append(wrong)
        if hits[0].video.path.name in names:
            matched.append(hits[0].score)
    return Pairs(f"{len(said)} captions of clips", np.array(matched), np.array(mismatched))


def measure(pairs: Pairs, scale: float, bias: float) -> tuple[float, float]:
    """Calibration error on pairs, right and wrong weighted equally, and its value by chance."""
    scores = np.concatenate([pairs.matched, pairs.mismatched])
    is_match = np.arange(len(scores)) < len(pairs.matched)
    weights = balanced_weights(is_match)
    said = sigmoid(scale * scores + bias)
    return (
        calibration_error(said, is_match, weights=weights),
        chance_error(said, weights=weights),
    )
