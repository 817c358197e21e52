"""Edits in time, and edits that combine the copy with another video.

footage = trim(footage, start=0.2, end=0.8)
footage = insert_into(footage, donor=other, start=0.5)

Places in time are parts, 0 to 1, of the length. A donor is a video that the library does not hold,
so the truth stays the copy's alone. A joined video may be as long as both together.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from PIL import Image

from benchmarks.copies import footage as film
from benchmarks.copies.footage import Footage, as_long_as, cut, fit, hold, join


def trim(footage: Footage, *, start: float, end: float) -> Footage:
    """Keep only the part from start to end."""
    length = footage.duration_seconds
    return cut(footage, start * length, end * length)


def excerpt(footage: Footage, *, seconds: float, part: float) -> Footage:
    """Keep only some seconds; ``part``, 0 to 1, is where in the rest they lie."""
    begin = part * max(0.0, footage.duration_seconds - seconds)
    return cut(footage, begin, begin + seconds)


def trailer(footage: Footage, *, count: int, seconds: float, seed: int) -> Footage:
    """Join short excerpts in another order; fewer where the footage is too short for them."""
    length = footage.duration_seconds
    count = max(1, min(count, int(length / seconds)))
    room = length / count - min(seconds, length / count)
    random = np.random.default_rng(seed)
    starts = [place * length / count + random.uniform(0, room) for place in range(count)]
    return join([cut(footage, start, start + seconds) for start in random.permutation(starts)])


def speed(footage: Footage, *, factor: float) -> Footage:
    """Change the speed by a factor."""
    return film.retime(footage, speed=factor)


def reverse(footage: Footage) -> Footage:
    """Reverse."""
    return film.reverse(footage)


def pause(footage: Footage, *, at: float, share: float) -> Footage:
    """Freeze at a position for a share of the length, then continue."""
    length = footage.duration_seconds
    middle = at * length
    still = hold(footage, middle, share * length)
    return join([cut(footage, 0, middle), still, cut(footage, middle, length)])


def shuffle(footage: Footage, *, window_seconds: float, seed: int) -> Footage:
    """Cut into windows and reorder them."""
    length = footage.duration_seconds
    count = max(2, round(length / window_seconds))
    edges = np.linspace(0, length, count + 1)
    order = np.random.default_rng(seed).permutation(count)
    if (order == np.arange(count)).all():
        order = order[::-1]
    return join([cut(footage, edges[place], edges[place + 1]) for place in order])


def drop_frames(footage: Footage, *, share: float, seed: int) -> Footage:
    """Drop a share of the pictures; the previous picture stays on screen, so the length is kept."""
    count = len(footage.pictures)
    rows = np.arange(count)
    lost = np.random.default_rng(seed).permutation(rows[1:])[: max(1, round(share * count))]
    rows[lost] = 0
    rows = np.maximum.accumulate(rows)
    return replace(footage, pictures=footage.pictures[rows])


def loop(footage: Footage, *, times: int) -> Footage:
    """Repeat several times."""
    return join([footage] * times)


def jump_cuts(footage: Footage, *, window_seconds: float, share: float) -> Footage:
    """Cut this share off the end of every window of time."""
    length = footage.duration_seconds
    edges = np.linspace(0, length, max(2, round(length / window_seconds)) + 1)
    kept = [
        cut(footage, start, end - share * (end - start)) for start, end in itertools.pairwise(edges)
    ]
    return join(kept)


def insert_into(footage: Footage, *, donor: Footage, start: float) -> Footage:
    """Insert into the middle of another video, which continues afterwards."""
    length = donor.duration_seconds
    host = fit(donor, footage.size)
    before, after = cut(host, 0, start * length), cut(host, start * length, length)
    return join([before, footage, after])


def insert_part(
    footage: Footage, *, donor: Footage, seconds: float, part: float, start: float
) -> Footage:
    """Insert an excerpt of the copy into another video."""
    length = footage.duration_seconds
    seconds = min(seconds, max(1.0, length - 1))
    begin = part * max(0.0, length - seconds)
    return insert_into(cut(footage, begin, begin + seconds), donor=donor, start=start)


def interrupt(footage: Footage, *, donor: Footage, at: float, seconds: float) -> Footage:
    """Insert some seconds of another video into the middle of the copy."""
    length = footage.duration_seconds
    guest = cut(donor, 0, min(seconds, donor.duration_seconds))
    return join([cut(footage, 0, at * length), guest, cut(footage, at * length, length)])


def concatenate(footage: Footage, *, donor: Footage, donor_first: bool) -> Footage:
    """Put another video before or after the copy."""
    other = fit(donor, footage.size)
    return join([other, footage] if donor_first else [footage, other])


def blend(footage: Footage, *, donor: Footage, opacity: float, size: float) -> Footage:
    """Blend another video over the middle of the copy."""
    return _over(footage, as_long_as(donor, footage), size, 0.5, 0.5, opacity)


def cover_part(footage: Footage, *, donor: Footage, size: float, x: float, y: float) -> Footage:
    """Show another video in a window over the copy."""
    return _over(footage, as_long_as(donor, footage), size, x, y, 1.0)


def picture_in_picture(
    footage: Footage, *, donor: Footage, size: float, x: float, y: float, opacity: float
) -> Footage:
    """Show the copy in a window over another video; ``size`` is the window's share of each side."""
    return _over(as_long_as(donor, footage), footage, size, x, y, opacity)


