"""Measure what the built-in encoder finds, through the product's own runtime.

python -m benchmarks.retrieval [--data ../shared/data] [--weights DIR] [--splits test]

Test rows by default: never trained on and never used to choose anything. Prints Markdown: recall of
text-to-image search on Flickr8k (the 1,000 test pictures, their 5,000 captions), recall on the
MSR-VTT dev videos, accuracy of naming classes, speed, with bootstrap intervals (95 %). For
choosing, ``--splits dev`` looks at the dev and valid rows instead.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.builtin import BuiltinEncoder
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.training.measures import group_means, mean_class_accuracy, ranks, recall
from vidseek.encoders.training.pictures import (
    PictureRow,
    class_caption,
    read_pictures,
    read_rows,
)
from vidseek.storage.types import FrameFeatures

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RERANK_DEPTH = 50
UNITS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
CLASS_SETS = {"caltech101": "test", "sports100": "valid", "scenes15": "test"}


@dataclass(frozen=True)
class Pictures:
    """Some rows of a set and what the encoder makes of them."""

    rows: list[PictureRow]
    features: FrameFeatures


def encode(encoder: BuiltinEncoder, data: Path, name: str, splits: set[str]) -> Pictures:
    """Encode the rows of some splits of a set."""
    rows = [row for row in read_rows(data, name) if row.split in splits]
    wanted = {row.index for row in rows}
    vectors, tokens = [], []
    for batch in _batches(data, name, wanted):
        squares = [squash(picture[None], encoder.spec.image_size) for picture in batch]
        features = encoder.encode_frames(np.concatenate(squares))
        vectors.append(features.vectors)
        tokens.append(features.tokens)
    return Pictures(rows, FrameFeatures(np.concatenate(vectors), np.concatenate(tokens)))


def _batches(data: Path, name: str, wanted: set[int]) -> Iterator[list[NDArray[np.uint8]]]:
    batch: list[NDArray[np.uint8]] = []
    for index, picture in enumerate(read_pictures(data, name)):
        if index in wanted:
            batch.append(picture)
        if len(batch) == 32:
            yield batch
            batch = []
    if batch:
        yield batch


def interval(values: NDArray[np.float64], *, samples: int = 1000) -> str:
    """Mean of per-query values in per cent, with its bootstrap interval."""
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (samples, len(values)))].mean(1) * 100
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean() * 100:.1f} ({low:.1f}-{high:.1f})"


def flickr8k(encoder: BuiltinEncoder, data: Path, splits: set[str]) -> None:
    """Text-to-image recall, first stage and re-ranked."""
    pictures = encode(encoder, data, "flickr8k", splits)
    pairs = [(place, text) for place, row in enumerate(pictures.rows) for text in row.captions]
    queries = encoder.encode_text([text for _, text in pairs])
    scores = queries @ pictures.features.vectors.T
    truth = np.array([place for place, _ in pairs])
    first = ranks(scores, truth)
    line(f"Flickr8k {_joined(splits)}, {len(pictures.rows)} pictures, {len(pairs)} captions", first)
    # One caption a picture: a head over 50 candidates for each of 5,000 captions takes too long.
    chosen = np.unique(truth, return_index=True)[1]
    pairs, scores, truth, first = (
        [pairs[i] for i in chosen],
        scores[chosen],
        truth[chosen],
        first[chosen],
    )
    line("the first caption of each", first)
    reranked = scores.copy()
    for row, (_, text) in enumerate(pairs):
        best = np.argsort(-scores[row])[:RERANK_DEPTH]
        clips = [pictures.features[place : place + 1] for place in best]
        head = encoder.cross_modal_scores(text, clips, scores[row, best])
        # What is re-ranked stays above what is not.
        reranked[row, best] = 10.0 + head
    second = ranks(reranked, truth)
    used = "used by default" if encoder.reranks else "not used by default"
    line(f"the same, top {RERANK_DEPTH} re-ranked ({used})", second)
    difference = (second < 1).astype(np.float64) - (first < 1)
    print(f"\nRe-ranking changes R@1 by {interval(difference)} points (paired).\n")


def msrvtt(encoder: BuiltinEncoder, data: Path) -> None:
    """Recall of the dev videos by their captions, as means and by temporal attention."""
    frames = encode(encoder, data, "msrvtt", {"dev"})
    groups = [str(row.group) for row in frames.rows]
    means, names = group_means(frames.features.vectors, groups)
    caption = {str(row.group): row.captions[0] for row in frames.rows}
    queries = encoder.encode_text([caption[name] for name in names])
    truth = np.arange(len(names))
    line(f"MSR-VTT dev, {len(names)} videos, mean of frames", ranks(queries @ means.T, truth))
    clips = np.concatenate(
        [_clip(encoder, frames.features, np.flatnonzero(np.array(groups) == n)) for n in names]
    )
    line("the same, temporal attention", ranks(queries @ clips.T, truth))


def _clip(
    encoder: BuiltinEncoder, features: FrameFeatures, places: NDArray[np.intp]
) -> NDArray[np.float32]:
    some = features[places]
    return encoder.encode_clips(some, 3.0 * np.arange(len(places)), [slice(0, len(places))])


def classes(encoder: BuiltinEncoder, data: Path, name: str, split: str) -> None:
    """Accuracy of naming a picture's class, "a photo of a CLASS" for the classes of the set."""
    pictures = encode(encoder, data, name, {split})
    labels = [str(row.label) for row in pictures.rows]
    known = sorted(set(labels))
    queries = encoder.encode_text([class_caption(label) for label in known])
    predicted = [known[place] for place in (pictures.features.vectors @ queries.T).argmax(1)]
    accuracy = mean_class_accuracy(predicted, labels)
    print(f"| {name} {split}, {len(labels)} pictures | {len(known)} | {accuracy:.1f} |")


