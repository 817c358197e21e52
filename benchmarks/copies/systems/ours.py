"""vidseek through its Python API: index the library, then check each query."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import vidseek
from benchmarks.copies.manifest import Entry
from benchmarks.copies.systems.system import Found, Plan, found
from vidseek.core.job import Job, Progress
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.indexer import IndexProgress
from vidseek.library import Library
from vidseek.video import SamplingPlan

logger = logging.getLogger(__name__)


class OurSystem:
    """One library for each plan, in the benchmark's folder."""

    name = "ours"

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._library: Library | None = None
        self._names: dict[Path, str] = {}

    @property
    def version(self) -> str:
        """See ``System``."""
        return CopyDescriptor().fingerprint

    def index(self, entries: Sequence[Entry]) -> None:
        """See ``System``."""
        self._names = {entry.file(self._folder).absolute(): entry.sources[0] for entry in entries}
        self._library = vidseek.open(self._folder / f"library-{self._plan}")
        self._library.index(
            sorted(self._names), plan=SamplingPlan(self._plan), job=Job(on_progress=_show)
        )
        held = self._library.statistics().copy_videos
        if held < len(self._names):
            logger.warning("only %d of %d library videos can be read", held, len(self._names))

    def ask(self, path: Path) -> list[Found]:
        """See ``System``."""
        assert self._library is not None, "asked before it was given a library"
        return [
            found(
                self._names[match.video.path],
                match.score,
                match.query_span,
                match.library_span,
                speed=1.0 if match.speed is None else match.speed,
                mirrored=match.mirrored,
            )
            for match in self._library.check(path, min_score=0.0).matches
        ]


def _show(progress: Progress) -> None:
    if isinstance(progress, IndexProgress) and progress.current is not None:
        done = f"{progress.done}/{progress.total}"
        print(f"library {done}: {progress.current.name}", file=sys.stderr, flush=True)
