"""Which way round a picture is, on photographs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from vidseek.demo import clips as demo_clips
from vidseek.search.copies.mirroring import MIN_LEAD, mirror_lead

NAMES = ("chelsea.png", "rocket.jpg", "coffee.png", "camera.png")


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    return [
        next(iter(demo_clips.film_scene(demo_clips.Scene(name, 1, (0, 0, 1), (0, 0, 1)))))
        for name in NAMES
    ]


def cropped(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((width // 5, height // 6, width * 9 // 10, height * 19 // 20))


def padded(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return ImageOps.expand(picture, (width // 8, height // 3, width // 8, height // 4))


EDITS = {
    "nothing": lambda picture: picture,
    "crop": cropped,
    "bars": padded,
    "negative": ImageOps.invert,
    "grey": ImageOps.grayscale,
    "quarter turn": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "half turn": lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    "small and large again": lambda picture: picture.resize((64, 40)).resize(picture.size),
    "another shape": lambda picture: picture.resize((300, 300)),
}


@pytest.mark.parametrize("edit", list(EDITS))
@pytest.mark.parametrize(
    ("flip", "is_mirrored"),
    [(None, False), (ImageOps.mirror, True), (ImageOps.flip, True)],
    ids=["as it is", "mirror", "flip"],
)
def test_flips_are_seen_through_edits(photographs, edit, flip, is_mirrored):
    for name, picture in zip(NAMES, photographs, strict=True):
        edited = EDITS[edit](flip(picture) if flip else picture).convert("RGB")
        lead = mirror_lead([np.asarray(edited)], [np.asarray(picture)])
        assert (lead > MIN_LEAD) == is_mirrored, (name, lead)
        assert -1 <= lead <= 1


def test_what_is_symmetrical_or_empty_leans_to_neither_side():
    stripes = np.zeros((60, 90, 3), np.uint8)
    stripes[::7] = 255
    plain = np.full((60, 90, 3), 90, np.uint8)
    for picture in (stripes, plain):
        assert abs(mirror_lead([picture], [picture])) < 1e-3


def test_pairs_speak_together(photographs):
    pictures = [np.asarray(picture) for picture in photographs]
    flipped = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
    both = mirror_lead([flipped[0], pictures[1]], pictures[:2])
    apart = [mirror_lead(flipped[:1], pictures[:1]), mirror_lead(pictures[1:2], pictures[1:2])]
    assert both == pytest.approx(sum(apart) / 2, abs=1e-5)
