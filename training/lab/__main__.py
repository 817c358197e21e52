"""`python -m vidseek.training.lab COMMAND`: cache pictures, train, export the built-in model."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from vidseek.core.errors import VidseekError
from vidseek.encoders.manifest import HEAD, PARTS, WEIGHTS_FOLDER
from vidseek.training.lab.settings import STAGES

DATA = Path("../shared/data")
CACHE = Path(".cache/maps")


def main() -> None:
    """Run a step of training from the command line."""
    parser = argparse.ArgumentParser(prog="python -m vidseek.training.lab", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the data folder")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of the cached feature maps"
    )
    commands = parser.add_subparsers(required=True)

    cache = commands.add_parser("cache", help="compute the feature maps of pictures")
    cache.add_argument("--sets", nargs="+", help="which of the configuration's sets")
    cache.add_argument("--config", type=Path, default=Path(__file__).with_name("builtin.toml"))
    cache.add_argument("--threads", type=int, default=2)
    cache.set_defaults(run=_cache)

    train = commands.add_parser("train", help="train, or continue training, stage by stage")
    train.add_argument("--config", type=Path, default=Path(__file__).with_name("builtin.toml"))
    train.add_argument("--run", dest="folder", type=Path, default=Path(".cache/runs/builtin"))
    train.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    train.add_argument(
        "--from", dest="start", type=Path, help="start from a folder of shipped weights"
    )
    train.set_defaults(run=_train)

    export = commands.add_parser("export", help="write the files that ship from a run")
    export.add_argument("--run", dest="folder", type=Path, default=Path(".cache/runs/builtin"))
    export.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER)
    export.add_argument("--revision", required=True)
    export.add_argument("--parts", nargs="+", choices=[*PARTS, HEAD], default=list(PARTS))
    export.set_defaults(run=_export)

    revise = commands.add_parser("revise", help="add names of classes and attention over time")
    revise.add_argument("--from", dest="start", type=Path, default=WEIGHTS_FOLDER)
    revise.add_argument("--to", dest="folder", type=Path, default=Path(".cache/revision"))
    revise.add_argument("--revision", required=True)
    revise.add_argument("--threads", type=int, default=2)
    revise.set_defaults(run=_revise)

    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        arguments.run(arguments)
    except VidseekError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def _cache(arguments: argparse.Namespace) -> None:
    from vidseek.training.lab.settings import read_settings
    from vidseek.training.lab.stem_map_cache import cache_pictures

    settings = read_settings(arguments.config)
    for name in arguments.sets or settings.sets:
        views = settings.towers.views.get(name, 0)
        cache_pictures(
            arguments.data, name, arguments.cache, views=views, threads=arguments.threads
        )


def _train(arguments: argparse.Namespace) -> None:
    from vidseek.training.lab.pipeline import train
    from vidseek.training.lab.settings import read_settings

    train(
        read_settings(arguments.config),
        data=arguments.data,
        cache=arguments.cache,
        run=arguments.folder,
        stages=arguments.stages,
        start=arguments.start,
    )


def _export(arguments: argparse.Namespace) -> None:
    from vidseek.training.lab.publish import publish

    publish(
        arguments.folder,
        folder=arguments.weights,
        revision=arguments.revision,
        parts=arguments.parts,
    )


def _revise(arguments: argparse.Namespace) -> None:
    from vidseek.training.lab.revise import RevisionInputs, revise

    inputs = RevisionInputs(arguments.data, arguments.cache / "frames", arguments.threads)
    revise(arguments.start, arguments.folder, inputs, revision=arguments.revision)


if __name__ == "__main__":
    main()
