"""`python -m vidseek.training.lab.copies COMMAND`: train and export the copy descriptor."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from vidseek.core.errors import VidseekError

DATA = Path("../shared/data")
CACHE = Path(".cache/copies")
RUN = Path(".cache/runs/copies")


def main() -> None:
    """Run a step of training from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m vidseek.training.lab.copies", description=__doc__
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the data folder")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of the cached pixels")
    parser.add_argument("--run", dest="folder", type=Path, default=RUN, help="the run's folder")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("copies.toml"))
    commands = parser.add_subparsers(required=True)
    commands.add_parser("cache", help="cache the pixels").set_defaults(run=_cache)
    commands.add_parser("train", help="train, or continue training").set_defaults(run=_train)
    export = commands.add_parser("export", help="write the file that ships")
    export.add_argument("--out", type=Path, help="folder; default: the package's weights")
    export.set_defaults(run=_export)
    background = commands.add_parser(
        "background", help="rewrite only the vectors for score normalisation"
    )
    background.add_argument(
        "--out", type=Path, help="folder of the network; default: the package's weights"
    )
    background.set_defaults(run=_background)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        arguments.run(arguments)
    except VidseekError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def _cache(arguments: argparse.Namespace) -> None:
    from vidseek.training.lab.copies.pictures import cache_pictures
    from vidseek.training.lab.copies.settings import read_copy_settings

    cache_pictures(arguments.data, arguments.cache, seed=read_copy_settings(arguments.config).seed)


def _train(arguments: argparse.Namespace) -> None:
    from vidseek.training.lab.copies.pictures import open_pictures
    from vidseek.training.lab.copies.settings import read_copy_settings
    from vidseek.training.lab.copies.trainer import train_copies

    train_copies(
        read_copy_settings(arguments.config), open_pictures(arguments.cache), arguments.folder
    )


def _export(arguments: argparse.Namespace) -> None:
    from vidseek.training.lab.copies.export import export_copies
    from vidseek.training.lab.copies.pictures import open_pictures

    export_copies(arguments.folder, open_pictures(arguments.cache), arguments.out)


def _background(arguments: argparse.Namespace) -> None:
    from vidseek.training.lab.copies.export import export_background
    from vidseek.training.lab.copies.pictures import open_pictures

    export_background(open_pictures(arguments.cache), arguments.out)


if __name__ == "__main__":
    main()
