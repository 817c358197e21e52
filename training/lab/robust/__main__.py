"""`python -m vidseek.training.lab.robust COMMAND`: cache views, train a branch, export."""

from __future__ import annotations

import argparse
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from vidseek.encoders.manifest import FILES, HUBNESS, WEIGHTS_FOLDER, read_manifest, write_manifest
from vidseek.training.lab.robust.branch import Branch, BranchName
from vidseek.training.lab.robust.tuning import TuningSettings, tune
from vidseek.training.lab.robust.view_cache import CacheShare, ViewCache
from vidseek.training.networks.export import export_vision
from vidseek.training.networks.restore import restore_vision

DATA = Path("../shared/data")
CACHE = Path(".cache/robust/views")
RUN = Path(".cache/robust/run")
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
    train.set_defaults(run=_train)

    export = commands.add_parser("export", help="write a folder of weights with what was trained")
    export.add_argument("--to", type=Path, required=True)
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
        TuningSettings(arguments.branch, stem_learning_rate=arguments.rate),
        arguments.folder,
        until=time.time() + 60 * arguments.minutes,
    )


def _export(arguments: argparse.Namespace) -> None:
    known = read_manifest(arguments.start)
    vision = restore_vision(known.read("vision"))
    for name in BRANCHES:
        file = arguments.folder / f"{name}.pt"
        if file.exists():
            state = torch.load(file, weights_only=True)["branch"]
            Branch.of(vision, name).load_state_dict(state)
    arguments.to.mkdir(parents=True, exist_ok=True)
    export_vision(vision, arguments.to / FILES["vision"])
    for part in known.parts.keys() - {"vision"}:
        shutil.copyfile(arguments.start / known.parts[part].file, arguments.to / FILES[part])
    spec: dict[str, Any] = known.spec.to_document()
    del spec["vision_hash"]
    revisions = {part: entry.revision for part, entry in known.parts.items() if part != HUBNESS}
    # Neither the earlier revision's vectors nor those of the same frames are computed any more.
    write_manifest(
        arguments.to,
        spec=spec | {"name": "builtin", "revision": arguments.revision},
        revisions=revisions | {"vision": arguments.revision},
        rerank=known.rerank,
    )


if __name__ == "__main__":
    main()
