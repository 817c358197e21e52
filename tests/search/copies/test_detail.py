"""The finer look at a match: the same details, other details of the same look, and no details."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from vidseek.search.copies.detail import Agreement, DetailComparison
from vidseek.search.copies.inspection import (
    FOOTAGE_WEIGHT,
    REFUTED_WEIGHT,
    detail_weight,
)

WORDS = ["matrix", "kernel", "lattice", "photon", "gradient", "sample", "ring", "enzyme", "verb"]
Edit = Callable[[Image.Image], Image.Image]


def slides(film: int, *, number: int = 3, lines: int = 8) -> list[Image.Image]:
    """Slides of one template with the words of a film."""
    random = np.random.default_rng(film)
    pictures = []
    for _ in range(number):
        picture = Image.new("RGB", (640, 360), "white")
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 0, 640, 50), fill=(0, 60, 140))
        for line in range(lines):
            text = " ".join(random.choice(WORDS, 5))
            draw.text((30, 60 + 34 * line), text, fill="black", font=ImageFont.load_default(20))
        pictures.append(picture)
    return pictures


def arrays(pictures: Sequence[Image.Image], *, width: int = 320) -> list[NDArray[np.uint8]]:
    return [
        np.asarray(picture.resize((width, picture.height * width // picture.width)))
        for picture in pictures
    ]


def in_window(picture: Image.Image) -> Image.Image:
    around = Image.effect_noise(picture.size, 80).convert("RGB")
    around.paste(picture.resize((384, 216)), (200, 100))
    return around


EDITS: dict[str, Edit] = {
    "none": lambda picture: picture,
    "small": lambda picture: picture.resize((240, 135)),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(2.5)),
    "brighter": lambda picture: picture.point([min(255, level + 60) for level in range(256)] * 3),
    "cropped": lambda picture: picture.crop((60, 40, 560, 330)),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "stretched": lambda picture: picture.resize((640, 640)),
    "in a window": in_window,
    "negative": ImageOps.invert,
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_copy_agrees(name: str) -> None:
    film = slides(0)
    shown = arrays([EDITS[name](picture) for picture in film])
    agreement = DetailComparison().compare(shown, arrays(film))
    assert agreement is not None
    assert agreement.changing is not None
    assert agreement.changing > 0.7
    assert detail_weight(agreement) == 1.0


def test_noise_is_not_taken_for_other_details() -> None:
    film = arrays(slides(0, lines=4))
    random = np.random.default_rng(1)
    noisy = [
        (picture + random.normal(0, 60, picture.shape)).clip(0, 255).astype(np.uint8)
        for picture in film
    ]
    assert detail_weight(DetailComparison().compare(noisy, film)) == 1.0


@pytest.mark.parametrize("name", ["none", "blurred", "cropped", "in a window"])
def test_other_words_in_the_same_template_are_no_copy(name: str) -> None:
    shown = arrays([EDITS[name](picture) for picture in slides(1)])
    agreement = DetailComparison().compare(shown, arrays(slides(0)))
    assert detail_weight(agreement) == REFUTED_WEIGHT


def test_a_single_pair_of_slides_is_told_apart() -> None:
    agreement = DetailComparison().compare(arrays(slides(1)[:1]), arrays(slides(0)[:1]))
    assert agreement is not None
    assert agreement.changing is None
    assert detail_weight(agreement) == REFUTED_WEIGHT


def test_takes_in_one_studio_are_told_apart_by_what_moves() -> None:
    random = np.random.default_rng(0)
    studio = Image.fromarray(random.integers(0, 256, (30, 53, 3), dtype=np.uint8)).resize(
        (640, 360)
    )

    def take(colour: str, places: Sequence[int]) -> list[Image.Image]:
        pictures = []
        for place in places:
            picture = studio.copy()
            draw = ImageDraw.Draw(picture)
            for row in range(5):
                box = (place + 17 * row, 120 + 40 * row, place + 90, 150 + 40 * row)
                draw.ellipse(box, fill=colour, outline="black", width=4)
            pictures.append(picture)
        return pictures

    first = take("red", (80, 200, 320))
    same = DetailComparison().compare(arrays(first), arrays(first))
    other = DetailComparison().compare(arrays(take("blue", (400, 110, 250))), arrays(first))
    assert detail_weight(same) == 1.0
    assert detail_weight(other) <= FOOTAGE_WEIGHT


def test_footage_whose_moments_differ_keeps_most_of_its_score() -> None:
    random = np.random.default_rng(2)
    footage = [random.integers(0, 256, (90, 160, 3)).astype(np.uint8) for _ in range(6)]
    agreement = DetailComparison().compare(footage[:3], footage[3:])
    assert agreement is not None
    assert not agreement.is_drawn
    assert detail_weight(agreement) == FOOTAGE_WEIGHT


def test_pictures_without_details_are_not_judged() -> None:
    grey = [np.full((180, 320, 3), level, np.uint8) for level in (20, 90)]
    agreement = DetailComparison().compare(grey, grey)
    assert agreement is None
    assert detail_weight(agreement) == 1.0


def test_the_weight_falls_with_the_agreement() -> None:
    weights = [
        detail_weight(Agreement(whole, changing))
        for whole, changing in ((1.0, 1.0), (0.5, 0.36), (0.9, 0.1), (0.2, 0.1))
    ]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == 1.0
    assert weights[-1] == REFUTED_WEIGHT
