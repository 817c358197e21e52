"""How sure a hit is, and when to say "no confident match" instead of showing filler.

A score is comparable within one query only; ``confidence`` is the probability that the moment
matches, by the encoder's own calibration. Programs get every hit with its confidence; a person is
shown only those of ``filter_confident``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from vidseek.core.types import Calibration, EncoderSpec, SearchHit

DEFAULT_MIN_CONFIDENCE = 0.3
"""A person is shown hits from this confidence on.

The least step of 0.05 at which four fifths of absent things have no confident match, as the mean of
galleries of Flickr8k's dev rows (stills) and of MSR-VTT's (videos). On 132 real clips 82 % of such
things have none then. `python -m benchmarks.confidence --only absent` prints the table, for
whatever weights there are.
"""


def confidence_of(score: float, spec: EncoderSpec) -> float | None:
    """Probability from 0 to 1 that a clip of this score matches its text.

    Args:
        score: of a text query against a clip.
        spec: the encoder's; None is returned where it is not calibrated.
    """
    if spec.confidence_scale is None or spec.confidence_bias is None:
        return None
    # Clipped, because exp overflows beyond 709 and nobody tells e-30 from e-31.
    logit = min(max(spec.confidence_scale * score + spec.confidence_bias, -60.0), 60.0)
    return 1.0 / (1.0 + math.exp(-logit))


def is_usable(spec: EncoderSpec, calibration: Calibration) -> bool:
    """True if a library's own calibration was fitted to the scores that this encoder gives.

    With another revision of the text part, scores were others, and the fingerprint does not tell.

    Args:
        spec: the encoder's.
        calibration: what the library has stored for its fingerprint.
    """
    # The fingerprint of a third-party model covers everything but its head.
    return calibration.head_hash == spec.head_hash and (
        spec.kind == "third-party" or calibration.encoder_revision == spec.revision
    )


def calibrated_spec(spec: EncoderSpec, calibration: Calibration | None) -> EncoderSpec:
    """The spec with a library's own calibration, a usable one, in place of the encoder's."""
    if calibration is None:
        return spec
    return replace(spec, confidence_scale=calibration.scale, confidence_bias=calibration.bias)


def filter_confident(
    hits: Sequence[SearchHit], *, threshold: float = DEFAULT_MIN_CONFIDENCE
) -> list[SearchHit]:
    """The hits that are worth showing to a person, in the same order.

    A hit without a confidence (uncalibrated encoder, or a query by picture or video) is kept:
    nothing is known against it. An empty answer means: no confident match.
    """
    return [hit for hit in hits if hit.confidence is None or hit.confidence >= threshold]
