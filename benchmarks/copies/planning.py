"""Plan the benchmark: which sources become library videos, edited copies and negatives.

for work in plan_works(sources, settings):
    print(work.name, work.kind, work.source.name)

Of every seven sources, four are held by the library and copied, one is planted (a hard negative's
counterpart in the library), and two are distractors: never in the library, they are the other
video of edits that need one and the queries that must not be matched. Further sources
(`Settings.distractors`) are one such query each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from benchmarks.copies.drawn import drawn_families
from benchmarks.copies.edits import ALL_EDITS, EDITS, Step, draw_chain
from benchmarks.copies.footage import Format
from benchmarks.copies.negatives import NEGATIVE_KINDS, NegativeKind
from benchmarks.copies.seeding import random_of
from benchmarks.copies.sources import Source
from vidseek.training.lab.copies.splits import Split, number_of

_ROLES = ("library", "distractor", "library", "planted", "library", "library", "distractor")
"""In turn. Seven is odd, so that real and synthetic sources, which alternate, get all of them."""
MASHUP_PARTS = 3


@dataclass(frozen=True)
class Settings:
    """Settings that, with the sources, determine every generated video."""

    seed: int = 0
    split: Split = "test"
    limit: int | None = None
    """Sources at most."""
    edits_per_source: int = 8
    """Single edits of each source; all of them take turns."""
    chains_per_source: int = 2
    form: Format = field(default_factory=Format)
    distractors: int = 0
    """Sources after those of ``limit``, each edited once into a query that is not a copy: negatives
    from many sources without a library as large."""
    edits: tuple[str, ...] = tuple(EDITS)
    """Single edits that take turns: a few, to have many copies of each."""
    negatives: tuple[NegativeKind, ...] = NEGATIVE_KINDS
    """Kinds of hard negatives that take turns."""
    drawn: int = 0
    """Films of drawn content that are not copies but share a look with library videos. If not 0,
    nothing else is made than these, the library videos and copies of them."""

    def to_record(self) -> dict[str, Any]:
        """Their manifest record; leaves out values that equal the defaults of older manifests."""
        record = asdict(self)
        for name in ("distractors", "drawn"):
            if not record[name]:
                del record[name]
        if self.edits == Settings.edits:
            del record["edits"]
        else:
            record["edits"] = list(self.edits)
        if self.negatives == Settings.negatives:
            del record["negatives"]
        else:
            record["negatives"] = list(self.negatives)
        return record


@dataclass(frozen=True)
class Work:
    """A video, or pair of videos, to generate."""

    name: str
    kind: Literal["original", "copy", "mashup", "edited", "pair", "drawn"]
    """``original``: the library's video. ``copy``: an edited copy. ``mashup``: parts of three.
    ``edited``: a distractor, edited like the copies. ``pair``: a hard negative. ``drawn``: a film
    that shares a look with library videos."""
    source: Source
    others: tuple[Source, ...] = ()
    """The donor of edits, the other parts of a mashup, the query's source of a pair."""
    steps: tuple[Step, ...] = ()
    negative: NegativeKind | None = None


def plan_works(sources: Sequence[Source], settings: Settings) -> list[Work]:
    """Plan all works, in order.

    Args:
        sources: already those of the split, in an order of the seed's; the last ones are the
            further distractors.
        settings: how much is made of each.

    Raises:
        ValueError: there are too few sources for every role.
    """
    others = len(sources) - settings.distractors
    sources, further = sources[: max(0, others)], sources[max(0, others) :]
    if len(sources) < len(_ROLES):
        raise ValueError(
            f"{len(_ROLES)} sources are needed in the split {settings.split!r}, got "
            f"{len(sources)}: give more videos, or another --seed or --split"
        )
    roles: dict[str, list[Source]] = {role: [] for role in _ROLES}
    for place, source in enumerate(sources):
        roles[_ROLES[place % len(_ROLES)]].append(source)
    library, distractors = roles["library"], roles["distractor"]

    works = []
    for place, source in enumerate(library):
        works.append(Work(f"original-{place:05d}", "original", source))
        works += _edited("copy", place, source, distractors, settings)
    for start in range(0, len(library) - MASHUP_PARTS + 1, MASHUP_PARTS):
        first, *others = library[start : start + MASHUP_PARTS]
        works.append(Work(f"mashup-{start:05d}", "mashup", first, tuple(others)))
    for place, source in enumerate(distractors):
        works += _edited("edited", place, source, distractors, settings)
    for place, source in enumerate(roles["planted"]):
        kind = settings.negatives[place % len(settings.negatives)]
        other = distractors[place % len(distractors)]
        works.append(Work(f"pair-{place:05d}-{kind}", "pair", source, (other,), (), kind))
    names = settings.edits
    for place, source in enumerate(further):
        name = names[place % len(names)]
        works.append(_work("edited", len(distractors) + place, source, name, distractors, settings))
    return works


def plan_drawn_works(settings: Settings) -> list[Work]:
    """Plan the works of drawn content: families of films that share a look.

    Args:
        settings: ``drawn`` is not 0; every family has ``edits_per_source`` edited copies.
    """
    families = drawn_families(settings.split, seed=settings.seed, negatives=settings.drawn)
    donors = [family.asked[0] for family in families]
    works = []
    for place, family in enumerate(families):
        for number, film in enumerate(family.held):
            works.append(Work(f"original-{place:05d}-{number}", "original", film))
        others = [donor for donor in donors if donor.family != family.held[0].family]
        works += _edited("copy", place, family.held[0], others, settings)
        for number, film in enumerate(family.asked):
            works.append(Work(f"drawn-{place:05d}-{number}-{film.kind}", "drawn", film))
    return works


def _edited(
    kind: Literal["copy", "edited"],
    place: int,
    source: Source,
    distractors: Sequence[Source],
    settings: Settings,
) -> list[Work]:
    """The single edits that are this source's turn, and its chains."""
    names = settings.edits
    chosen = [
        names[(place * settings.edits_per_source + turn) % len(names)]
        for turn in range(min(settings.edits_per_source, len(names)))
    ]
    chains = [f"chain-{number}" for number in range(settings.chains_per_source)]
    return [_work(kind, place, source, name, distractors, settings) for name in (*chosen, *chains)]


def _work(
    kind: Literal["copy", "edited"],
    place: int,
    source: Source,
    name: str,
    distractors: Sequence[Source],
    settings: Settings,
) -> Work:
    """One edit, or the named chain, of one source."""
    random = random_of(settings.seed, "edit", source.name, name)
    steps = (ALL_EDITS[name].draw(random),) if name in ALL_EDITS else draw_chain(random)
    others: tuple[Source, ...] = ()
    if any(ALL_EDITS[step.name].needs_donor for step in steps):
        donors = [donor for donor in distractors if donor is not source]
        donor = number_of(settings.seed, "donor", source.name, name) % len(donors)
        others = (donors[donor],)
    return Work(f"{kind}-{place:05d}-{name}", kind, source, others, steps)
