from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from vidseek.core.types import Clip, TimeSpan
from vidseek.search.moments.merging import (
    DEFAULT_MARGIN,
    MAX_MOMENT_SECONDS,
    NEIGHBOUR_ODDS,
    ScoredClip,
    find_moments,
    merge_margin,
)

MARGIN = 0.1


def run_of(*scores: float, video_id: int = 1, seconds: float = 5.0) -> list[ScoredClip]:
    """Adjacent clips of one video, in order of time."""
    return [
        ScoredClip(
            Clip(
                video_id * 1000 + index,
                video_id,
                TimeSpan(index * seconds, (index + 1) * seconds),
                (index * seconds,),
            ),
            score,
        )
        for index, score in enumerate(scores)
    ]


def moments_of(*clips: ScoredClip, margin: float = MARGIN):
    ranked = sorted(clips, key=lambda scored: (-scored.score, scored.clip.id))
    return list(find_moments(ranked, margin=margin))


def spans(moments) -> list[tuple[float, float]]:
    return [(moment.span.start_seconds, moment.span.end_seconds) for moment in moments]


def test_adjacent_clips_that_both_answer_well_are_one_moment() -> None:
    moments = moments_of(*run_of(0.1, 0.8, 0.75, 0.2))
    assert spans(moments)[0] == (5, 15)
    assert moments[0].score == 0.8
    assert [clip.id for clip in moments[0].clips] == [1001, 1002]


def test_a_clearly_weaker_neighbour_is_a_moment_of_its_own() -> None:
    assert spans(moments_of(*run_of(0.8, 0.69))) == [(0, 5), (5, 10)]


def test_slowly_sinking_scores_do_not_drag_a_moment_along() -> None:
    moments = moments_of(*run_of(0.80, 0.76, 0.72, 0.68, 0.64))
    assert spans(moments)[0] == (0, 15), "neighbours are compared with the best, not the last"


def test_clips_with_a_stretch_between_them_stay_apart() -> None:
    first, _, third = run_of(0.8, 0.0, 0.8)
    assert spans(moments_of(first, third)) == [(0, 5), (10, 15)]


def test_clips_of_two_videos_stay_apart() -> None:
    moments = moments_of(*run_of(0.8), *run_of(0.8, video_id=2))
    assert [moment.video_id for moment in moments] == [1, 2]


def test_a_long_even_run_is_cut_into_useful_moments() -> None:
    moments = moments_of(*run_of(*[0.8] * 24))
    assert all(moment.span.duration_seconds <= MAX_MOMENT_SECONDS for moment in moments)
    assert len(moments) == 24 * 5 / MAX_MOMENT_SECONDS


def test_the_better_neighbour_joins_first_where_only_one_fits() -> None:
    clips = run_of(0.75, 0.80, 0.78, seconds=12.0)
    assert spans(moments_of(*clips))[0] == (12, 36)


def test_one_clip_longer_than_a_moment_may_be_is_still_a_hit() -> None:
    assert spans(moments_of(*run_of(0.8, 0.8, seconds=45.0))) == [(0, 45), (45, 90)]


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 30), st.floats(-1, 1)),
        unique_by=lambda row: row[:2],
        max_size=60,
    )
)
def test_every_clip_is_in_exactly_one_moment_and_order_is_by_score(rows) -> None:
    clips = [
        ScoredClip(Clip(v * 100 + i, v, TimeSpan(i * 4.0, i * 4.0 + 4), (i * 4.0,)), score)
        for v, i, score in rows
    ]
    moments = moments_of(*clips)
    score_of = {scored.clip.id: scored.score for scored in clips}
    ids = [clip.id for moment in moments for clip in moment.clips]
    assert sorted(ids) == sorted(score_of)
    scores = [moment.score for moment in moments]
    assert scores == sorted(scores, reverse=True)
    for moment in moments:
        assert moment.score == max(score_of[clip.id] for clip in moment.clips)
        assert min(score_of[clip.id] for clip in moment.clips) >= moment.score - MARGIN
        assert len({clip.video_id for clip in moment.clips}) == 1
        assert moment.span.duration_seconds <= MAX_MOMENT_SECONDS
        assert math.isclose(moment.span.duration_seconds, 4.0 * len(moment.clips))


def test_margin_is_a_ratio_of_odds_where_scores_are_calibrated() -> None:
    scale = 20.0
    odds = math.exp(-scale * merge_margin(scale))
    assert math.isclose(odds, NEIGHBOUR_ODDS)
    assert merge_margin(None) == DEFAULT_MARGIN
