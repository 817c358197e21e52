"""Second stage of a text query: the best candidates are scored again.

It applies the cross-modal head, if the encoder's head is used, and the hubness correction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidseek.search.moments.context import SearchContext

RERANK_DEPTH = 100
"""Candidates of the first stage that are scored again. Published systems take 50 to 200."""


def rerank_depth(context: SearchContext, *, wanted: bool = True) -> int:
    """Number of candidates of a text query that are scored again; 0 without a second stage."""
    used = context.encoder.reranks or context.hubness is not None
    return RERANK_DEPTH if wanted and used else 0


def rerank(
    context: SearchContext,
    text: str,
    clip_ids: Sequence[int],
    scores: NDArray[np.float32],
    unwanted: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Score candidates again.

    Args:
        context: the context of the query.
        text: the query.
        clip_ids: K candidates.
        scores: (K,) scores of the first stage.
        unwanted: (D,) weighted vector of the unwanted text, subtracted by the first stage; or None.

    Returns:
        (K,) scores of the second stage.
    """
    penalties = np.zeros(len(clip_ids), np.float32)
    if unwanted is not None:
        penalties = context.vectors(clip_ids) @ unwanted
    wanted = scores + penalties
    if context.encoder.reranks:
        wanted = context.encoder.rerank(text, context.features(clip_ids), wanted)
    corrections = context.hubness_corrections(clip_ids)
    if corrections is not None:
        wanted = wanted + corrections
    reranked: NDArray[np.float32] = wanted - penalties
    return reranked
