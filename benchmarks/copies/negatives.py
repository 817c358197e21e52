"""Hard negatives: pairs of videos that look partly alike but are not copies.

pair = make_pair("same_intro", host, other, form, random)

Each kind makes a video for the library and a query that must not be taken for a copy of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.copies import picture_edits
from benchmarks.copies.footage import Footage, Format, fit, hold, join
from benchmarks.copies.sources import Source
from benchmarks.copies.truth import Segment

NegativeKind = Literal[
    "same_intro",
    "same_outro",
    "black_opening",
    "pillarbox",
    "near_static",
    "other_take",
    "shared_card",
    "held_still",
]
FIELD_NEGATIVE_KINDS: tuple[NegativeKind, ...] = ("shared_card", "held_still")
"""Kinds that users reported. They take turns only if they are asked for by name."""
NEGATIVE_KINDS: tuple[NegativeKind, ...] = tuple(
    kind for kind in get_args(NegativeKind) if kind not in FIELD_NEGATIVE_KINDS
)
CARD_SECONDS, STILL_SECONDS = 40.0, 8.0


@dataclass(frozen=True)
class NegativePair:
    """A video of the library and a query that is not a copy of it."""

    library: Footage
    query: Footage
    shared: tuple[Segment, ...] = ()
    """The shared intro or outro, which is not a copy. ``source`` is the library video's."""


def make_pair(
    kind: NegativeKind, planted: Source, other: Source, form: Format, random: np.random.Generator
) -> NegativePair | None:
    """Make a pair.

    Args:
        kind: in what the two are alike.
        planted: what the library's video is made of.
        other: what the query is made of; takes of one place are both of ``planted``.
        form: of the pictures.
        random: the same state gives the same pair.

    Returns:
        None if the source has no two views that differ (``other_take``).

    Raises:
        VideoError: a source cannot be read.
    """
    if kind == "other_take":
        takes = planted.takes(form)
        return None if takes is None else NegativePair(_unclaimed(takes[0]), _unclaimed(takes[1]))
    library = _unclaimed(planted.read(form))
    query = fit(_unclaimed(other.read(form)), library.size)
    return _MAKERS[kind](library, query, planted.name, random)


def _unclaimed(footage: Footage) -> Footage:
    return replace(footage, segments=())


def make_title(like: Footage, random: np.random.Generator) -> Footage:
    """A channel's title: a word that moves over two coloured halves, three to five seconds."""
    width, height = like.size
    colours = [tuple(int(value) for value in random.integers(0, 256, 3)) for _ in range(3)]
    word = "".join(random.choice(list("ABCDEFGHIKLMNOPRSTUVWY"), 6))
    count = round(random.uniform(3, 5) * like.frame_rate)
    font = ImageFont.load_default(size=max(6, height // 5))
    pictures = np.empty((count, height, width, 3), np.uint8)
    for row in range(count):
        at = row / count
        picture = Image.new("RGB", (width, height), colours[0])
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 0, width * at, height), fill=colours[1])
        place = (width * (0.25 + 0.5 * at), height * 0.5)
        draw.text(place, word, font=font, fill=colours[2], anchor="mm")
        pictures[row] = np.asarray(picture)
    return Footage(pictures, like.frame_rate)


def _same_intro(
    library: Footage, query: Footage, name: str, random: np.random.Generator
) -> NegativePair:
    title = make_title(library, random)
    length = title.duration_seconds
    shared = (Segment(name, 0.0, length, 0.0, length),)
    return NegativePair(join([title, library]), join([title, query]), shared)


def _same_outro(
    library: Footage, query: Footage, name: str, random: np.random.Generator
) -> NegativePair:
    title = make_title(library, random)
    there, here, length = library.duration_seconds, query.duration_seconds, title.duration_seconds
    shared = (Segment(name, here, here + length, there, there + length),)
    return NegativePair(join([library, title]), join([query, title]), shared)


def _black_opening(
    library: Footage, query: Footage, name: str, random: np.random.Generator
) -> NegativePair:
    """Two to five seconds of black, and a second in which the picture comes up."""
    seconds = random.uniform(2, 5)
    return NegativePair(_out_of_black(library, seconds), _out_of_black(query, seconds))


def _out_of_black(footage: Footage, seconds: float) -> Footage:
    black = hold(replace(footage, pictures=np.zeros_like(footage.pictures[:1])), 0, seconds)
    fading = min(len(footage.pictures), round(footage.frame_rate))
    pictures = footage.pictures.copy()
    steps = np.linspace(0, 1, fading)[:, None, None, None]
    pictures[:fading] = np.rint(pictures[:fading] * steps)
    return join([black, replace(footage, pictures=pictures)])


def _pillarbox(
    library: Footage, query: Footage, name: str, random: np.random.Generator
) -> NegativePair:
    """Both upright, between the same two bars."""
    bar = float(random.uniform(0.35, 0.8))
    colour = str(random.choice(["#000000", "#ffffff", "#182848"]))

    def boxed(footage: Footage) -> Footage:
        upright = picture_edits.crop(footage, left=0.25, top=0, right=0.25, bottom=0)
        return picture_edits.pad(upright, left=bar, top=0, right=bar, bottom=0, colour=colour)

    return NegativePair(boxed(library), boxed(query))


def _near_static(
    library: Footage, query: Footage, name: str, random: np.random.Generator
) -> NegativePair:
    """Videos of a single picture, dark or not, with a little grain."""
    level = float(random.uniform(-0.35, 0))

    def still(footage: Footage) -> Footage:
        middle = footage.duration_seconds / 2
        held = hold(footage, middle, min(12.0, footage.duration_seconds))
        dark = picture_edits.brightness(held, level=level)
        return picture_edits.noise(dark, level=3.0, seed=int(random.integers(2**31)))

    return NegativePair(still(library), still(query))


def _shared_card(
    library: Footage, query: Footage, name: str, random: np.random.Generator
) -> NegativePair:
    """Two streams that begin with the same card, which stays far longer than what follows."""
    title = make_title(library, random)
    card = hold(title, title.duration_seconds / 2, CARD_SECONDS)
    films = (replace(film, pictures=film.pictures[: _short(film)]) for film in (library, query))
    stored, asked = (join([card, film]) for film in films)
    shared = (Segment(name, 0.0, CARD_SECONDS, 0.0, CARD_SECONDS),)
    return NegativePair(stored, asked, shared)


def _short(footage: Footage) -> int:
    """Pictures of at most nine seconds."""
    return min(len(footage.pictures), round(9 * footage.frame_rate))


def _held_still(
    library: Footage, query: Footage, name: str, random: np.random.Generator
) -> NegativePair:
    """A single picture of the library's film, held: no copy of the film, or none to be sure of."""
    at = float(random.uniform(0, library.duration_seconds))
    return NegativePair(library, hold(library, at, STILL_SECONDS))


_MAKERS: dict[
    NegativeKind, Callable[[Footage, Footage, str, np.random.Generator], NegativePair]
] = {
    "same_intro": _same_intro,
    "same_outro": _same_outro,
    "black_opening": _black_opening,
    "pillarbox": _pillarbox,
    "near_static": _near_static,
    "shared_card": _shared_card,
    "held_still": _held_still,
}
