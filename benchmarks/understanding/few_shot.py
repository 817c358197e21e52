"""Labels of scenes from a few examples of each, against labels from words."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.base import Encoder
from vidseek.search.understanding.few_shot import Examples, train_label
from vidseek.search.understanding.training import label_probabilities

COUNTS = (20, 5, 1)
DRAWS = {20: 1, 5: 3, 1: 5}
"""How often examples are drawn; the accuracies are averaged."""
TEST_A_CLASS = 60


def print_few_shot(file: Path, encoder: Encoder) -> None:
    """Print the accuracy on test rows."""
    vectors, labels, is_train = _read(file, encoder)
    names = sorted(set(labels.tolist()))
    test = ~is_train
    words = encoder.encode_text([f"a photo of {name.replace('_', ' ')}" for name in names])
    zero = np.array(names)[(vectors[test] @ words.T).argmax(axis=1)] == labels[test]
    print(f"\n### Few-shot labels, {len(names)} scenes, {test.sum()} test pictures\n")
    print("| | accuracy |\n| --- | --- |")
    print(f"| words only | {100 * zero.mean():.1f} |")
    for count in COUNTS:
        random = np.random.default_rng(0)
        found = [
            _accuracy(vectors, labels, is_train, names, count, random) for _ in range(DRAWS[count])
        ]
        print(f"| {count} a class | {100 * np.mean(found):.1f} |", flush=True)


def _accuracy(
    vectors: NDArray[np.float32],
    labels: NDArray[np.str_],
    is_train: NDArray[np.bool_],
    names: list[str],
    count: int,
    random: np.random.Generator,
) -> float:
    rows = {
        name: random.permutation(np.flatnonzero(is_train & (labels == name)))[:count]
        for name in names
    }
    classifiers = []
    for name in names:
        shown = rows[name]
        others = np.concatenate([rows[other] for other in names if other != name])
        # Each picture is a source of its own.
        examples = (Examples(vectors[each], each.astype(np.int64)) for each in (shown, others))
        classifiers.append(train_label(name, *examples))
    best = label_probabilities(classifiers, vectors[~is_train]).argmax(axis=1)
    return float((np.array(names)[best] == labels[~is_train]).mean())


def _read(
    file: Path, encoder: Encoder
) -> tuple[NDArray[np.float32], NDArray[np.str_], NDArray[np.bool_]]:
    """Vectors, labels, and which rows may be learned from."""
    from PIL import Image
    from pyarrow import parquet

    rows = parquet.read_table(file, columns=["image", "label", "split"]).to_pylist()
    taken: dict[tuple[str, bool], int] = {}
    vectors, labels, is_train = [], [], []
    for place in np.random.default_rng(0).permutation(len(rows)).tolist():
        row = rows[place]
        key = row["label"], row["split"] == "train"
        if taken.get(key, 0) >= TEST_A_CLASS:
            continue
        taken[key] = taken.get(key, 0) + 1
        picture = np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB"))
        vectors.append(encoder.encode_frames(picture[None]).vectors[0])
        labels.append(row["label"])
        is_train.append(row["split"] == "train")
    return np.stack(vectors), np.array(labels), np.array(is_train)
