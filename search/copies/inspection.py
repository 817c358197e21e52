"""A second, finer look at matches before they count as copies.

    inspector = MatchInspector()
    weight = inspector.weight(alignment, UploadPictures(upload, path), StoredPictures(store, video))

Films that share a layout (lectures of one template, recordings of a shell, takes in one studio)
match as copies do. So pictures of the same moments are compared in detail (`detail.py`): a few
pairs, of matches that score enough to count.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from functools import cache

from vidseek.search.copies.alignment.sequence import Alignment
from vidseek.search.copies.detail import Agreement, DetailComparison
from vidseek.search.copies.paired_pictures import StoredPictures, VideoPictures, pair_pictures
from vidseek.search.copies.scoring import THRESHOLDS

logger = logging.getLogger(__name__)

MIN_INSPECTED_SCORE = THRESHOLDS["loose"]
"""Matches that score less count at no threshold."""
MIN_SHARE, CLEAR_SHARE = 0.3, 0.4
"""Share of the changing cells that agree: below the first, the match is taken for another film of
the same look; from the second on, it keeps its score. Of 18 pairs of drawn films with one look,
none had more than 0.24. Of 110 edited copies of calibration sources one had less than 0.54 with a
slightly coarser comparison; now the twelve hardest have at least 0.46, and that one 0.16."""
MIN_WHOLE_SHARE, CLEAR_WHOLE_SHARE = 0.6, 0.75
"""The same of all cells, where what changes does not agree. In a still scene little changes, and
moments that are a second apart already differ in it; of the 18 pairs, none had more than 0.58."""
REFUTED_WEIGHT, STILL_WEIGHT = 0.4, 0.65
"""Factor for the score of a match that does not agree; and if all but what changes agrees, as in a
still scene, or in two takes in one studio."""
FOOTAGE_WEIGHT = 0.7
"""Minimum factor for the footage of a camera: other footage seldom looks the same, and in a copy
with jump cuts or pauses, whose moments are a second off, nothing agrees where much moves."""
MAX_REFUTED = 2
"""Matches with one video that are refuted before its others are taken to be so, too."""


class MatchInspector:
    """Looks at the matches of one video."""

    def __init__(self) -> None:
        self._details = DetailComparison()
        self._refuted: defaultdict[int, list[float]] = defaultdict(list)

    def weight(self, alignment: Alignment, ours: VideoPictures, theirs: StoredPictures) -> float:
        """Compare the details of a match.

        Args:
            alignment: the match.
            ours: pictures of the query.
            theirs: pictures of the library video.

        Returns:
            Factor for the match's score: 1 if the details agree, or if nothing can be compared.
        """
        if not _has_opencv():
            return 1.0
        refuted = self._refuted[theirs.video.id]
        if len(refuted) >= MAX_REFUTED:
            return max(refuted)
        weight = 0.0
        # Half a second apart, a scene in motion may disagree; then frames are decoded. That
        # helped one of 847 matches with copies of calibration videos, and none of the hopeless.
        for is_exact in (False, True):
            shown, stored = pair_pictures(alignment, ours, theirs, is_exact=is_exact)
            agreement = self._details.compare(shown, stored) if shown else None
            weight = max(weight, detail_weight(agreement))
            if weight == 1.0 or _is_hopeless(agreement):
                break
        if weight <= FOOTAGE_WEIGHT:
            refuted.append(weight)
        return weight


def _is_hopeless(agreement: Agreement | None) -> bool:
    """Whether frames of exactly the same moments would not agree either."""
    return (
        agreement is not None
        and agreement.changing is not None
        and agreement.changing < MIN_SHARE / 2
        and agreement.whole < MIN_WHOLE_SHARE
    )


def detail_weight(agreement: Agreement | None) -> float:
    """The factor for an agreement of details; None for too little to compare."""
    if agreement is None:
        return 1.0
    refuted = REFUTED_WEIGHT if agreement.is_drawn else FOOTAGE_WEIGHT
    if agreement.changing is None:
        clear = _between(agreement.whole, MIN_SHARE, CLEAR_SHARE)
        return refuted + (1 - refuted) * clear
    still = _between(agreement.whole, MIN_WHOLE_SHARE, CLEAR_WHOLE_SHARE)
    least = max(refuted, REFUTED_WEIGHT + (STILL_WEIGHT - REFUTED_WEIGHT) * still)
    return least + (1 - least) * _between(agreement.changing, MIN_SHARE, CLEAR_SHARE)


def _between(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on, linear between them."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


@cache
def _has_opencv() -> bool:
    """Whether OpenCV can be imported; logs the reason once if not."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        logger.warning(
            "OpenCV cannot be imported (%s): films that share a layout may be taken for copies",
            error,
        )
        return False
    return True
