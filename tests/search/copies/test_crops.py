"""Parts of a picture that may hold a copy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vidseek.search.copies.crops import moving_box, query_crops, without_borders


def film(count: int = 8, height: int = 90, width: int = 160) -> NDArray[np.uint8]:
    """Pictures that change at every pixel."""
    random = np.random.default_rng(3)
    return random.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("colour", [(0, 0, 0), (200, 30, 90)])
def test_bars_of_one_colour_are_cut_off(colour: tuple[int, int, int]) -> None:
    whole = np.empty((8, 130, 200, 3), np.uint8)
    whole[:] = colour
    whole[:, 20:110, 30:190] = film()
    inner = without_borders(whole)
    assert inner is not None
    assert inner.shape == (8, 90, 160, 3)


def test_a_picture_without_bars_is_left_alone() -> None:
    assert without_borders(film()) is None


def test_a_black_film_has_no_inside() -> None:
    assert without_borders(np.zeros((4, 90, 160, 3), np.uint8)) is None


def test_the_window_that_moves_on_a_still_background_is_found() -> None:
    whole = np.repeat(film(1, 180, 320), 8, axis=0)
    whole[:, 30:120, 100:260] = film()
    box = moving_box(whole)
    assert box is not None
    assert abs(box.shape[1] - 90) <= 4
    assert abs(box.shape[2] - 160) <= 4


def test_where_everything_moves_there_is_no_window() -> None:
    assert moving_box(film()) is None


def test_halves_and_quarters_are_looked_at() -> None:
    crops = {crop.name: crop.pictures.shape[1:3] for crop in query_crops(film())}
    assert crops["left half"] == (90, 80)
    assert crops["lower right quarter"] == (45, 80)
    assert crops["turned left"] == (160, 90)


def test_a_tiny_picture_has_no_parts_but_turns() -> None:
    crops = [crop.name for crop in query_crops(film(2, 12, 12))]
    assert crops == ["upside down", "turned left", "turned right"]
