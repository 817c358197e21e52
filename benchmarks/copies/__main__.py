"""Measure copy detection: make videos, ask systems, report.

python -m benchmarks.copies generate --out FOLDER --sources VIDEOS [PICTURES.parquet ...]
    [--limit N] [--split test] [--seed 0] [--edits EDIT ...] [--edits-per-source 8]
    [--negatives KIND ...]
    [--chains-per-source 2] [--distractors 0]
python -m benchmarks.copies generate --out FOLDER --drawn N [--split test] [--seed 0]
    [--edits-per-source 8] [--chains-per-source 2]
python -m benchmarks.copies run --data FOLDER --system ours|vpdq|semantic [--plan fast|dense]
    [--calibration FOLDER2] [--partial]
python -m benchmarks.copies groups --out FOLDER --sources VIDEOS [--split test] [--plan fast]
python -m benchmarks.copies calibrate --calibration FOLDER2 [--plan fast]
python -m benchmarks.copies report --data FOLDER --calibration FOLDER2 [--plan fast]
    [--partial] [--out TABLES.md] [--plot BARS.png]

Each goes on where an earlier run stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from benchmarks.copies.edits import ALL_EDITS
from benchmarks.copies.footage import Format
from benchmarks.copies.generate import generate
from benchmarks.copies.groups import make_families, score_groups
from benchmarks.copies.manifest import Entry
from benchmarks.copies.measuring import add_measuring
from benchmarks.copies.negatives import NegativeKind
from benchmarks.copies.planning import Settings, Work
from benchmarks.copies.sources import choose_sources, find_sources
from benchmarks.copies.systems.system import PLANS
from vidseek.core.errors import VidseekError
from vidseek.training.lab.copies.splits import SPLITS
from vidseek.video import SamplingPlan


def main(words: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        words: of the command line; None for those of this process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.copies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("generate", help="make videos and their manifest")
    make.set_defaults(act=_generate)
    make.add_argument("--out", type=Path, required=True, help="folder to make or to go on with")
    make.add_argument("--sources", type=Path, nargs="+", default=[], metavar="PATH")
    make.add_argument(
        "--drawn",
        type=int,
        default=Settings.drawn,
        metavar="N",
        help="films of drawn content that share a look with library videos, instead of sources",
    )
    make.add_argument("--split", choices=SPLITS, default=Settings.split)
    make.add_argument("--seed", type=int, default=Settings.seed)
    make.add_argument("--limit", type=int, default=None, metavar="N", help="sources at most")
    make.add_argument("--edits-per-source", type=int, default=Settings.edits_per_source)
    make.add_argument(
        "--edits", nargs="+", choices=ALL_EDITS, default=Settings.edits, metavar="EDIT"
    )
    make.add_argument(
        "--negatives",
        nargs="+",
        choices=get_args(NegativeKind),
        default=Settings.negatives,
        metavar="KIND",
        help="kinds of hard negatives that take turns",
    )
    make.add_argument("--chains-per-source", type=int, default=Settings.chains_per_source)
    make.add_argument(
        "--distractors",
        type=int,
        default=Settings.distractors,
        metavar="N",
        help="further sources, each edited once into a query that is not a copy",
    )
    make.add_argument("--short-side", type=int, default=Format.short_side, help="pixels")
    group = commands.add_parser("groups", help="plant families and intros, score the groups")
    group.set_defaults(act=_group)
    group.add_argument("--out", type=Path, required=True, help="folder to make or to go on with")
    group.add_argument("--sources", type=Path, nargs="+", required=True, metavar="PATH")
    group.add_argument("--split", choices=SPLITS, default=Settings.split)
    group.add_argument("--seed", type=int, default=Settings.seed)
    group.add_argument("--plan", choices=PLANS, default="fast")
    add_measuring(commands)
    arguments = parser.parse_args(words)
    try:
        arguments.act(arguments)
    except (VidseekError, ValueError, FileNotFoundError) as error:
        sys.exit(str(error))


def _generate(arguments: argparse.Namespace) -> None:
    settings = Settings(
        seed=arguments.seed,
        split=arguments.split,
        limit=arguments.limit,
        edits_per_source=arguments.edits_per_source,
        chains_per_source=arguments.chains_per_source,
        form=Format(short_side=arguments.short_side),
        distractors=arguments.distractors,
        edits=tuple(arguments.edits),
        negatives=tuple(arguments.negatives),
        drawn=arguments.drawn,
    )
    if bool(settings.drawn) == bool(arguments.sources):
        raise ValueError("generate needs either --sources or --drawn")
    sources = find_sources(arguments.sources)
    _summarise(generate(arguments.out, sources, settings, on_work=_show))


def _group(arguments: argparse.Namespace) -> None:
    sources = choose_sources(
        find_sources(arguments.sources), split=arguments.split, seed=arguments.seed
    )
    families = make_families(arguments.out / "videos", sources, seed=arguments.seed)
    library = arguments.out / f"library-{arguments.plan}"
    plan = SamplingPlan(arguments.plan)
    score = score_groups(arguments.out / "videos", library, families, plan=plan)
    print("| videos | true pairs | found pairs | right | precision | recall | F1 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    videos = sum(len(names) for names in families.values())
    print(
        f"| {videos} | {score.true} | {score.predicted} | {score.together} | "
        f"{score.precision:.3f} | {score.recall:.3f} | {score.f1:.3f} |"
    )


def _show(done: int, all_works: int, work: Work) -> None:
    print(f"{done + 1}/{all_works} {work.name}: {work.source.name}", file=sys.stderr, flush=True)


def _summarise(entries: Sequence[Entry]) -> None:
    kinds = Counter(
        f"query, {entry.negative or 'copy'}" if entry.role == "query" else entry.role
        for entry in entries
    )
    print("| videos | count |\n| --- | --- |")
    for kind, count in sorted(kinds.items()):
        print(f"| {kind} | {count} |")


if __name__ == "__main__":
    main()
