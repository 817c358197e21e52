"""Generate the benchmark's videos and their manifest, resuming an interrupted run.

generate(Path("copies"), find_sources([Path("videos")]), Settings(seed=1, limit=70))

The same sources and settings give the same plan, strengths and truth, and the same pixels but for
what a decoder rounds.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.copies.edits import apply_step
from benchmarks.copies.footage import Footage, Format, cut, fit, join, write_footage
from benchmarks.copies.manifest import (
    MANIFEST_NAME,
    Entry,
    append_entries,
    read_manifest,
    write_manifest,
)
from benchmarks.copies.negatives import make_pair
from benchmarks.copies.planning import Settings, Work, plan_drawn_works, plan_works
from benchmarks.copies.seeding import random_of
from benchmarks.copies.sources import Source, choose_sources
from vidseek.core.errors import VideoError
from vidseek.video import probe

logger = logging.getLogger(__name__)

LONGEST_QUERY_SECONDS = 60.0
"""Maximum length. A chain that slows down and loops would otherwise fill the memory."""
LARGEST_AREA = 2.0
"""Maximum area of an edited picture, in 16:9 pictures of the short side; else scaled down."""
SHORTEST_SOURCE_SECONDS = 2.0
MASHUP_SECONDS = (3.0, 8.0)

read_cached = functools.lru_cache(maxsize=3)(lambda source, form: source.read(form))
"""Works of the same source are consecutive, with a donor or two. At most 140 MB each."""


def generate(
    folder: Path,
    sources: Sequence[Source],
    settings: Settings,
    *,
    on_work: Callable[[int, int, Work], None] = lambda done, all_works, work: None,
) -> tuple[Entry, ...]:
    """Generate the missing videos.

    Args:
        folder: target folder; created if missing.
        sources: sources of any split; none are needed for drawn content.
        settings: what to generate.
        on_work: called before each work with its index, the number of works, and the work.

    Returns:
        All entries of the manifest, in the order of the plan.

    Raises:
        ValueError: the folder was made with other settings or sources, or there are too few.
    """
    if settings.drawn:
        works = plan_drawn_works(settings)
        names = "\n".join(work.source.name for work in works)
    else:
        chosen = _chosen(sources, settings)
        works = plan_works(chosen, settings)
        names = "\n".join(source.name for source in chosen)
    record = {**settings.to_record(), "sources": hashlib.sha256(names.encode()).hexdigest()[:16]}
    for name in ("library", "queries"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    made = _already_made(folder, record)
    for place, work in enumerate(works):
        if work.name in made:
            continue
        on_work(place, len(works), work)
        entries = _make(folder, work, settings)
        append_entries(folder, entries)
        made[work.name] = entries
    ordered = tuple(entry for work in works for entry in made[work.name])
    write_manifest(folder, record, ordered)
    return ordered


def _chosen(sources: Sequence[Source], settings: Settings) -> list[Source]:
    """The sources of a plan, the further distractors last."""
    split, seed = settings.split, settings.seed
    if not settings.distractors:
        return choose_sources(sources, split=split, seed=seed, limit=settings.limit)
    if settings.limit is None:
        raise ValueError("--distractors are taken after the sources of --limit: give both")
    chosen = choose_sources(
        sources, split=split, seed=seed, limit=settings.limit + settings.distractors
    )
    further = len(chosen) - settings.limit
    if further < settings.distractors:
        raise ValueError(
            f"--distractors {settings.distractors}: the split {split!r} has {max(0, further)} "
            f"sources after those of --limit {settings.limit}; give more videos, or ask for fewer"
        )
    return chosen


def _already_made(folder: Path, settings: dict[str, Any]) -> dict[str, list[Entry]]:
    """Entries of the works whose files all exist. Other entries are removed from the manifest."""
    made: dict[str, list[Entry]] = {}
    if (folder / MANIFEST_NAME).exists():
        manifest = read_manifest(folder)
        if manifest.settings != settings:
            raise ValueError(
                f"{folder} was made with other settings or sources: {manifest.settings}, not "
                f"{settings}; give another folder with --out"
            )
        for entry in manifest.entries:
            made.setdefault(entry.work, []).append(entry)
        lost = [
            work
            for work, entries in made.items()
            if not all(made.path is None or made.file(folder).is_file() for made in entries)
        ]
        for work in lost:
            del made[work]
    write_manifest(folder, settings, (entry for entries in made.values() for entry in entries))
    return made


def _make(folder: Path, work: Work, settings: Settings) -> list[Entry]:
    """Write the files of a work and return its entries, or a skipped entry with the reason."""
    try:
        entries = _MAKERS[work.kind](folder, work, settings)
    except VideoError as error:
        logger.warning("%s: %s", work.source.name, error)
        return [_skipped(work, str(error))]
    return entries


def _skipped(work: Work, reason: str) -> Entry:
    return Entry("skipped", work.name, None, (work.source.name,), reason=reason)


def _read(source: Source, form: Format) -> Footage:
    footage: Footage = read_cached(source, form)
    if footage.duration_seconds < SHORTEST_SOURCE_SECONDS:
        raise VideoError(f"lasts {footage.duration_seconds:.1f} s only", path=source.path)
    return footage


def _written(folder: Path, footage: Footage, entry: Entry) -> Entry:
    path = f"{'library' if entry.role == 'library' else 'queries'}/{entry.work}.mp4"
    write_footage(footage, folder / path)
    return replace(entry, path=path, duration_seconds=footage.duration_seconds)


def _original(folder: Path, work: Work, settings: Settings) -> list[Entry]:
    """The library video: the source's file, or a new file if it has none."""
    source = work.source
    footage = _read(source, settings.form)
    entry = Entry("library", work.name, None, (source.name,), source.is_synthetic)
    if source.path is None:
        return [_written(folder, footage, entry)]
    length = probe(source.path).duration_seconds
    return [replace(entry, path=str(source.path.absolute()), duration_seconds=length)]


