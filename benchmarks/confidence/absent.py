"""Share of sentences with a confident answer: captions, and things that no clip shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import vidseek
from benchmarks.confidence.pairs import RERANK_CANDIDATES, second_stage
from benchmarks.confidence.sources import Items, Sources
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.platt_scaling import (
    ABSENT_GALLERY,
    sigmoid,
)
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE

TARGET_UNANSWERED = 0.8
THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
ABSENT = tuple(
    line
    for line in Path(__file__).with_name("absent.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
"""Things that no clip shows."""
SHOWN = {
    "flickr8k": (
        "a surfer riding a wave",
        "a sumo wrestling match",
        "a camel caravan in the desert",
        "a skateboarder on a half pipe",
        "a cyclist climbing a mountain pass",
        "a sewing machine stitching denim",
    ),
    "msrvtt": (
        "a surfer riding a wave",
        "a sumo wrestling match",
        "a scuba diver beside a coral reef",
        "an octopus in an aquarium",
        "a monkey peeling a banana",
        "a chess tournament",
    ),
}
"""Those that a caption of the set's dev rows mentions, or nearly: they are not queried there."""
assert set(ABSENT) >= {thing for shown in SHOWN.values() for thing in shown}


def absent(sources: Sources) -> None:
    """Print the share of sentences with a confident answer, by threshold."""
    encoder = sources.encoder
    spec = encoder.spec
    if spec.confidence_scale is None or spec.confidence_bias is None:
        print("\nThe model is not calibrated: nothing is confident.")
        return
    with sources.clips() as library:
        columns = {
            "clips: captions": [_confidences(library, sources.clip_captions().values())],
            f"clips: {len(ABSENT)} absent things": [_confidences(library, ABSENT)],
        }
    for name, shown in SHOWN.items():
        items = sources.items(name, "dev")
        captions = [texts[0] for texts in items.captions]
        galleries = np.array_split(
            np.random.default_rng(0).permutation(len(captions)),
            max(1, len(captions) // ABSENT_GALLERY),
        )
        absent = [thing for thing in ABSENT if thing not in shown]
        for title, texts, own in (
            ("captions", captions, True),
            (f"{len(absent)} absent things", absent, False),
        ):
            best = np.concatenate(
                [
                    _best(encoder, items, [texts[i] for i in of] if own else texts, of)
                    for of in galleries
                ]
            )
            said = sigmoid(spec.confidence_scale * best + spec.confidence_bias)
            columns[f"{name} dev: {title}"] = [said]
    for title in ("captions", "absent things"):
        columns[f"mean of the dev sets: {title}"] = [
            said
            for name, sets in columns.items()
            if "dev" in name and title in name
            for said in sets
        ]
    print("\n## Answered with confidence, per cent of the queries\n")
    print("| threshold | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 1) + "|")
    for threshold in sorted({*THRESHOLDS, DEFAULT_MIN_CONFIDENCE}):
        cells = [f"{_answered(sets, threshold):.0%}" for sets in columns.values()]
        mark = " (the default)" if threshold == DEFAULT_MIN_CONFIDENCE else ""
        print(f"| {threshold:g}{mark} | " + " | ".join(cells) + " |")
    for name, sets in columns.items():
        if "absent" in name:
            enough = [one for one in THRESHOLDS if 1 - _answered(sets, one) >= TARGET_UNANSWERED]
            print(
                f"\n{name}: {TARGET_UNANSWERED:.0%} have no confident match from "
                f"{min(enough, default='no threshold')} on.",
                end="",
            )
    print(
        "\n\nFor Flickr8k and MSR-VTT only the captions were searched for these things.",
        flush=True,
    )


def _answered(sets: Sequence[NDArray[np.float64]], threshold: float) -> float:
    """Share of queries with at least that confidence; each set counts equally."""
    return float(np.mean([(said >= threshold).mean() for said in sets]))


def _confidences(library: vidseek.Library, texts: Iterable[str]) -> NDArray[np.float64]:
    best = [library.search(text, k=1)[0].confidence for text in texts]
    return np.array(best, np.float64)


def _best(
    encoder: BuiltinEncoder, items: Items, texts: list[str], gallery: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(len(texts),) best score of each text in a gallery."""
    scores = encoder.encode_text(texts) @ items.vectors[gallery].T
    order = np.argsort(-scores, axis=1)[:, :RERANK_CANDIDATES]
    rescore = second_stage(encoder, items, texts)
    final = rescore(gallery[order], np.take_along_axis(scores, order, 1))
    return final.max(1).astype(np.float64)
