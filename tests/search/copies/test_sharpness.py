"""Which of two copies is sharper, from their thumbnails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from vidseek.core.types import TimeSpan
from vidseek.search.copies.sharpness import Sharpness
from vidseek.video.thumbnail import encode_thumbnail

SPAN = TimeSpan(0.0, 12.0)


def photographs() -> list[Image.Image]:
    """Three pictures with detail of every size, as films have it."""
    rng = np.random.default_rng(3)
    pictures = []
    for _ in range(3):
        layers = np.zeros((360, 640, 3))
        for size in (5, 10, 20, 40, 80, 160, 320):
            coarse = rng.normal(size=(size * 9 // 16 + 1, size, 3))
            layer = Image.fromarray((coarse * 30 + 128).clip(0, 255).astype(np.uint8))
            layers += np.asarray(layer.resize((640, 360), Image.Resampling.BICUBIC), float) - 128
        pictures.append(Image.fromarray((layers * 0.6 + 128).clip(0, 255).astype(np.uint8)))
    return pictures


def noisy(picture: Image.Image) -> Image.Image:
    rng = np.random.default_rng(5)
    pixels = np.asarray(picture, float) + rng.normal(0, 10, (*picture.size[::-1], 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "original": lambda picture: picture,
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(3)),
    "enlarged": lambda picture: picture.resize((107, 60)).resize((1280, 720)),
    "small": lambda picture: picture.resize((160, 90)),
    "letterboxed": lambda picture: ImageOps.pad(picture, (640, 640)),
    "dimmed": lambda picture: Image.blend(picture, Image.new("RGB", picture.size), 0.4),
    "noisy": noisy,
}


@pytest.fixture
def compared(shelf: Any) -> Callable[[str, str], bool]:
    """Tells whether an edit of the photographs is softer than another."""
    stored = {}
    for name, edit in EDITS.items():
        video = shelf.add(f"{name}.mp4", ["grey"] * 3)
        stored[name] = video.id
        for clip, photograph in zip(shelf.store.videos.clips(video.id), photographs(), strict=True):
            pixels: NDArray[np.uint8] = np.asarray(edit(photograph))
            jpeg = encode_thumbnail(pixels)
            shelf.store.write_thumbnail(video.content_hash, clip.middle_frame_seconds, jpeg)
    sharpness = Sharpness(shelf.store)

    def is_softer(copy: str, other: str) -> bool:
        return sharpness.is_softer((stored[copy], [SPAN]), (stored[other], [SPAN]))

    return is_softer


def test_blurred_and_enlarged_copies_are_softer(compared: Callable[[str, str], bool]) -> None:
    for soft in ("blurred", "enlarged"):
        for sharp in ("original", "letterboxed", "dimmed", "noisy"):
            assert compared(soft, sharp), (soft, sharp)
            assert not compared(sharp, soft), (soft, sharp)


def test_copies_of_other_sizes_shapes_and_brightness_are_as_sharp(
    compared: Callable[[str, str], bool],
) -> None:
    same = ("original", "small", "letterboxed", "dimmed", "noisy")
    assert [(a, b) for a in same for b in same if compared(a, b)] == []


def test_nothing_is_softer_than_a_gif(shelf: Any) -> None:
    film, gif = shelf.add("film.mp4", ["grey"] * 3), shelf.add("a.gif", ["grey"] * 3, codec="gif")
    for video, edit in ((film, "original"), (gif, "dithered")):
        for clip, photograph in zip(shelf.store.videos.clips(video.id), photographs(), strict=True):
            shown = photograph
            if edit == "dithered":
                shown = photograph.resize((200, 112)).convert("1").convert("RGB")
            jpeg = encode_thumbnail(np.asarray(shown))
            shelf.store.write_thumbnail(video.content_hash, clip.middle_frame_seconds, jpeg)
    assert not Sharpness(shelf.store).is_softer((film.id, [SPAN]), (gif.id, [SPAN]))


def test_videos_without_thumbnails_are_not_compared(shelf: Any, tmp_path: Path) -> None:
    ours, theirs = (shelf.add(name, ["grey"]) for name in ("a.mp4", "b.mp4"))
    assert not Sharpness(shelf.store).is_softer((ours.id, [SPAN]), (theirs.id, [SPAN]))
    assert not Sharpness(shelf.store).is_softer((ours.id, [SPAN]), (999, [SPAN]))