def _over(
    under: Footage, over: Footage, size: float, x: float, y: float, opacity: float
) -> Footage:
    """Show ``over`` in a window of ``under``; x and y, 0 to 1, position it between the sides.

    Both are of one size, rate and length. The result shows what either of them shows.
    """
    width, height = under.size
    wide, high = max(1, round(size * width)), max(1, round(size * height))
    left, top = round(x * (width - wide)), round(y * (height - high))
    window = fit(over, (wide, high)).pictures
    pictures = under.pictures.copy()
    place = pictures[:, top : top + high, left : left + wide]
    for row, picture in enumerate(window):
        place[row] = np.rint(place[row] * (1 - opacity) + picture * opacity)
    return replace(under, pictures=pictures, segments=under.segments + over.segments)


def stack(footage: Footage, *, donor: Footage, vertical: bool, first: bool) -> Footage:
    """Show side by side with another video, horizontally or vertically."""
    other = as_long_as(donor, footage)
    pair = [footage.pictures, other.pictures] if first else [other.pictures, footage.pictures]
    return replace(footage, pictures=np.concatenate(pair, axis=1 if vertical else 2))


def tiles(footage: Footage, *, donor: Footage, place: int) -> Footage:
    """Show in one of four tiles (0 to 3); the other tiles show another video at different times."""
    other = as_long_as(donor, footage)
    count = len(footage.pictures)
    cells = []
    for cell in range(4):
        rows = (np.arange(count) + cell * count // 4) % count
        cells.append(footage.pictures if cell == place else other.pictures[rows])
    above, below = np.concatenate(cells[:2], axis=2), np.concatenate(cells[2:], axis=2)
    return fit(replace(footage, pictures=np.concatenate([above, below], axis=1)), footage.size)


def own_blurred_background(footage: Footage, *, ratio: float) -> Footage:
    """Show in a wider frame over its own blurred enlargement, as phones do.

    Args:
        footage: the copy, which stays whole.
        ratio: of the new width (height, if below 1) to the old one.
    """
    width, height = footage.size
    size = (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))
    across, down = (size[0] - width) // 2, (size[1] - height) // 2
    tiny = (max(1, width // 24), max(1, height // 24))

    def change(picture: Image.Image) -> Image.Image:
        soft = picture.resize(tiny, Image.Resampling.BOX).resize(size, Image.Resampling.BICUBIC)
        soft.paste(picture, (across, down))
        return soft

    return film.change_pictures(footage, change)
