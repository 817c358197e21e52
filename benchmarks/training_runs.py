"""Two training runs of the towers, compared on Flickr8k's dev pictures.

python -m benchmarks.training_runs RUN OTHER [--data ../shared/data] [--cache .cache/maps]

Prints the recall of both runs for every caption of every dev picture, by the cosine of sentence and
frame vector alone, and the difference paired by caption. The bootstrap draws whole pictures. Needs
the extra `train`, and the maps that `python -m vidseek.training.lab cache` made.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import interval
from benchmarks.machine import DATA, processor_name, require_folder
from vidseek.training.lab.batches import PictureSet
from vidseek.training.lab.corpus import load_text
from vidseek.training.lab.evaluation import picture_ranks
from vidseek.training.lab.publish import load_vision

DEPTHS = (1, 5, 10)


def recall_rows(
    first: NDArray[np.intp], second: NDArray[np.intp], pictures: NDArray[np.intp]
) -> list[str]:
    """Rows of a table: recall of two runs, and the second's less the first's.

    Args:
        first: (Q,) ranks of the right picture in the first run, 0 for the best.
        second: (Q,) in the second run, for the same captions.
        pictures: (Q,) the picture of each caption.
    """
    rows = []
    for depth in DEPTHS:
        found = [(rank < depth).astype(np.float64) for rank in (first, second)]
        cells = [interval(values, pictures) for values in (*found, found[1] - found[0])]
        rows.append(f"| R@{depth} | {' | '.join(cells)} |")
    return rows


def training_line(run: Path) -> str:
    """Steps and CPU time of a run, from its ``towers.json``."""
    log = json.loads((run / "towers.json").read_text())
    steps, minutes = len(log["losses"]), log["cpu_minutes"]
    return f"{run.name}: {steps} steps, {minutes:.1f} CPU minutes"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_runs", description=__doc__)
    parser.add_argument("runs", type=Path, nargs=2, help="folders of two runs")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--cache", type=Path, default=Path(".cache/maps"))
    arguments = parser.parse_args()
    require_folder(parser, arguments.data)
    flickr = PictureSet.open(arguments.data, arguments.cache, "flickr8k")
    print(f"# Training runs\n\n{processor_name()}")
    ranks, pictures = [], np.empty(0, np.intp)
    for run in arguments.runs:
        print(training_line(run), flush=True)
        rank, pictures = picture_ranks(load_vision(run), *load_text(run), flickr)
        ranks.append(rank)
    print(f"{len(set(pictures.tolist()))} pictures, {len(pictures)} captions\n")
    print(f"| | {' | '.join(run.name for run in arguments.runs)} | difference |")
    print("| --- | --- | --- | --- |")
    print("\n".join(recall_rows(ranks[0], ranks[1], pictures)))


if __name__ == "__main__":
    main()
