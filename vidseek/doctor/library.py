"""Examine a library from end to end, and repair what can be rebuilt from the database.

Each rule in ``RULES`` looks at the store and yields what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from vidseek.core.errors import Hint, LibraryError, LibraryLockedError, LibraryReadOnlyError
from vidseek.core.job import Job, Progress
from vidseek.doctor.report import Finding, LibraryHealth
from vidseek.storage.filesystem import network_share
from vidseek.storage.store import LibraryStore

logger = logging.getLogger(__name__)


def examine_library(
    store: LibraryStore, *, repair: bool = True, job: Job | None = None
) -> LibraryHealth:
    """Examine a library.

    Args:
        store: the library.
        repair: rebuild damaged indexes and delete files that nothing refers to. Needs to be the
            only writer, and is left out if another process is writing.
        job: reports progress and cancels.

    Raises:
        JobCancelledError: the job was cancelled.
    """
    job = job or Job()
    findings: list[Finding] = []
    orphans = 0
    if repair:
        try:
            with store.lease():
                findings += _verify_indexes(store, repair=True, job=job)
                orphans = store.remove_orphans()
        except (LibraryLockedError, LibraryReadOnlyError) as error:
            logger.info("not repairing: %s", error)
            repair = False
    if not repair:
        findings += _verify_indexes(store, repair=False, job=job)
    for done, rule in enumerate(RULES):
        job.check()
        job.report(Progress(stage="checking the library", done=done, total=len(RULES)))
        findings += rule(store)
    active = store.encoders.active()
    share = network_share(store.folder)
    return LibraryHealth(
        folder=store.folder,
        encoder=None if active is None else f"{active.source} {active.revision}".strip(),
        network_share=None if share is None else share.kind,
        statistics=store.statistics(),
        findings=tuple(findings),
        orphans_removed=orphans,
    )


def database_is_consistent(store: LibraryStore) -> Iterator[Finding]:
    """The database is consistent and matches its schema."""
    for problem in store.find_problems():
        yield Finding(problem, Hint("restore_database"))


def model_folders_exist(store: LibraryStore) -> Iterator[Finding]:
    """Every model's folder exists. Changed weights are reported where they are used."""
    for spec in store.encoders.specs():
        folder = Path(spec.source)
        if folder.is_absolute() and not folder.is_dir():
            yield Finding(
                f"the model folder {folder} no longer exists, so searches with that model fail",
                Hint("restore_model", {"model": str(folder)}),
            )


def files_are_readable(store: LibraryStore) -> Iterator[Finding]:
    """No file failed when it was indexed."""
    count = store.statistics().failed
    if count:
        yield Finding(f"{count} of the library's files could not be read", Hint("list_failed"))


def files_are_present(store: LibraryStore) -> Iterator[Finding]:
    """No file is marked missing."""
    count = store.statistics().missing
    if count:
        yield Finding(f"{count} of the library's files are missing", Hint("find_missing"))


def active_model_is_complete(store: LibraryStore) -> Iterator[Finding]:
    """The active model has encoded every video."""
    for model in store.encoders.models():
        if model.is_active and not model.is_complete:
            yield Finding(
                f"{model.videos - model.encoded_videos} of the library's videos are not encoded "
                "with the active model",
                Hint("add_model", {"model": model.spec.source}),
            )


RULES: tuple[Callable[[LibraryStore], Iterator[Finding]], ...] = (
    database_is_consistent,
    model_folders_exist,
    files_are_readable,
    files_are_present,
    active_model_is_complete,
)


def _verify_indexes(store: LibraryStore, *, repair: bool, job: Job) -> Iterator[Finding]:
    hint = None if repair else Hint("repair_library")
    specs = store.encoders.specs()
    for done, spec in enumerate(specs):
        job.check()
        job.report(
            Progress(stage="checking the vectors", done=done, total=len(specs), unit="models")
        )
        try:
            problems = store.vector_index(spec).verify(repair=repair)
        except LibraryError as error:
            yield Finding(str(error), error.hint or Hint("repair_library"))
            continue
        for problem in problems:
            yield Finding(f"{problem} (repaired)" if repair else problem, hint)
