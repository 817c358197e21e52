"""What a stretch of a video counts for; verdicts on stills and on films behind one card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from frame_sequences import SyntheticVideo, shown
from library_pairs import match, video

from vidseek.core.types import CopyVerdict, TimeSpan
from vidseek.search.copies.alignment.align import align
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.duplicate_groups import group_videos
from vidseek.search.copies.information import STILL_SECONDS, Information
from vidseek.search.copies.scoring import MIN_SIMILARITY, THRESHOLDS, score_alignment
from vidseek.search.copies.upload import Upload
from vidseek.search.copies.verdict import make_verdict

CARD = SyntheticVideo(1, 2).at(np.array([0.5]))


def behind_card(film: FrameSequence, card_seconds: float, *, noise: float = 0.05) -> FrameSequence:
    """A film after a card that stays on the screen."""
    times = np.arange(0, card_seconds, 0.5)
    card = shown(np.repeat(CARD, len(times), axis=0), times, noise=noise)
    return FrameSequence(
        np.concatenate([card.vectors, film.vectors]),
        np.concatenate([card.seconds, film.seconds + card_seconds]),
    )


def verdict_on(upload: FrameSequence, reference: FrameSequence) -> CopyVerdict:
    """The verdict at `strict`, which lists every match."""
    seconds = float(upload.seconds[-1]) + 0.5
    stored = replace(video(1), duration_seconds=float(reference.seconds[-1]) + 0.5)
    matches = [
        score_alignment(alignment, stored, seconds, None)
        for alignment in align(upload, reference, min_similarity=MIN_SIMILARITY)
    ]
    pictures = np.zeros((0, 1, 1, 3), np.uint8)
    return make_verdict(
        Upload(seconds, upload, pictures, np.zeros(0)),
        matches,
        [False] * len(matches),
        {1: stored} if matches else {},
        {1: reference},
        THRESHOLDS["strict"],
    )


@pytest.mark.parametrize("card_seconds", [20, 100, 600])
def test_films_behind_one_card_are_no_copies(card_seconds: float) -> None:
    first, second = SyntheticVideo(2, 18).frames(), SyntheticVideo(3, 18).frames()
    verdict = verdict_on(behind_card(first, card_seconds), behind_card(second, card_seconds))
    assert verdict.kind == "new", "what a card says is never sure"
    assert [found.kind for found in verdict.matches] == ["partial"]


def test_a_copy_with_a_long_card_is_a_duplicate() -> None:
    film = SyntheticVideo(2, 18)
    upload = behind_card(film.frames(noise=0.4), 100, noise=0.1)
    assert verdict_on(upload, behind_card(film.frames(), 100)).kind == "duplicate"


def test_a_still_of_a_film_is_never_sure() -> None:
    film = SyntheticVideo(2, 10)
    held = np.arange(0, 8, 0.5)
    still = shown(film.at(np.full(len(held), 5.0)), held, noise=0.05)
    verdict = verdict_on(still, film.frames())
    assert verdict.kind == "new"
    assert {found.kind for found in verdict.matches} <= {"partial"}
    # A library that holds a still and an upload of the same still, too.
    verdict = verdict_on(still, shown(film.at(np.full(len(held), 5.0)), held, noise=0.06, seed=3))
    assert verdict.kind == "new"
    assert [found.kind for found in verdict.matches] == ["partial"]


def test_a_picture_counts_for_a_few_seconds() -> None:
    film = SyntheticVideo(2, 18).frames()
    information = Information.of_frames(behind_card(film, 100))
    assert information.counted_seconds([TimeSpan(0, 100)]) == pytest.approx(STILL_SECONDS, rel=0.2)
    assert information.share([TimeSpan(100, 118)]) == pytest.approx(18 / 22, abs=0.05)
    assert information.share([TimeSpan(0, 118)]) == pytest.approx(1, abs=0.01)
    assert Information.of_frames(FrameSequence(film.vectors[:0], film.seconds[:0])).share([]) == 0


def test_stills_are_no_group() -> None:
    times = np.arange(0, 60, 1.0)
    still = Information.of_frames(shown(np.repeat(CARD, 60, axis=0), times, noise=0.05))
    film = Information.of_frames(SyntheticVideo(2, 60).frames())
    videos = {1: video(1), 2: video(2)}
    matches = [match(2, 1, 0, 60)]
    assert group_videos(videos, matches, {1: still, 2: still}) == []
    assert len(group_videos(videos, matches, {1: film, 2: film})) == 1


def test_films_behind_one_card_are_no_group() -> None:
    videos = {1: video(1, 118), 2: video(2, 118)}
    information = {
        number: Information.of_frames(behind_card(SyntheticVideo(number, 18).frames(), 100))
        for number in videos
    }
    assert group_videos(videos, [match(2, 1, 0, 100)], information) == []
    assert len(group_videos(videos, [match(2, 1, 0, 118)], information)) == 1


def test_a_file_whose_clock_leaps_is_not_kept() -> None:
    film = SyntheticVideo(2, 60).frames()
    leaps = FrameSequence(film.vectors, np.append(film.seconds[:-2], [3600.0, 3600.5]))
    videos = {1: video(1, 60), 2: video(2, 3601, height=720)}
    information = {1: Information.of_frames(film), 2: Information.of_frames(leaps)}
    (group,) = group_videos(videos, [match(2, 1, 0, 59)], information)
    assert (group.members[0].video.id, group.why) == (1, "not damaged")
