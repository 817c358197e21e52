"""Spans from the similarity curve: on made curves, and through the engine."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseek.core.types import Clip, SearchHit, TimeSpan, VideoFilter
from vidseek.search.moments.localization import (
    CONTEXT_SECONDS,
    best_window,
    localize_moments,
    similarity_curve,
)
from vidseek.search.moments.merging import MAX_MOMENT_SECONDS, ScoredClip


def clips_of(*seconds: float, video_id: int = 1) -> list[Clip]:
    """Adjacent clips of these lengths, each with a frame in the middle."""
    edges = np.concatenate([[0.0], np.cumsum(seconds)]).tolist()
    return [
        Clip(1000 * video_id + i, video_id, TimeSpan(start, end), ((start + end) / 2,))
        for i, (start, end) in enumerate(itertools.pairwise(edges))
    ]


def window(curve: Sequence[float], anchor: int, *, seconds: float = 5.0, **options):
    return best_window(clips_of(*[seconds] * len(curve)), curve, anchor=anchor, **options)


def direction(*parts: float):
    vector = np.array(parts, np.float32)
    return vector / np.linalg.norm(vector)


# Windows of a curve


def test_a_peak_of_one_clip_is_a_moment_of_one_clip() -> None:
    assert window([0.2, 0.2, 0.9, 0.2, 0.2], 2) == (2, 2)


def test_a_plateau_is_taken_whole_and_its_slopes_are_not() -> None:
    assert window([0.1, 0.5, 0.9, 0.88, 0.9, 0.4, 0.1, 0.1], 3) == (2, 4)


def test_a_short_dip_inside_a_moment_does_not_end_it() -> None:
    clips = clips_of(5, 5, 2, 5, 5, 20)
    assert best_window(clips, [0.1, 0.9, 0.6, 0.9, 0.1, 0.1], anchor=1) == (1, 3)


def test_a_second_peak_far_away_is_another_moment() -> None:
    assert window([0.9, 0.1, 0.1, 0.9, 0.1], 0) == (0, 0)


def test_where_the_curve_is_flat_the_window_is_as_long_as_may_be() -> None:
    assert window([0.7] * 20, 10) == (5, 10), "of six clips, the earliest"
    noisy = 0.7 + np.random.default_rng(0).uniform(-5e-4, 5e-4, 20)
    first, last = window(noisy.tolist(), 10)
    assert last - first == 5, "rounding must not cut a moment"


def test_a_window_keeps_out_of_other_moments() -> None:
    assert window([0.9] * 6, 3, taken={1001, 1002, 1005}) == (3, 4)


def test_a_window_does_not_reach_over_a_hole_in_the_video() -> None:
    before, after = clips_of(5, 5), [Clip(9, 1, TimeSpan(14, 19), (16,))]
    assert best_window([*before, *after], [0.9] * 3, anchor=1) == (0, 1)
    assert best_window([*before, *after], [0.9] * 3, anchor=2) == (2, 2)


def test_a_clip_longer_than_a_moment_may_be_stands_alone() -> None:
    assert best_window(clips_of(5, 45, 5), [0.9] * 3, anchor=1) == (1, 1)


def test_a_video_of_one_clip_or_of_no_length_has_one_window() -> None:
    assert best_window(clips_of(7), [0.3], anchor=0) == (0, 0)
    assert best_window(clips_of(0), [0.3], anchor=0) == (0, 0)


@given(
    st.lists(st.tuples(st.floats(0.5, 12), st.floats(-1, 1)), min_size=1, max_size=40),
    st.data(),
)
def test_every_window_holds_its_anchor_and_keeps_the_limits(rows, data) -> None:
    clips = clips_of(*[seconds for seconds, _ in rows])
    anchor = data.draw(st.integers(0, len(rows) - 1))
    taken = data.draw(st.sets(st.integers(0, len(rows) - 1))) - {anchor}
    ids = {clips[index].id for index in taken}
    first, last = best_window(clips, [value for _, value in rows], anchor=anchor, taken=ids)
    assert first <= anchor <= last
    assert not taken & set(range(first, last + 1))
    length = clips[last].span.end_seconds - clips[first].span.start_seconds
    assert length <= MAX_MOMENT_SECONDS


# The curve


def test_the_curve_is_high_where_frames_answer_and_look_like_the_anchor() -> None:
    query, other = direction(1, 0, 0), direction(0, 0, 1)
    anchor, same_scene, elsewhere = direction(1, 2, 0), direction(0.8, 2, 0), direction(1, 0, 2)
    frames = [vector[None] for vector in (anchor, same_scene, elsewhere, other)]
    clips = clips_of(5, 5, 5, 5)
    curve = similarity_curve(clips, frames, query, anchor=0)
    assert curve[0] > curve[1] > curve[2] > curve[3]
    words = similarity_curve(clips, frames, query, anchor=0, picture_weight=0)
    assert words == pytest.approx([float(vector[0] @ query) for vector in frames], abs=1e-6)


def test_a_frame_counts_for_as_long_as_nothing_newer_was_sampled() -> None:
    query = direction(1, 0)
    clip = Clip(1, 1, TimeSpan(0, 10), (0.0, 0.5, 1.0, 9.0))
    match, miss = direction(1, 0), direction(0, 1)
    frames = [np.stack([miss, miss, miss, match])]
    (value,) = similarity_curve([clip], frames, query, anchor=0, picture_weight=0)
    assert value == pytest.approx(0.5, abs=1e-3), "the last frame stands for 5 of 10 seconds"


def test_a_frame_that_clips_share_counts_in_each_of_them() -> None:
    """A still shown for a minute: clips of ten seconds, all with the frame at 0."""
    query = direction(1, 0)
    clips = [Clip(i, 1, TimeSpan(10.0 * i, 10.0 * i + 10), (0.0,)) for i in range(6)]
    curve = similarity_curve(clips, [direction(1, 1)[None]] * 6, query, anchor=3)
    assert curve == pytest.approx([curve[0]] * 6)
    assert best_window(clips, curve, anchor=3) == (1, 3)


# Moments


class Tape:
    """Clips of a few videos with one vector each, which records what is read."""

    def __init__(self, *videos: Sequence[Sequence[float]]) -> None:
        self.clips = [clips_of(*[5.0] * len(video), video_id=i) for i, video in enumerate(videos)]
        self.vectors = [[direction(*parts) for parts in video] for video in videos]
        self.read: list[int] = []

    def around(self, video_id: int, span: TimeSpan):
        inside = [i for i, clip in enumerate(self.clips[video_id]) if clip.span.overlap(span)]
        self.read.append(len(inside))
        return (
            [self.clips[video_id][i] for i in inside],
            [self.vectors[video_id][i][None] for i in inside],
        )

    def moments(self, query, k: int = 100):
        ranked = [
            ScoredClip(clip, float(vector @ query))
            for clips, vectors in zip(self.clips, self.vectors, strict=True)
            for clip, vector in zip(clips, vectors, strict=True)
        ]
        ranked.sort(key=lambda scored: (-scored.score, scored.clip.id))
        return list(itertools.islice(localize_moments(ranked, query, self.around), k))


MATCH, NEAR, MISS = (1.0, 0.0), (1.0, 0.5), (0.0, 1.0)
QUERY = direction(1, 0)


def spans(moments) -> list[tuple[float, float]]:
    return [(moment.span.start_seconds, moment.span.end_seconds) for moment in moments]


def test_moments_come_best_first_and_do_not_overlap() -> None:
    tape = Tape([MISS, MATCH, MATCH, MISS, MISS, NEAR, MISS, MISS])
    moments = tape.moments(QUERY)
    assert spans(moments)[:2] == [(5, 15), (25, 30)]
    ids = [clip.id for moment in moments for clip in moment.clips]
    assert sorted(ids) == [clip.id for clip in tape.clips[0]], "each clip in one moment"


def test_fewer_moments_are_the_first_of_more_and_only_theirs_are_read() -> None:
    tape = Tape([MISS, MATCH, MISS, NEAR, MISS] * 3, [NEAR, MISS, MATCH, MISS])
    everything = tape.moments(QUERY)
    for k in range(1, len(everything)):
        tape.read.clear()
        assert tape.moments(QUERY, k=k) == everything[:k]
        assert len(tape.read) == k


def test_of_ten_hours_only_what_is_near_is_read() -> None:
    length = 10 * 3600 // 5
    video = [MISS] * length
    video[length // 2 : length // 2 + 3] = [MATCH] * 3
    tape = Tape(video)
    (moment,) = tape.moments(QUERY, k=1)
    assert moment.span == TimeSpan(18_000, 18_015)
    assert tape.read == [2 * CONTEXT_SECONDS / 5 + 1]


# Through the engine


def places(hits: list[SearchHit]) -> list[tuple[str, float, float]]:
    return [(hit.video.path.name, hit.span.start_seconds, hit.span.end_seconds) for hit in hits]


@pytest.fixture
def filled(shelf):
    shelf.add("a.mp4", ["grey", "red", "red", "grey", "pink", "black"])
    shelf.add("b.mp4", ["blue", "blue", "green", "black"])
    shelf.add("c.mp4", ["white", "yellow", "black", "white"])
    return shelf


def test_a_scene_of_two_clips_is_one_hit_with_all_its_frames(filled) -> None:
    (hit,) = filled.search("red", k=1, refine_spans=True)
    assert places([hit]) == [("a.mp4", 4, 12)]
    assert [frame.seconds for frame in hit.frames] == [4.5 + i for i in range(8)]
    assert places(filled.search("yellow", k=1, refine_spans=True)) == [("c.mp4", 4, 8)]


def test_the_same_scene_is_one_hit_where_its_score_wavers(shelf) -> None:
    """Merging by score cuts at the shot in which the words fit less; the picture goes on."""
    shelf.add("a.mp4", ["black", ((220, 30, 30),), ((220, 75, 75),), "black", "white", "grey"])
    (merged,) = shelf.search("red", k=1)
    (tight,) = shelf.search("red", k=1, refine_spans=True)
    assert merged.span == TimeSpan(4, 8)
    assert tight.span == TimeSpan(4, 12)
    assert tight.score == merged.score


def test_hits_stay_the_same_for_every_k_and_every_time(shelf) -> None:
    colours = ["red", "green", "blue", "yellow", "pink", "white", "grey", "black"]
    for index in range(24):
        start = index % len(colours)
        shelf.add(f"{index:02}.mp4", (colours[start:] + colours[:start]) * 2)
    everything = shelf.search("yellow", k=10_000, refine_spans=True)
    assert sum(len(hit.frames) for hit in everything) == 24 * 16 * 4, "every clip is in one hit"
    assert shelf.search("yellow", k=10_000, refine_spans=True) == everything
    for k in (1, 7, 60, 300):
        assert shelf.search("yellow", k=k, refine_spans=True) == everything[:k]


def test_limits_and_filters_hold(filled) -> None:
    hits = filled.search("red", k=9, per_video=1, refine_spans=True)
    assert sorted(hit.video.path.name for hit in hits) == ["a.mp4", "b.mp4", "c.mp4"]
    where = VideoFilter(path_glob="*c.mp4")
    hits = filled.search("red", k=50, where=where, refine_spans=True)
    assert {hit.video.path.name for hit in hits} == {"c.mp4"}
    hits = filled.search("red", k=50, not_text="pink", refine_spans=True)
    assert sum(len(hit.frames) for hit in hits) == 14 * 4


def test_more_is_fetched_until_there_are_k_hits(shelf) -> None:
    shelf.add("long.mp4", ["red", "black"] * 300)
    for name in "abc":
        shelf.add(f"{name}.mp4", ["pink"])
    hits = shelf.search("red", k=4, per_video=1, refine_spans=True)
    assert [hit.video.path.name for hit in hits] == ["long.mp4", "a.mp4", "b.mp4", "c.mp4"]


def test_a_long_even_video_gives_moments_side_by_side(shelf) -> None:
    shelf.add("sea.mp4", ["blue"] * 100)
    hits = shelf.search("blue", k=5, refine_spans=True)
    assert places(hits)[:2] == [("sea.mp4", 0, 28), ("sea.mp4", 28, 56)]
    ordered = sorted(hit.span for hit in hits)
    assert all(one.overlap(other) == 0 for one, other in itertools.pairwise(ordered))


def test_one_shot_of_one_frame_is_a_hit(shelf) -> None:
    shelf.add("still.mp4", [("red",)], seconds=3.0)
    shelf.add("instant.mp4", [("red",)], seconds=0.0)
    hits = shelf.search("red", refine_spans=True)
    assert sorted(places(hits)) == [("instant.mp4", 0, 0), ("still.mp4", 0, 3)]
    assert all(len(hit.frames) == 1 for hit in hits)
