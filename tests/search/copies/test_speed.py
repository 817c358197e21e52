"""Speeds and directions that matches are told to have, on footage that moves and that does not."""

from __future__ import annotations

import numpy as np
import pytest
from frame_sequences import SyntheticVideo, shown, unit_vectors

from vidseek.search.copies.alignment.align import align
from vidseek.search.copies.alignment.sequence import Alignment, FrameSequence
from vidseek.search.copies.scoring import MIN_SIMILARITY

RATES = [1.5, 1.25, 1.0, 0.75, -1.0, -1.5]


def film_of(seed: int, motion: float, seconds: float = 12.0) -> SyntheticVideo:
    """A film whose pictures differ from their mean by this share only."""
    film = SyntheticVideo(seed, seconds)
    mean = unit_vectors(np.random.default_rng(seed + 1000).standard_normal((1, 128)))
    film.knots = unit_vectors(mean + motion * film.knots)
    return film


def copy_of(film: SyntheticVideo, speed: float, noise: float) -> FrameSequence:
    """The whole film at a speed, two frames a second, with the noise of an edit."""
    times = np.arange(0, film.seconds / abs(speed), 0.5)
    there = speed * times if speed > 0 else film.seconds + speed * times
    return shown(film.at(there), times, noise=noise)


def found(film: SyntheticVideo, speed: float, noise: float) -> Alignment:
    matches = align(
        copy_of(film, speed, noise), film.frames(rate=1.0), min_similarity=MIN_SIMILARITY
    )
    return matches[0]


@pytest.mark.parametrize("speed", RATES)
@pytest.mark.parametrize("motion", [2.0, 0.5])
def test_the_speed_of_a_film_that_moves_is_right(speed: float, motion: float) -> None:
    for seed in range(2):
        match = found(film_of(seed, motion), speed, noise=0.2)
        assert match.is_speed_known
        assert match.speed == pytest.approx(speed, rel=0.1)


@pytest.mark.parametrize("speed", RATES)
@pytest.mark.parametrize("motion", [0.25, 0.1, 0.03])
def test_the_speed_of_a_film_that_hardly_moves_is_right_or_not_told(
    speed: float, motion: float
) -> None:
    for seed in range(2):
        match = found(film_of(seed, motion), speed, noise=0.2)
        assert not match.is_speed_known or match.speed == pytest.approx(speed, rel=0.12)


def test_a_second_tells_no_speed() -> None:
    film = film_of(1, 0.5)
    second = film.frames(start=5.0, end=6.0)
    second = FrameSequence(second.vectors, second.seconds - 5.0)
    (match,) = align(second, film.frames(rate=1.0), min_similarity=MIN_SIMILARITY)
    assert not match.is_speed_known
    assert 4.0 <= match.reference.start_seconds <= 5.5
