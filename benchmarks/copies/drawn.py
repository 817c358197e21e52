"""Films of drawn content: families that share a look, and nothing else.

for source in drawn_sources("test", seed=0, families=36):
    source.read(Format())

Slides of one template, shells of one colour, maps of one country: their layout is the same in all
films of a family, their words and numbers are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from benchmarks.copies.drawn_pictures import HEIGHT, PICTURES, WIDTH
from benchmarks.copies.footage import Footage, Format
from benchmarks.copies.seeding import random_of
from benchmarks.copies.truth import Segment
from vidseek.training.lab.copies.splits import Split

FILMS_HELD, FILMS_ASKED = 2, 3
"""Films of a family in the library, and films that are asked and are not copies."""
DRAWN_SECONDS = 12
PICTURES_PER_SECOND = 5
"""Frames per second of the files: a picture stands for a second."""


@dataclass(frozen=True)
class DrawnSource:
    """A film of drawn content."""

    kind: str
    family: str
    """Films of one family share a look."""
    name: str
    is_synthetic: bool = True
    path: None = None

    def read(self, form: Format) -> Footage:
        """See ``Source``."""
        look, film = partial(random_of, "look", self.family), partial(random_of, "film", self.name)
        size = (form.short_side * WIDTH // HEIGHT // 2 * 2, form.short_side)
        drawn = [
            np.asarray(
                PICTURES[self.kind](look, film, number).resize(size, Image.Resampling.LANCZOS)
            )
            for number in range(DRAWN_SECONDS)
        ]
        pictures = np.repeat(np.stack(drawn), PICTURES_PER_SECOND, axis=0)
        segment = Segment(self.name, 0.0, DRAWN_SECONDS, 0.0, DRAWN_SECONDS)
        return Footage(pictures, PICTURES_PER_SECOND, (segment,))

    def takes(self, form: Format) -> tuple[Footage, Footage] | None:
        """See ``Source``: none."""
        return None


@dataclass(frozen=True)
class DrawnFamily:
    """Films that share a look."""

    held: tuple[DrawnSource, ...]
    """In the library."""
    asked: tuple[DrawnSource, ...]
    """Not in the library: each is a query that is not a copy."""


def drawn_families(split: Split, *, seed: int, negatives: int) -> list[DrawnFamily]:
    """Families of all kinds in turn, with at least this many films that are not copies."""
    kinds = list(PICTURES)
    families = []
    for number in range(-(-negatives // FILMS_ASKED)):
        kind = kinds[number % len(kinds)]
        family = f"drawn/{split}/{seed}/{kind}/{number:03d}"
        films = [
            DrawnSource(kind, family, f"{family}/{film}")
            for film in range(FILMS_HELD + FILMS_ASKED)
        ]
        families.append(DrawnFamily(tuple(films[:FILMS_HELD]), tuple(films[FILMS_HELD:])))
    return families
