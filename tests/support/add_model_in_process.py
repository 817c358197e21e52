"""Add a second model in a process of its own, printing a line at each chance to cancel.

python add_model_in_process.py LIBRARY [--kill POINT]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from colour_encoder import ColourEncoder
from kill_points import KILL_POINTS

from vidseek.core.job import Job
from vidseek.indexer import add_model
from vidseek.storage.store import LibraryStore

SECOND = "more colours"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("--kill", choices=KILL_POINTS, help="at the second passage")
    options = parser.parse_args()
    if options.kill is not None:
        KILL_POINTS[options.kill](2)

    def going_on() -> bool:
        print("going on", flush=True)
        return False

    with LibraryStore.open(options.library) as store:
        report = add_model(store, ColourEncoder(SECOND), workers=1, job=Job(should_cancel=going_on))
        print(f"done {report.encoded} {len(report.failed)}", flush=True)


if __name__ == "__main__":
    main()
