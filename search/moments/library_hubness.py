"""Hubness correction for a library whose model has none, with the bundled queries as the bank.

    hubness = library_hubness(context, bundled_queries())
    calibration = replace(calibration, hubness=hubness.to_bytes())

Third-party models have no bank from their training; the queries that calibrate a library serve
instead. It is opt-in (``CalibrationOptions.hubness``), as its benefit depends on model and library
(`python -m benchmarks.hubness`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import Hint, LibraryDamagedError
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.outputs import text_vectors

if TYPE_CHECKING:
    from vidseek.search.moments.context import SearchContext

NEIGHBOURS = 8
WEIGHT = 0.25
"""The smallest weight recommended for a bank that is not captions of the data: larger weights lost
more on Flickr8k's dev rows."""
USUAL_SAMPLE = 1_000
"""Clips sampled to find the usual similarity in a library."""


def library_hubness(context: SearchContext, sentences: Sequence[str]) -> HubnessCorrection:
    """Make the correction for the clips of a library.

    Args:
        context: the context of all clips.
        sentences: the bank.

    Returns:
        The correction as it is read back from the library, with its bank rounded.
    """
    ids = context.clip_ids()
    if len(ids) > USUAL_SAMPLE:
        ids = np.random.default_rng(0).choice(ids, USUAL_SAMPLE, replace=False)
    return bank_hubness(text_vectors(context.encoder, sentences), context.vectors(ids.tolist()))


def bank_hubness(
    bank: NDArray[np.float32],
    clips: NDArray[np.float32],
    *,
    neighbours: int = NEIGHBOURS,
    weight: float = WEIGHT,
) -> HubnessCorrection:
    """Make the correction of a bank.

    Args:
        bank: (B, D) L2-normalised sentence vectors.
        clips: (K, D) vectors of a sample of clips.
        neighbours: see ``HubnessCorrection``.
        weight: see ``HubnessCorrection``.
    """
    rounded = HubnessCorrection.from_bytes(
        HubnessCorrection(bank, neighbours, weight, usual=0.0).to_bytes()
    )
    usual = float(rounded.similarities(clips).mean())
    return replace(rounded, usual=usual)


def stored_hubness(blob: bytes, library: Path) -> HubnessCorrection:
    """Read the correction stored with a library's calibration.

    Raises:
        LibraryDamagedError: it cannot be read.
    """
    try:
        return _read(blob)
    except ValueError as error:
        raise LibraryDamagedError(
            f"{library}: the stored hubness correction is damaged ({error})",
            hint=Hint("calibrate_again"),
        ) from error


# Every query needs it, and parsing it takes longer than comparing the clips with it.
_read = lru_cache(maxsize=8)(HubnessCorrection.from_bytes)
