"""Add a second model in a process of its own, saying on stdout how far it is: one line a question.

python add_model_in_process.py LIBRARY
"""

from __future__ import annotations

import sys
from pathlib import Path

from colour_encoder import ColourEncoder

from vidseek.core.job import Job
from vidseek.indexer import add_model
from vidseek.storage.store import LibraryStore

SECOND = "more colours"


def main(library: Path) -> None:
    def going_on() -> bool:
        print("going on", flush=True)
        return False

    with LibraryStore.open(library) as store:
        report = add_model(store, ColourEncoder(SECOND), workers=1, job=Job(should_cancel=going_on))
        print(f"done {report.encoded} {len(report.failed)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
