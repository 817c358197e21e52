"""The copy descriptor that ships."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from vidseek.core.errors import WeightsError
from vidseek.demo.clips import load_photograph
from vidseek.encoders.copies.descriptor import (
    BACKGROUND_FILE,
    MANIFEST_FILE,
    NETWORK_FILE,
    CopyDescriptor,
    is_flat,
    packed,
    unpacked,
)
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.search.copies.scoring import MIN_SIMILARITY

PHOTOGRAPHS = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg", "camera.png", "moon.png")


@pytest.fixture(scope="module")
def descriptor() -> CopyDescriptor:
    return CopyDescriptor()


def pixels(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.resize((320, 240)))


def test_an_edited_picture_is_nearer_to_its_own_than_to_all_others(
    descriptor: CopyDescriptor,
) -> None:
    pictures = [load_photograph(name) for name in PHOTOGRAPHS]
    held = descriptor.describe(np.stack([pixels(one) for one in pictures]))
    edited = []
    for one in pictures:
        width, height = one.size
        part = one.crop((int(0.1 * width), int(0.1 * height), int(0.85 * width), int(0.9 * height)))
        mirrored = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        edited.append(pixels(ImageEnhance.Brightness(mirrored).enhance(0.6)))
    queries = descriptor.describe(np.stack(edited))
    surplus = queries @ held.T - descriptor.noise(queries)[:, None]
    assert (surplus.argmax(1) == np.arange(len(pictures))).all()
    # What the search decides by. Processors compute int8 a little differently.
    assert np.diag(surplus).min() > MIN_SIMILARITY
    assert surplus[~np.eye(len(pictures), dtype=bool)].max() < MIN_SIMILARITY


def test_vectors_are_of_unit_length_and_survive_storing(descriptor: CopyDescriptor) -> None:
    random = np.random.default_rng(1)
    frames = random.integers(0, 256, (9, 40, 70, 3), dtype=np.uint8)
    vectors = descriptor.describe(frames)
    assert vectors.shape == (9, descriptor.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(9), abs=1e-3)
    again = unpacked(packed(vectors))
    assert (again * vectors).sum(1).min() > 0.995
    assert descriptor.describe(frames[:0]).shape == (0, descriptor.dimension)


def test_one_frame_at_a_time_is_the_same_as_many(descriptor: CopyDescriptor) -> None:
    frames = np.stack([pixels(load_photograph(name)) for name in PHOTOGRAPHS])
    single = np.concatenate([descriptor.describe(frame[None]) for frame in frames])
    assert (single * descriptor.describe(frames)).sum(1).min() > 0.995


def test_frames_of_one_colour_are_flat() -> None:
    frames = np.zeros((3, 60, 80, 3), np.uint8)
    frames[1] = 200
    frames[2, :, 40:] = 255
    assert is_flat(frames).tolist() == [True, True, False]


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 4), (2, 0, 8, 3)])
def test_what_is_no_frame_is_refused(descriptor: CopyDescriptor, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frames must be"):
        descriptor.describe(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("file", [NETWORK_FILE, BACKGROUND_FILE])
def test_damaged_weights_are_refused_by_name(tmp_path: Path, file: str) -> None:
    for name in (NETWORK_FILE, BACKGROUND_FILE, MANIFEST_FILE):
        shutil.copy(WEIGHTS_FOLDER / name, tmp_path)
    blob = bytearray((tmp_path / file).read_bytes())
    blob[len(blob) // 2] ^= 1
    (tmp_path / file).write_bytes(blob)
    damaged = CopyDescriptor(tmp_path)
    with pytest.raises(WeightsError, match=file):
        damaged.noise(damaged.describe(np.zeros((1, 8, 8, 3), np.uint8)))


def test_another_format_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        CopyDescriptor(tmp_path)
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({"format": 99}))
    with pytest.raises(WeightsError, match="another version"):
        CopyDescriptor(tmp_path)
