"""`python -m vidseek.training.lab.robust COMMAND`: cache views, train a branch, export."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import torch

from vidseek.encoders.manifest import WEIGHTS_FOLDER, read_manifest
from vidseek.training.lab.revise import RevisionInputs, replace_vision
from vidseek.training.lab.robust.branch import Branch, BranchName, mean_of_weights
from vidseek.training.lab.robust.tuning import TuningSettings, tune
from vidseek.training.lab.robust.view_cache import CacheShare, ViewCache
from vidseek.training.networks.restore import restore_vision

DATA = Path("../shared/data")
CACHE = Path(".cache/robust/views")
RUN = Path(".cache/robust/run")
FRAMES = Path(".cache/frames")
SHARE = 0.6
"""Of the trained weights in what ships (WiSE-FT, Wortsman et al. 2022): with all, videos and
things that no training picture shows are found worse."""
BRANCHES: tuple[BranchName, ...] = ("tuned", "untouched")


def main() -> None:
    """Run a step from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m vidseek.training.lab.robust", description=__doc__
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the data folder")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of the cached views")
    parser.add_argument("--run", dest="folder", type=Path, default=RUN)
    parser.add_argument("--from", dest="start", type=Path, default=WEIGHTS_FOLDER)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long to go on at most")
    commands = parser.add_subparsers(required=True)

    cache = commands.add_parser("cache", help="compute the frozen blocks' maps of training views")
    cache.add_argument("--worker", type=int, default=0, help="number of this process")
    cache.add_argument("--workers", type=int, default=1, help="processes that share the work")
    cache.set_defaults(run=_cache)

    train = commands.add_parser("train", help="train a branch on the views cached so far")
    train.add_argument("branch", choices=BRANCHES)
    train.add_argument("--threads", type=int, default=1)
    train.add_argument("--rate", type=float, default=TuningSettings.stem_learning_rate)
    train.add_argument("--seed", type=int, default=TuningSettings.seed)
    train.set_defaults(run=_train)

    export = commands.add_parser("export", help="write a folder of weights with what was trained")
    export.add_argument("--to", type=Path, required=True)
    export.add_argument(
        "--runs",
        dest="folders",
        type=Path,
        nargs="+",
        default=[RUN],
        help="folders of training runs; the mean of their weights is exported",
    )
    export.add_argument(
        "--share",
        type=float,
        default=SHARE,
        help="share of the trained weights in their mean with those to start from",
    )
    export.add_argument("--frames", type=Path, default=FRAMES, help="where encoded frames are kept")
    export.add_argument("--revision", required=True)
    export.set_defaults(run=_export)

    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    arguments.run(arguments)


def _cache(arguments: argparse.Namespace) -> None:
    ViewCache(arguments.cache).fill(
        arguments.data,
        arguments.start,
        CacheShare(arguments.worker, arguments.workers),
        until=time.time() + 60 * arguments.minutes,
    )


def _train(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    vision = restore_vision(read_manifest(arguments.start).read("vision"))
    tune(
        ViewCache(arguments.cache),
        vision,
        TuningSettings(arguments.branch, stem_learning_rate=arguments.rate, seed=arguments.seed),
        arguments.folder,
        until=time.time() + 60 * arguments.minutes,
    )


def _export(arguments: argparse.Namespace) -> None:
    vision = restore_vision(read_manifest(arguments.start).read("vision"))
    for name in BRANCHES:
        states = [
            torch.load(file, weights_only=True)["branch"]
            for folder in arguments.folders
            if (file := folder / f"{name}.pt").exists()
        ]
        if states:
            branch = Branch.of(vision, name)
            trained, share = mean_of_weights(states), arguments.share
            shipped = branch.state_dict()
            branch.load_state_dict(
                {key: share * trained[key] + (1.0 - share) * shipped[key] for key in shipped}
            )
    inputs = RevisionInputs(arguments.data, arguments.frames)
    replace_vision(vision, arguments.start, arguments.to, inputs, revision=arguments.revision)


if __name__ == "__main__":
    main()
