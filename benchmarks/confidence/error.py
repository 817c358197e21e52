"""The calibration error on held-out pairs."""

from __future__ import annotations

from benchmarks.confidence.pairs import clip_pairs, gallery_pairs, measure
from benchmarks.confidence.sources import Sources
from vidseek.encoders.platt_scaling import (
    fit_confidence,
)

TARGET_ERROR = 0.05


def error(sources: Sources) -> None:
    """Print the calibration error on held-out pairs."""
    encoder = sources.encoder
    spec = encoder.spec
    dev = gallery_pairs(encoder, sources.items("flickr8k", "dev"), captions_each=1).joined(
        gallery_pairs(encoder, sources.items("msrvtt", "dev"), captions_each=1)
    )
    fits = {"fitted here to dev rows": fit_confidence(dev.matched, dev.mismatched)}
    if spec.confidence_scale is not None and spec.confidence_bias is not None:
        fits = {"manifest": (spec.confidence_scale, spec.confidence_bias), **fits}
    with sources.clips() as library:
        clips = clip_pairs(library, sources.clip_captions())
    test = gallery_pairs(encoder, sources.items("flickr8k", "test"), captions_each=5)
    print(
        f"\n## Expected calibration error (10 bins of equal mass; target at most {TARGET_ERROR})\n"
    )
    print("| calibration | held-out pairs | right + wrong | error | error by chance |")
    print("| --- | --- | --- | --- | --- |")
    for name, (scale, bias) in fits.items():
        for pairs in (test, clips, test.joined(clips)):
            found, by_chance = measure(pairs, scale, bias)
            counts = f"{len(pairs.matched):,} + {len(pairs.mismatched):,}"
            print(f"| {name} | {pairs.name} | {counts} | {found:.3f} | {by_chance:.3f} |")
    for name, (scale, bias) in fits.items():
        print(f"\n{name}: confidence_scale {scale:.4f}, confidence_bias {bias:.4f}", end="")
    print(flush=True)
