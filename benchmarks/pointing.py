"""Measure whether a word looks at what it names: collages of four labelled pictures.

python -m benchmarks.pointing [--data DIR] [--collages N] [--split test|dev]

Each collage shows pictures of four different classes, one in each quarter. The map of each class
name over the collage is computed as ``vidseek explain`` does, and counts as right if its highest
place lies in the quarter of its picture; by chance, a quarter of them do. ``test`` takes the test
rows of Caltech-101, which never trained the model; ``dev`` the valid rows of sports100, on which
the map was chosen. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.intervals import interval
from benchmarks.machine import DATA, processor_name, require_folder
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.search.understanding.explain import peak_of
from vidseek.training.lab.pictures import PictureRow, read_pictures, read_rows

SETS = {"test": ("caltech101", "test"), "dev": ("sports100", "valid")}
SIDE = 130
"""Pixels of a quarter: half of the model's picture."""


def draw_collages(rows: list[PictureRow], count: int) -> list[list[PictureRow]]:
    """Draw rows of four different classes for each collage, always the same."""
    rng = np.random.default_rng(0)
    by_label: dict[str, list[PictureRow]] = defaultdict(list)
    for row in rows:
        if row.label is not None:
            by_label[row.label].append(row)
    labels = sorted(by_label)
    collages = []
    for _ in range(count):
        chosen = rng.choice(len(labels), 4, replace=False)
        pools = [by_label[labels[place]] for place in chosen]
        collages.append([pool[int(rng.integers(len(pool)))] for pool in pools])
    return collages


def read_quarters(data: Path, name: str, wanted: set[int]) -> dict[int, NDArray[np.uint8]]:
    """The pictures of a set with these numbers, (SIDE, SIDE, 3) each."""
    quarters = {}
    for index, picture in enumerate(read_pictures(data, name)):
        if index in wanted:
            quarters[index] = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE)))
        if len(quarters) == len(wanted):
            break
    return quarters


def print_pointing(encoder: BuiltinEncoder, data: Path, split: str, count: int) -> None:
    """Print the share of class names that point at their quarter."""
    name, rows_split = SETS[split]
    rows = [row for row in read_rows(data, name) if row.split == rows_split]
    collages = draw_collages(rows, count)
    quarters = read_quarters(data, name, {row.index for each in collages for row in each})
    hits, groups = [], []
    for number, collage in enumerate(collages):
        first, second, third, fourth = (quarters[row.index] for row in collage)
        frame = np.vstack([np.hstack([first, second]), np.hstack([third, fourth])])
        cells = encoder.encode_cells(frame[None])
        assert cells is not None
        words = encoder.encode_text([str(row.label).replace("_", " ") for row in collage])
        for quarter, word in enumerate(words):
            x, y = peak_of(cells.vectors[0] @ word, cells.area)
            hits.append(float((x > 0.5) + 2 * (y > 0.5) == quarter))
            groups.append(number)
    print(f"| {name} {rows_split} | {count} | {len(hits)} | 25.0 ", end="")
    print(f"| {interval(np.array(hits), np.array(groups))} |")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--collages", type=int, default=100)
    parser.add_argument("--split", choices=tuple(SETS))
    options = parser.parse_args()
    require_folder(parser, options.data)
    print(f"## Pointing, on {processor_name()}\n")
    print("| pictures | collages | words | by chance, % | in the right quarter, % |")
    print("| --- | --- | --- | --- | --- |")
    encoder = BuiltinEncoder()
    for split in (options.split,) if options.split else tuple(SETS):
        print_pointing(encoder, options.data, split, options.collages)


if __name__ == "__main__":
    main()