def _edited(folder: Path, work: Work, settings: Settings) -> list[Entry]:
    """An edited copy, or a distractor with the same edits."""
    form = settings.form
    footage = _read(work.source, form)
    is_copy = work.kind == "copy"
    if not is_copy:
        footage = replace(footage, segments=())
    donor = None
    if work.others:
        donor = replace(_read(work.others[0], form), segments=())
    for step in work.steps:
        footage = _bounded(apply_step(footage, step, donor), form)
    entry = Entry(
        "query",
        work.name,
        None,
        (work.source.name,),
        work.source.is_synthetic,
        edits=work.steps,
        donor=work.others[0].name if work.others else None,
        negative=None if is_copy else "edited",
        segments=footage.segments,
    )
    return [_written(folder, footage, entry)]


def _bounded(footage: Footage, form: Format) -> Footage:
    width, height = footage.size
    ratio = (width * height / (LARGEST_AREA * form.short_side**2 * 16 / 9)) ** 0.5
    if ratio > 1:
        footage = fit(footage, (max(2, round(width / ratio)), max(2, round(height / ratio))))
    if footage.duration_seconds > LONGEST_QUERY_SECONDS:
        footage = cut(footage, 0, LONGEST_QUERY_SECONDS)
    return footage


def _mashup(folder: Path, work: Work, settings: Settings) -> list[Entry]:
    """Parts of three library videos in sequence."""
    random = random_of(settings.seed, "mashup", work.source.name)
    parts, everything = [], (work.source, *work.others)
    for source in everything:
        footage = _read(source, settings.form)
        seconds = min(random.uniform(*MASHUP_SECONDS), footage.duration_seconds)
        start = random.uniform(0, footage.duration_seconds - seconds)
        parts.append(cut(footage, start, start + seconds))
    footage = join(parts)
    entry = Entry(
        "query",
        work.name,
        None,
        tuple(source.name for source in everything),
        any(source.is_synthetic for source in everything),
        segments=footage.segments,
    )
    return [_written(folder, footage, entry)]


def _drawn(folder: Path, work: Work, settings: Settings) -> list[Entry]:
    """A film that shares a look with library videos, and nothing else."""
    footage = replace(_read(work.source, settings.form), segments=())
    entry = Entry(
        "query",
        work.name,
        None,
        (work.source.name,),
        work.source.is_synthetic,
        negative=f"drawn_{work.name.rpartition('-')[2]}",
    )
    return [_written(folder, footage, entry)]


def _pair(folder: Path, work: Work, settings: Settings) -> list[Entry]:
    """A library video and a similar query that is not a copy."""
    assert work.negative is not None
    random = random_of(settings.seed, "pair", work.source.name)
    (other,) = work.others
    pair = make_pair(work.negative, work.source, other, settings.form, random)
    if pair is None:
        return [_skipped(work, "has no two views that differ")]
    asker = work.source if work.negative == "other_take" else other
    library = Entry("library", work.name, None, (work.source.name,), work.source.is_synthetic)
    query = Entry(
        "query",
        work.name,
        None,
        (asker.name,),
        asker.is_synthetic,
        negative=work.negative,
        shared=pair.shared,
    )
    return [_written(folder, pair.library, library), _written(folder, pair.query, query)]


_MAKERS: dict[str, Callable[[Path, Work, Settings], list[Entry]]] = {
    "original": _original,
    "copy": _edited,
    "edited": _edited,
    "mashup": _mashup,
    "pair": _pair,
    "drawn": _drawn,
}
