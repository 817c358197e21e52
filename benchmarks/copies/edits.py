"""All edits with the ranges of their strengths, single or in chains of two to four.

edit = EDITS["rotate"]
step = edit.draw(random)                        # Step(name='rotate', strength={'degrees': -15})
footage = apply_step(footage, step, donor)
steps = draw_chain(random)

Ranges are those of the samplers that the copy-detection challenges published: L the third place of
VSC 2022 (AugLy's edits, one drawn), A AugLy's own Random* defaults, I the Image Similarity
Challenge 2021 (Douze et al.), S SSCD (Pizzi et al. 2022), W the winner of VSC 2022, T S2VS
(Kordopatis-Zilos et al. 2023). Implemented separately from the augmentations that train the
descriptor, so that the benchmark does not measure the training data.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from benchmarks.copies import overlay_edits, picture_edits, time_edits
from benchmarks.copies.footage import Footage

Strength = dict[str, Any]
"""Keyword arguments of an edit, as JSON values."""
Kind = Literal["look", "shape", "overlay", "time", "composition"]


@dataclass(frozen=True)
class Step:
    """An edit at a given strength, with everything needed to repeat it."""

    name: str
    strength: Strength = field(default_factory=dict)


@dataclass(frozen=True)
class Edit:
    """A kind of edit."""

    name: str
    kind: Kind
    change: Callable[..., Footage]
    strengths: Callable[[np.random.Generator], Strength]
    """Draws keyword arguments for ``change``."""
    needs_donor: bool = False
    """True if it needs another video."""

    def draw(self, random: np.random.Generator) -> Step:
        """Draw a strength."""
        return Step(self.name, self.strengths(random))


def apply_step(footage: Footage, step: Step, donor: Footage | None = None) -> Footage:
    """Apply an edit to footage.

    Args:
        footage: the footage to edit.
        step: the edit and its strength.
        donor: another video, for edits that need one.

    Raises:
        ValueError: the edit needs a donor and got none.
    """
    edit = ALL_EDITS[step.name]
    if not edit.needs_donor:
        return edit.change(footage, **step.strength)
    if donor is None:
        raise ValueError(f"{step.name} needs another video: give a donor")
    return edit.change(footage, donor=donor, **step.strength)


_Random = np.random.Generator


def _between(random: _Random, low: float, high: float) -> float:
    return round(float(random.uniform(low, high)), 3)


def _ratio(random: _Random, low: float, high: float) -> float:
    """Log-uniform: twice as large is as likely as half as large."""
    return round(float(np.exp(random.uniform(np.log(low), np.log(high)))), 3)


def _whole(random: _Random, low: int, high: int) -> int:
    """Uniform integer from low to high, inclusive."""
    return int(random.integers(low, high + 1))


def _either(random: _Random) -> bool:
    return bool(random.random() < 0.5)


def _seed(random: _Random) -> int:
    return int(random.integers(2**31))


def _colour(random: _Random) -> str:
    return "#" + bytes(random.integers(0, 256, 3, dtype=np.uint8)).hex()


def _words(random: _Random, low: int, high: int) -> str:
    letters = np.array(list(string.ascii_letters + string.digits + "  "))
    return "".join(random.choice(letters, _whole(random, low, high))).strip() or "copy"


def _signed(random: _Random, low: float, high: float) -> float:
    return _between(random, low, high) * (1 if _either(random) else -1)


def _sides(random: _Random, most: float) -> Strength:
    return {side: _between(random, 0, most) for side in ("left", "top", "right", "bottom")}


def _crop_to(share: float) -> Callable[[_Random], Strength]:
    """A window with this share of each side, at a random place."""

    def draw(random: _Random) -> Strength:
        left, top = _between(random, 0, 1 - share), _between(random, 0, 1 - share)
        right, bottom = round(1 - share - left, 3), round(1 - share - top, 3)
        return {"left": left, "top": top, "right": max(0.0, right), "bottom": max(0.0, bottom)}

    return draw


def _letterbox(random: _Random) -> Strength:
    bar = _between(random, 0.1, 0.25)
    return {"left": 0.0, "top": bar, "right": 0.0, "bottom": bar, "colour": "#000000"}


def _pillarbox(random: _Random) -> Strength:
    bar = _between(random, 0.15, 0.4)
    return {"left": bar, "top": 0.0, "right": bar, "bottom": 0.0, "colour": "#000000"}


def _fixed(**strength: Any) -> Callable[[_Random], Strength]:
    return lambda random: dict(strength)


def _trim(random: _Random) -> Strength:
    share = _between(random, 0.3, 0.8)
    start = _between(random, 0, 1 - share)
    return {"start": start, "end": round(start + share, 3)}


def _speed(random: _Random) -> Strength:
    factor = _ratio(random, 1.1, 4)
    return {"factor": factor if _either(random) else round(1 / factor, 3)}


def _text(random: _Random) -> Strength:
    return {
        "words": _words(random, 5, 15),
        "size": _between(random, 0.1, 0.3),
        "x": _between(random, 0, 0.4),
        "y": _between(random, 0, 0.7),
        "opacity": _between(random, 0.1, 1),
        "colour": _colour(random),
    }


def _text_bar(random: _Random) -> Strength:
    white = _either(random)
    return {
        "words": _words(random, 10, 24),
        "share": _between(random, 0.12, 0.22),
        "at_top": _either(random),
        "colour": "#ffffff" if white else "#000000",
        "ink": "#000000" if white else "#ffffff",
    }


def _logo(random: _Random) -> Strength:
    return {
        "size": _between(random, 0.2, 0.6),
        "x": _between(random, 0.1, 0.6),
        "y": _between(random, 0.1, 0.6),
        "opacity": _between(random, 0.5, 1),
        "colour": _colour(random),
    }


def _window(low: float, high: float, opacity: float) -> Callable[[_Random], Strength]:
    return lambda random: {
        "size": _between(random, low, high) if low < high else low,
        "x": _between(random, 0, 1),
        "y": _between(random, 0, 1),
        "opacity": _between(random, opacity, 1) if opacity < 1 else 1.0,
    }


# Of each edit: strengths, and in the comment behind it whose range that is.
_LOOKS = {
    "brightness": (picture_edits.brightness, lambda r: {"level": _signed(r, 0.1, 0.6)}),  # L
    # Around 0 nothing is left of the picture, so L's -2 to 2 has a hole.
    "contrast": (picture_edits.contrast, lambda r: {"factor": _signed(r, 0.3, 2)}),  # L
    "saturation": (picture_edits.saturation, lambda r: {"factor": _between(r, 0, 3)}),  # L
    "colour_jitter": (  # S
        picture_edits.colour_jitter,
        lambda r: {
            "brightness": _between(r, 0.2, 1.8),
            "contrast": _between(r, 0.2, 1.8),
            "saturation": _between(r, 0.2, 1.8),
            "hue": _between(r, -0.2, 0.2),
        },
    ),
    "grey": (picture_edits.saturation, _fixed(factor=0.0)),  # S
    "blur": (picture_edits.blur, lambda r: {"sigma": _between(r, 4, 12)}),  # L
    "noise": (  # L
        picture_edits.noise,
        lambda r: {"level": _between(r, 15, 60), "seed": _seed(r)},
    ),
    "pixelise": (picture_edits.pixelise, lambda r: {"ratio": _between(r, 0.1, 0.7)}),  # L
    "encode": (picture_edits.encode, lambda r: {"crf": _whole(r, 10, 45)}),  # L
    "jpeg": (picture_edits.jpeg, lambda r: {"quality": _whole(r, 1, 100)}),  # S
    "frame_rate": (  # A, but no higher than what is kept in memory
        picture_edits.frame_rate,
        lambda r: {"frames_per_second": float(_whole(r, 5, 12))},
    ),
    "scale": (picture_edits.scale, _fixed(ratio=0.5)),  # A
}
_SHAPES = {
    "aspect": (picture_edits.aspect, lambda r: {"ratio": _ratio(r, 0.5, 2)}),  # L
    "rotate": (  # L, without the 0 among its steps of 5 degrees
        picture_edits.rotate,
        lambda r: {"degrees": int(r.choice([d for d in range(-30, 26, 5) if d]))},
    ),
    "rotate_10": (
        picture_edits.rotate,
        lambda r: {"degrees": 10 if _either(r) else -10},
    ),
    "rotate_quarters": (  # S
        picture_edits.rotate_quarters,
        lambda r: {"quarters": _whole(r, 1, 3)},
    ),
    "mirror": (picture_edits.mirror, _fixed()),  # L
    "flip": (picture_edits.flip, _fixed()),  # L
    "crop": (picture_edits.crop, lambda r: _sides(r, 0.3)),  # L
    "crop_65": (picture_edits.crop, _crop_to(0.65)),
    "crop_area_15": (picture_edits.crop, _crop_to(0.15**0.5)),  # I, its least area
    "pad": (picture_edits.pad, lambda r: {**_sides(r, 0.25), "colour": _colour(r)}),  # L
    "letterbox": (picture_edits.pad, _letterbox),
    "pillarbox": (picture_edits.pad, _pillarbox),
    "blurred_background": (
        time_edits.own_blurred_background,
        lambda r: {"ratio": 1.8 if _either(r) else 0.56},
    ),
    "perspective": (  # L
        picture_edits.perspective,
        lambda r: {"sigma": _between(r, 10, 50), "shake": _between(r, 0, 4), "seed": _seed(r)},
    ),
}
_OVERLAYS = {
    "text": (overlay_edits.text, _text),  # L, S
    "text_bar": (overlay_edits.text_bar, _text_bar),
    "logo": (overlay_edits.logo, _logo),  # L
    "corner_logos": (  # W
        overlay_edits.corner_logos,
        lambda r: {
            "size": _between(r, 0.15, 0.2),
            "opacity": _between(r, 0.5, 1),
            "colour": _colour(r),
        },
    ),
    "dots": (overlay_edits.dots, lambda r: {"count": _whole(r, 50, 250), "seed": _seed(r)}),  # L
    "shapes": (overlay_edits.shapes, lambda r: {"count": _whole(r, 1, 3), "seed": _seed(r)}),  # L
}
_TIMES = {
    "trim": (time_edits.trim, _trim),
    "speed": (time_edits.speed, _speed),  # A, but for what nobody would notice
    "speed_1_5": (time_edits.speed, _fixed(factor=1.5)),
    "speed_0_67": (time_edits.speed, _fixed(factor=0.667)),
    "reverse": (time_edits.reverse, _fixed()),  # T
    "pause": (  # T: up to 8 of 32
        time_edits.pause,
        lambda r: {"at": _between(r, 0.2, 0.8), "share": _between(r, 0.1, 0.25)},
    ),
    "shuffle": (  # T
        time_edits.shuffle,
        lambda r: {"window_seconds": _between(r, 4, 8), "seed": _seed(r)},
    ),
    "drop_frames": (  # T
        time_edits.drop_frames,
        lambda r: {"share": _between(r, 0.1, 0.3), "seed": _seed(r)},
    ),
    "loop": (time_edits.loop, lambda r: {"times": _whole(r, 2, 3)}),
    "jump_cuts": (
        time_edits.jump_cuts,
        lambda r: {"window_seconds": _between(r, 3, 6), "share": _between(r, 0.1, 0.3)},
    ),
}
_COMPOSITIONS = {
    "insert_into": (time_edits.insert_into, lambda r: {"start": _between(r, 0.1, 0.9)}),  # L, A
    "insert_part": (  # L
        time_edits.insert_part,
        lambda r: {
            "seconds": _between(r, 4, 20),
            "part": _between(r, 0, 1),
            "start": _between(r, 0, 1),
        },
    ),
    "interrupt": (
        time_edits.interrupt,
        lambda r: {"at": _between(r, 0.2, 0.8), "seconds": _between(r, 2, 6)},
    ),
    "concatenate": (time_edits.concatenate, lambda r: {"donor_first": _either(r)}),
    "blend": (  # L
        time_edits.blend,
        lambda r: {"opacity": _between(r, 0.1, 0.5), "size": _between(r, 0.8, 1)},
    ),
    "cover_part": (  # L: its Overlay covers the copy
        time_edits.cover_part,
        lambda r: {"size": _between(r, 0.2, 0.4), "x": _between(r, 0, 1), "y": _between(r, 0, 1)},
    ),
    "picture_in_picture": (time_edits.picture_in_picture, _window(0.4, 0.6, 0.6)),  # I
    "picture_in_picture_60": (time_edits.picture_in_picture, _window(0.6, 0.6, 1)),
    "background": (time_edits.picture_in_picture, _window(0.7, 0.7, 1)),  # A
    "side_by_side": (time_edits.stack, lambda r: {"vertical": False, "first": _either(r)}),  # L
    "one_above_other": (time_edits.stack, lambda r: {"vertical": True, "first": _either(r)}),  # L
    "tiles": (time_edits.tiles, lambda r: {"place": _whole(r, 0, 3)}),  # W
}

_TABLE: dict[Kind, dict[str, tuple[Callable[..., Footage], Callable[[_Random], Strength]]]] = {
    "look": _LOOKS,
    "shape": _SHAPES,
    "overlay": _OVERLAYS,
    "time": _TIMES,
    "composition": _COMPOSITIONS,
}
EDITS: dict[str, Edit] = {
    name: Edit(name, kind, change, strengths, needs_donor=kind == "composition")
    for kind, edits in _TABLE.items()
    for name, (change, strengths) in edits.items()
}
"""The edits that take turns by default, by name, in a fixed order."""
_FIELD_TABLE: dict[
    Kind, dict[str, tuple[Callable[..., Footage], Callable[[_Random], Strength]]]
] = {
    "shape": {
        "portrait_crop": (picture_edits.portrait_crop, lambda r: {"place": _between(r, 0.4, 0.6)}),
    },
    "time": {
        "one_second": (
            time_edits.excerpt,
            lambda r: {"seconds": 1.0, "part": _between(r, 0, 1)},
        ),
        "trailer": (
            time_edits.trailer,
            lambda r: {"count": 5, "seconds": 2.0, "seed": _seed(r)},
        ),
    },
}
FIELD_EDITS: dict[str, Edit] = {
    name: Edit(name, kind, change, strengths)
    for kind, edits in _FIELD_TABLE.items()
    for name, (change, strengths) in edits.items()
}
"""Edits that users reported as missed. They take turns only if they are asked for by name, and no
chain has them, so that the default videos stay those of earlier measurements."""
ALL_EDITS: dict[str, Edit] = {**EDITS, **FIELD_EDITS}


def draw_chain(random: np.random.Generator, *, length: int | None = None) -> tuple[Step, ...]:
    """Draw a chain of edits.

    Args:
        random: the same state gives the same chain.
        length: number of edits; 2 to 4 at random if None.

    Returns:
        Steps of different edits, at most one of them a composition (two would bury the copy).
    """
    count = _whole(random, 2, 4) if length is None else length
    chosen: list[Edit] = []
    for name in random.permutation(list(EDITS)):
        edit = EDITS[str(name)]
        composed = any(step.needs_donor for step in chosen)
        if len(chosen) < count and not (edit.needs_donor and composed):
            chosen.append(edit)
    return tuple(edit.draw(random) for edit in chosen)