def speed(encoder: BuiltinEncoder) -> None:
    """Frames a second, and milliseconds of a warm and of a first query."""
    side = encoder.spec.image_size
    frames = np.random.default_rng(0).integers(0, 256, (32, side, side, 3), np.uint8)
    best = min(_seconds(lambda: encoder.encode_frames(frames)) for _ in range(5))
    query = min(_seconds(lambda: encoder.encode_text(["a dog on the beach"])) for _ in range(20))
    cold = min(
        _seconds(lambda: BuiltinEncoder(encoder.folder).encode_text(["a dog"])) for _ in range(5)
    )
    print("\n| speed | |\n| --- | --- |")
    print(f"| frames a second, batch 32, {side} px | {32 / best:.0f} |")
    print(f"| warm text query | {query * 1e3:.1f} ms |")
    print(f"| loading the text part, first query included | {cold * 1e3:.0f} ms |")


def _seconds(action: object) -> float:
    assert callable(action)
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def line(title: str, rank: NDArray[np.intp]) -> None:
    """One row of the table of recall."""
    cells = " | ".join(interval((rank < k).astype(np.float64)) for k in (1, 5, 10))
    assert 0.0 <= recall(rank, 10) <= 100.0
    print(f"| {title} | {cells} |", flush=True)


def _joined(splits: set[str]) -> str:
    return "+".join(sorted(splits))


def processor() -> str:
    """The processor's name and how many of its cores may be used."""
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    fields = {row.split(":")[0].strip(): row.split(":")[1].strip() for row in rows if ":" in row}
    flags = fields.get("flags", "").split()
    units = [unit for unit in UNITS if unit in flags]
    return f"{fields.get('model name', '?')}, {os.cpu_count()} cores, {' '.join(units)}"


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER)
    parser.add_argument("--splits", choices=["test", "dev"], default="test")
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.exit(1, f"{arguments.data} is missing: these figures need the data folder\n")
    encoder = BuiltinEncoder(arguments.weights, threads=arguments.threads)
    spec = encoder.spec
    print(f"# Retrieval: {spec.name} {spec.revision} ({spec.fingerprint})\n\n{processor()}\n")
    print("| recall, per cent (95 % interval) | R@1 | R@5 | R@10 |\n| --- | --- | --- | --- |")
    msrvtt(encoder, arguments.data)
    flickr8k(encoder, arguments.data, {arguments.splits})
    print("| names of classes | classes | mean accuracy |\n| --- | --- | --- |")
    chosen = CLASS_SETS if arguments.splits == "test" else {"sports100": "valid"}
    for name, split in chosen.items():
        classes(encoder, arguments.data, name, split)
    speed(encoder)


if __name__ == "__main__":
    main()
