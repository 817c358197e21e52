"""Measure many text queries at once against one after the other.

python -m benchmarks.batch_search [--library DIR] [--clips 2000] [--runs 5]

Without --library, a library of that many clips is made with random vectors in the shapes of the
built-in encoder: the values do not affect the time of a search. Models and index are loaded before
the clock starts. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import vidseek
from benchmarks.cold_query import make_library
from benchmarks.machine import processor_name

COUNTS = (1, 8, 64)
SUBJECTS = (
    "a dog",
    "a red car",
    "two children",
    "an old man",
    "a boat",
    "a horse",
    "snow",
    "a cup",
)
PLACES = ("on a beach", "at night", "in a kitchen", "in the rain", "on a street", "in a forest")


def main() -> None:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = options.library or make_library(Path(folder) / "library", options.clips)
        with vidseek.open(place, create=False) as library:
            clips = library.statistics().clips
            rows = [_measure(library, count, options.runs) for count in COUNTS]
    load = os.getloadavg()[0]
    print(f"{clips:,} clips, 10 hits a query; load {load:.1f} on {processor_name()}.\n")
    print("Processor time:\n")
    print("| texts | one after the other, ms a text | at once, ms a text | ratio |")
    print("| --- | --- | --- | --- |")
    for count, single, many in rows:
        print(
            f"| {count} | {1000 * single / count:.1f} | {1000 * many / count:.1f} | "
            f"{single / many:.1f} |"
        )


def _measure(library: vidseek.Library, count: int, runs: int) -> tuple[int, float, float]:
    """Median processor seconds of single searches, and of a batch, in turns."""
    texts = [
        f"{SUBJECTS[number % 8]} {PLACES[number // 8 % 6]}, take {number}"
        for number in range(count)
    ]
    singles, batches = [], []
    for run in range(runs + 1):
        seconds, one_by_one = _timed(lambda: [library.search(text) for text in texts])
        batch_seconds, at_once = _timed(lambda: library.search_many(texts))
        if run:  # the first one loads model and index
            singles.append(seconds)
            batches.append(batch_seconds)
        for one, other in zip(one_by_one, at_once, strict=True):
            scores = [[hit.score for hit in result] for result in (one, other)]
            np.testing.assert_allclose(*scores, atol=1e-4)
    return count, statistics.median(singles), statistics.median(batches)


def _timed(
    call: Callable[[], list[vidseek.SearchResult]],
) -> tuple[float, list[vidseek.SearchResult]]:
    started = time.process_time()
    results = call()
    return time.process_time() - started, results


if __name__ == "__main__":
    main()
