"""The second stage: the best candidates of a text query, scored again.

By the cross-modal head, where the encoder's is used, and by what is taken off the scores of hubs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidseek.search.moments.context import SearchContext

RERANK_DEPTH = 100
"""So many of the first stage's best are scored again. Published systems take 50 to 200."""


def rerank_depth(context: SearchContext, *, wanted: bool = True) -> int:
    """How many candidates of a text query are scored again; 0 if none."""
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
        context: where the clips are.
        text: what is looked for.
        clip_ids: K candidates.
        scores: (K,) of the first stage.
        unwanted: (D,) weighted vector of an unwanted text that the first stage took off; or None.

    Returns:
        (K,) scores of the second stage.
    """
    vectors = context.vectors(clip_ids)
    penalties = np.zeros(len(clip_ids), np.float32) if unwanted is None else vectors @ unwanted
    wanted = scores + penalties
    if context.encoder.reranks:
        wanted = context.encoder.rerank(text, context.features(clip_ids), wanted)
    if context.hubness is not None:
        wanted = wanted + context.hubness.corrections(vectors)
    reranked: NDArray[np.float32] = wanted - penalties
    return reranked
