"""Measure the hubness correction for a model that has no bank of its own.

python -m benchmarks.hubness [--data DIR] [--weights DIR] [--split test|dev]

The towers of the built-in model stand for a third-party model: its own bank is left out. Instead
the bank is the bundled queries, as with `vidseek calibrate --hubness`, or as many training captions
of the set, as with `--queries` and queries that suit the library. Measures recall of Flickr8k's
pictures and MSR-VTT's dev videos by their captions, with bootstrap intervals (95 %) of the paired
differences. Prints Markdown; ``--split dev`` uses Flickr8k's dev rows, on which weight and
neighbours were chosen.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import interval
from benchmarks.machine import DATA, processor_name, require_folder
from benchmarks.retrieval.pictures import encode
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.search.moments.calibration.queries import bundled_queries
from vidseek.search.moments.library_hubness import NEIGHBOURS, WEIGHT, bank_hubness
from vidseek.search.moments.rerank import RERANK_DEPTH
from vidseek.training.lab.pictures import read_rows
from vidseek.training.metrics import group_means, ranks

WEIGHTS = (0.25, 0.5)
NEIGHBOUR_COUNTS = (8, 16)
DEPTHS = (1, 5, 10)
CHOSEN = (WEIGHT, NEIGHBOURS)


@dataclass(frozen=True)
class Gallery:
    """Pictures or videos with their captions as queries."""

    title: str
    clips: NDArray[np.float32]
    """(N, D)."""
    queries: NDArray[np.float32]
    """(Q, D)."""
    truth: NDArray[np.intp]
    """(Q,) positions in ``clips``."""

    def ranks(self, corrections: NDArray[np.float32]) -> NDArray[np.intp]:
        """Ranks as in a search: only the first stage's best clips are corrected."""
        scores = self.queries @ self.clips.T
        best = np.argsort(-scores, axis=1)[:, :RERANK_DEPTH]
        again = np.take_along_axis(scores, best, 1) + corrections[best]
        # Corrected clips stay above the others.
        np.put_along_axis(scores, best, 10.0 + again, 1)
        return ranks(scores, self.truth)


def pictures(encoder: BuiltinEncoder, data: Path, split: str) -> Gallery:
    """Flickr8k, with five captions per picture."""
    found = encode(encoder, data, "flickr8k", split)
    pairs = [(place, text) for place, row in enumerate(found.rows) for text in row.captions]
    queries = encoder.encode_text([text for _, text in pairs])
    title = f"Flickr8k {split}, {len(found.rows)} pictures, {len(pairs)} captions"
    truth = np.array([place for place, _ in pairs])
    return Gallery(title, found.features.vectors, queries, truth)


def videos(encoder: BuiltinEncoder, data: Path) -> Gallery:
    """MSR-VTT's dev videos as means of their frames, as third-party models encode them."""
    found = encode(encoder, data, "msrvtt", "dev")
    clips, names = group_means(found.features.vectors, [str(row.group) for row in found.rows])
    caption = {str(row.group): row.captions[0] for row in found.rows}
    queries = encoder.encode_text([caption[name] for name in names])
    return Gallery(f"MSR-VTT dev, {len(names)} videos", clips, queries, np.arange(len(names)))


def training_captions(data: Path, name: str, most: int) -> list[str]:
    """Random captions of training rows: sentences of the same kind as the queries."""
    rows = [row for row in read_rows(data, name) if row.split == "train"]
    said = sorted({caption for row in rows for caption in row.captions})
    chosen = np.random.default_rng(0).permutation(len(said))[:most]
    return [said[place] for place in chosen]


def measure(gallery: Gallery, banks: dict[str, NDArray[np.float32]]) -> None:
    """Print the recall without the correction, and the gain with each bank."""
    before = gallery.ranks(np.zeros(len(gallery.clips), np.float32))
    print(f"\n| {gallery.title} | R@1 | R@5 | R@10 |\n| --- | --- | --- | --- |")
    print(f"| uncorrected | {_cells([before < k for k in DEPTHS], gallery.truth)} |")
    for name, bank in banks.items():
        for weight in WEIGHTS:
            for neighbours in NEIGHBOUR_COUNTS:
                hubness = bank_hubness(bank, gallery.clips, neighbours=neighbours, weight=weight)
                after = gallery.ranks(hubness.corrections(gallery.clips))
                gains = [(after < k).astype(np.float64) - (before < k) for k in DEPTHS]
                chosen = ", as `--hubness`" if (weight, neighbours) == CHOSEN else ""
                title = f"points gained: {name}, weight {weight:g}, {neighbours} neighbours{chosen}"
                print(f"| {title} | {_cells(gains, gallery.truth)} |", flush=True)


def _cells(values: list[NDArray[np.float64]], groups: NDArray[np.intp]) -> str:
    return " | ".join(interval(each.astype(np.float64), groups) for each in values)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hubness", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER)
    parser.add_argument("--split", choices=["test", "dev"], default="test")
    arguments = parser.parse_args()
    require_folder(parser, arguments.data)
    encoder = BuiltinEncoder(arguments.weights)
    asked = bundled_queries()
    print(
        f"# Hubness correction: {encoder.spec.source} {encoder.spec.revision}\n\n{processor_name()}"
    )
    galleries = {"flickr8k": pictures(encoder, arguments.data, arguments.split)}
    if arguments.split == "test":
        galleries["msrvtt"] = videos(encoder, arguments.data)
    for name, gallery in galleries.items():
        captions = training_captions(arguments.data, name, len(asked))
        banks = {"bundled queries": asked, "its training captions": captions}
        measure(gallery, {title: encoder.encode_text(bank) for title, bank in banks.items()})


if __name__ == "__main__":
    main()
