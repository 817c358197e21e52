"""Make the benchmark of copy detection out of a folder of videos.

python -m benchmarks.copies generate --out FOLDER --sources VIDEOS [PICTURES.parquet ...]
    [--limit N] [--split test] [--seed 0] [--edits-per-source 8] [--chains-per-source 2]

Writes library videos, queries and manifest.jsonl, which tells what each query shows. A run that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.copies.footage import Format
from benchmarks.copies.generate import generate
from benchmarks.copies.manifest import Entry
from benchmarks.copies.planning import Settings, Work
from benchmarks.copies.sources import find_sources
from vidseek.encoders.training.copies.splits import SPLITS
from vidseek.storage.errors import VidseekError


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.copies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("generate", help="make videos and their manifest")
    make.add_argument("--out", type=Path, required=True, help="folder to make or to go on with")
    make.add_argument("--sources", type=Path, nargs="+", required=True, metavar="PATH")
    make.add_argument("--split", choices=SPLITS, default=Settings.split)
    make.add_argument("--seed", type=int, default=Settings.seed)
    make.add_argument("--limit", type=int, default=None, metavar="N", help="sources at most")
    make.add_argument("--edits-per-source", type=int, default=Settings.edits_per_source)
    make.add_argument("--chains-per-source", type=int, default=Settings.chains_per_source)
    make.add_argument("--short-side", type=int, default=Format.short_side, help="pixels")
    arguments = parser.parse_args()
    settings = Settings(
        seed=arguments.seed,
        split=arguments.split,
        limit=arguments.limit,
        edits_per_source=arguments.edits_per_source,
        chains_per_source=arguments.chains_per_source,
        form=Format(short_side=arguments.short_side),
    )
    try:
        sources = find_sources(arguments.sources)
        entries = generate(arguments.out, sources, settings, on_work=_show)
    except (VidseekError, ValueError) as error:
        sys.exit(str(error))
    _summarise(entries)


def _show(done: int, all_works: int, work: Work) -> None:
    print(f"{done + 1}/{all_works} {work.name}: {work.source.name}", file=sys.stderr, flush=True)


def _summarise(entries: Sequence[Entry]) -> None:
    kinds = Counter(
        f"query, {one.negative or 'copy'}" if one.role == "query" else one.role for one in entries
    )
    print("| videos | count |\n| --- | --- |")
    for kind, count in sorted(kinds.items()):
        print(f"| {kind} | {count} |")


if __name__ == "__main__":
    main()
