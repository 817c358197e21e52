"""Classification of pictures by the names of their classes, and without ImageNet's names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrieval.pictures import encode
from vidseek.encoders.base import Encoder
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import read_manifest
from vidseek.training.lab.pictures import class_caption

CLASS_SETS = {"caltech101": "test", "sports100": "valid", "scenes15": "test"}
"""The rows of each set that were not trained on."""
DEV_CLASS_SETS = ("sports100",)
"""Sets for choosing."""


def classes(encoder: BuiltinEncoder, data: Path, sets: list[str], limit: int | None = None) -> None:
    """Print zero-shot accuracy with "a photo of a CLASS" for the classes of each set.

    Where the weights also compute the revision before, its accuracy on the same pictures and the
    paired difference are printed beside it.

    Args:
        encoder: the current revision.
        data: the data folder.
        sets: names from ``CLASS_SETS``.
        limit: most pictures of a set, evenly spaced; None for all.
    """
    nameless = _nameless(encoder)
    heads = [f"revision {encoder.spec.revision}, mean accuracy, per cent (95 % interval)"]
    if nameless is not None:
        heads += ["without ImageNet's names in the vectors", "difference, paired"]
    print(f"\n| names of classes | classes | {' | '.join(heads)} |")
    print(f"| --- | --- |{' --- |' * len(heads)}")
    for name in sets:
        labels, right = _judge(encoder, data, name, limit)
        cells = [class_interval(right, labels)]
        if nameless is not None:
            _, before = _judge(nameless, data, name, limit)
            cells += [class_interval(before, labels), class_interval(right - before, labels)]
        title = f"{name} {CLASS_SETS[name]}, {len(labels)} pictures"
        print(f"| {title} | {len(np.unique(labels))} | {' | '.join(cells)} |", flush=True)


def _nameless(encoder: BuiltinEncoder) -> Encoder | None:
    for revision in read_manifest(encoder.folder).earlier:
        if not revision.has_names:
            return encoder.earlier(revision.spec.fingerprint)
    return None


def _judge(
    encoder: Encoder, data: Path, name: str, limit: int | None
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """(N,) labels, and (N,) 1 where the encoder names the right class, else 0."""
    pictures = encode(encoder, data, name, CLASS_SETS[name], limit)
    labels = np.array([str(row.label) for row in pictures.rows])
    known = np.unique(labels)
    queries = encoder.encode_text([class_caption(label) for label in known.tolist()])
    predicted = known[(pictures.features.vectors @ queries.T).argmax(1)]
    return labels, (predicted == labels).astype(np.float64)


def class_interval(values: NDArray[np.float64], labels: NDArray[np.str_]) -> str:
    """Mean over classes, with an interval from resampling the pictures of each class."""
    random = np.random.default_rng(0)
    drawn = []
    for label in np.unique(labels):
        of_class = values[labels == label]
        drawn.append(of_class[random.integers(0, len(of_class), (1000, len(of_class)))].mean(1))
    mean = np.mean([values[labels == label].mean() for label in np.unique(labels)]) * 100
    low, high = np.percentile(np.mean(drawn, axis=0) * 100, [2.5, 97.5])
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"
