"""Retrieval figures for captions as queries: ground truth, recall and mean reciprocal rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidseek.core.captions import CaptionedClip
from vidseek.training.metrics import mean_reciprocal_rank, ranks, recall


def caption_truth(
    clips: Sequence[CaptionedClip],
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The clip that each caption should find.

    Returns:
        (Q,) the clip of every caption, in clip order, and (Q, N) True where another clip has the
        same caption and so counts as neither right nor wrong.
    """
    captions = [[caption.casefold() for caption in clip.captions] for clip in clips]
    truth = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
    same = np.zeros((len(truth), len(captions)), np.bool_)
    for query, caption in enumerate(caption for texts in captions for caption in texts):
        for clip, texts in enumerate(captions):
            same[query, clip] = clip != truth[query] and caption in texts
    return truth, same


def retrieval_figures(scores: NDArray[np.float32], truth: NDArray[np.intp]) -> dict[str, float]:
    """Recall at 1, 5 and 10 and the mean reciprocal rank in per cent, of (Q, N) scores."""
    rank = ranks(scores, truth)
    figures = {f"recall_at_{k}": recall(rank, k) for k in (1, 5, 10)}
    figures["mean_reciprocal_rank"] = mean_reciprocal_rank(rank) * 100
    return figures


def overlap(a: CaptionedClip, b: CaptionedClip) -> bool:
    """True if both show the same moment of one video."""
    if a.path != b.path:
        return False
    return a.span is None or b.span is None or a.span.overlap(b.span) > 0
