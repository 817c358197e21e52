"""Confidence of hits, and when to report "no confident match" instead of showing filler.

A score is comparable within one query only; ``confidence`` is the probability that the moment
matches, from a calibration. Programs get every hit with its confidence; a person is shown only the
hits of ``filter_confident``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from vidseek.core import arguments
from vidseek.core.types import Calibration, EncoderSpec, SearchHit

DEFAULT_MIN_CONFIDENCE = 0.3
"""Minimum confidence of the hits that a person is shown.

The smallest step of 0.05 at which four fifths of queries for absent things have no confident match,
as the mean over galleries of Flickr8k's dev rows (stills) and of MSR-VTT's (videos). On 132 real
clips 82 % of such queries have none then. `python -m benchmarks.confidence --only absent` prints
the table for the current weights.
"""


def confidence_of(score: float, spec: EncoderSpec) -> float | None:
    """Probability from 0 to 1 that a clip of this score matches its text.

    Args:
        score: of a text query against a clip.
        spec: the encoder's; None is returned where it is not calibrated.
    """
    if spec.confidence_scale is None or spec.confidence_bias is None:
        return None
    # Clipped: exp overflows beyond 709, and e-30 and e-31 make no difference.
    logit = min(max(spec.confidence_scale * score + spec.confidence_bias, -60.0), 60.0)
    return 1.0 / (1.0 + math.exp(-logit))


def is_usable(spec: EncoderSpec, calibration: Calibration) -> bool:
    """True if a library's calibration was fitted to the scores of this encoder.

    Another revision of the text part gives other scores under the same fingerprint.

    Args:
        spec: the encoder's.
        calibration: the library's calibration for the encoder's fingerprint.
    """
    # The fingerprint of a third-party model covers everything but its head.
    return calibration.head_hash == spec.head_hash and (
        spec.kind == "third-party" or calibration.encoder_revision == spec.revision
    )


def calibrated_spec(spec: EncoderSpec, calibration: Calibration | None) -> EncoderSpec:
    """The spec with a library's usable calibration in place of the encoder's own."""
    if calibration is None:
        return spec
    return replace(spec, confidence_scale=calibration.scale, confidence_bias=calibration.bias)


def filter_confident(
    hits: Sequence[SearchHit], *, threshold: float = DEFAULT_MIN_CONFIDENCE
) -> list[SearchHit]:
    """The hits worth showing to a person, in the same order.

    A hit without a confidence (uncalibrated encoder, or a query by picture or video) is kept, as
    nothing speaks against it. An empty list means that there is no confident match.
    """
    threshold = arguments.number(threshold, "threshold")
    return [hit for hit in hits if hit.confidence is None or hit.confidence >= threshold]
