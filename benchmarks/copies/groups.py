"""Score the grouping of duplicates on planted families of copies and shared intros.

python -m benchmarks.copies groups --out FOLDER --sources ../shared/data/videos/clips

Every family is a source and edited copies of it. Five intros are each put before six otherwise
different videos. The library holds them all; `vidseek duplicates` is scored by pairs of videos.
Resumable: a video that is there is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import vidseek
from benchmarks.copies.edits import EDITS, Step, apply_step
from benchmarks.copies.footage import Footage, Format, join, write_footage
from benchmarks.copies.metrics import GroupScore, group_score
from benchmarks.copies.negatives import make_title
from benchmarks.copies.seeding import random_of
from benchmarks.copies.sources import Source
from vidseek.core.errors import VideoError
from vidseek.video import SamplingPlan

FAMILIES, INTROS, VIDEOS_OF_AN_INTRO = 30, 5, 6
FAMILY_EDITS = (
    "encode",
    "crop_65",
    "letterbox",
    "mirror",
    "rotate_10",
    "text_bar",
    "logo",
    "scale",
    "brightness",
    "grey",
    "speed_1_5",
    "speed_0_67",
    "pillarbox",
    "corner_logos",
    "saturation",
)
"""Edits that uploaders apply to whole videos, used in turn."""
COPIES = 3
MIN_SECONDS = 4.0


def make_families(folder: Path, sources: Sequence[Source], *, seed: int = 0) -> dict[str, set[str]]:
    """Generate the library's videos.

    Args:
        folder: where to.
        sources: at least ``FAMILIES + INTROS * VIDEOS_OF_AN_INTRO``, and some more for those that
            are too short.
        seed: of the edits' strengths.

    Returns:
        File names, by the family that they belong to.

    Raises:
        ValueError: there are too few sources.
    """
    folder.mkdir(parents=True, exist_ok=True)
    form = Format()
    left = iter(sources)
    families: dict[str, set[str]] = {}
    for number in range(FAMILIES):
        source, footage = _next(left, form)
        name = f"family-{number:02d}"
        families[name] = {_saved(folder / f"{name}-original.mp4", footage)}
        for turn in range(COPIES):
            edit = FAMILY_EDITS[(number * COPIES + turn) % len(FAMILY_EDITS)]
            step: Step = EDITS[edit].draw(random_of(seed, "family", source.name, edit))
            path = folder / f"{name}-{edit}.mp4"
            families[name].add(
                path.name if path.exists() else _saved(path, apply_step(footage, step))
            )
    for number in range(INTROS):
        intro: Footage | None = None
        for turn in range(VIDEOS_OF_AN_INTRO):
            source, footage = _next(left, form)
            intro = intro or make_title(footage, random_of(seed, "intro", number))
            name = f"intro-{number}-{turn}"
            path = folder / f"{name}.mp4"
            if not path.exists():
                _saved(path, join([intro, footage]))
            families[name] = {path.name}
    return families


def _next(left: Iterator[Source], form: Format) -> tuple[Source, Footage]:
    for source in left:
        try:
            footage = source.read(form)
        except VideoError:
            continue
        if footage.duration_seconds >= MIN_SECONDS:
            return source, replace(footage, segments=())
    raise ValueError("there are too few sources for all families: give more")


def _saved(path: Path, footage: Footage) -> str:
    if not path.exists():
        write_footage(footage, path)
    return path.name


def score_groups(
    folder: Path, library: Path, families: dict[str, set[str]], *, plan: SamplingPlan
) -> GroupScore:
    """Index the videos, group them, and compare."""
    with vidseek.open(library) as opened:
        opened.index([folder], plan=plan)
        groups = opened.duplicates()
    predicted = [
        {member.video.path.name for member in group.members}
        for group in groups
        if group.kind != "contains"
    ]
    return group_score(predicted, list(families.values()))
