from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseek.core.types import TimeSpan
from vidseek.video import SamplingPlan, choose_frames
from vidseek.video.readers.packets import PacketTable, build_table

KEY, HIDDEN = 1, 2


def table(
    seconds: float, *, rate: float = 25.0, gop: int = 250, large: dict[int, int] | None = None
) -> PacketTable:
    """Keyframes of some 10,000 bytes, others of 20, some larger."""
    count = round(seconds * rate)
    keyframes = (10_000, 10_200, 9_900)
    sizes = [20 if number % gop else keyframes[number // gop % 3] for number in range(count)]
    for number, size in (large or {}).items():
        sizes[number] = size
    return build_table(
        [number / rate for number in range(count)],
        sizes,
        [KEY if number % gop == 0 else 0 for number in range(count)],
        [1 / rate] * count,
    )


def test_short_videos_are_sampled_every_second_by_both_plans() -> None:
    short = table(30.0, gop=1000)
    expected = (np.arange(30) * 25).tolist()
    assert choose_frames(short, SamplingPlan()).tolist() == expected
    assert choose_frames(short, SamplingPlan("dense")).tolist() == expected


def test_fast_takes_the_keyframes_of_a_quiet_video() -> None:
    quiet = table(300.0)
    assert choose_frames(quiet, SamplingPlan()).tolist() == quiet.keyframes.tolist()


def test_fast_takes_a_scene_that_begins_without_a_keyframe() -> None:
    # A large packet in the middle of a long gap, 4 s after the keyframe at 100 s.
    busy = table(300.0, large={2600: 9_000})
    rows = choose_frames(busy, SamplingPlan()).tolist()
    assert 2600 in rows
    assert len(rows) == len(busy.keyframes) + 1


def test_fast_fills_a_gap_in_which_much_moves() -> None:
    moving = table(300.0, large=dict.fromkeys(range(2501, 2750), 500))
    rows = choose_frames(moving, SamplingPlan())
    inside = rows[(rows > 2500) & (rows < 2750)]
    assert 2 <= len(inside) <= 5
    assert np.all(np.diff(moving.pts_seconds[inside]) >= 1.0)


@pytest.mark.parametrize("gop", [1, 2, 5, 12, 25, 60])
def test_frames_per_second_are_bounded_for_every_gop(gop: int) -> None:
    rows = choose_frames(table(600.0, gop=gop), SamplingPlan())
    assert len(rows) <= 600 + 3
    assert len(rows) >= 600 / max(1.0, gop / 25) * 0.9


def test_dense_takes_what_is_on_screen_every_so_many_seconds() -> None:
    rows = choose_frames(table(100.0), SamplingPlan("dense", 2.5))
    assert rows.tolist() == [int(2.5 * 25 * number) for number in range(40)]


def test_a_still_that_is_shown_for_long_is_taken_once() -> None:
    slides = build_table([0.0, 30.0, 60.0], [9000] * 3, [KEY] * 3, [30.0] * 3)
    assert slides.end_seconds == 90.0
    assert choose_frames(slides, SamplingPlan("dense")).tolist() == [0, 1, 2]
    assert choose_frames(slides, SamplingPlan("fast")).tolist() == [0, 1, 2]


def test_a_film_with_one_keyframe_is_sampled_throughout() -> None:
    sizes = [10_000, *([400] * 2499)]
    sizes[1000:1750] = [1] * 750  # nothing moves for 30 s
    film = build_table([n / 25 for n in range(2500)], sizes, [KEY, *([0] * 2499)], [0.04] * 2500)
    seconds = film.pts_seconds[choose_frames(film, SamplingPlan())]
    for start in (0.0, 72.0):
        part = seconds[(seconds >= start) & (seconds < start + 28.0)]
        assert np.diff(part).max() <= 2.01
    assert len(seconds[(seconds > 43.0) & (seconds < 70.0)]) == 0


def test_a_still_is_taken_ever_more_rarely() -> None:
    hours = 10
    sizes = [10_010 if number % 2 else 10_000 for number in range(hours * 360)]
    pts = [number * 10.0 + part for number in range(hours * 360) for part in (0.0, 5.0)]
    every = [size for keyframe in sizes for size in (keyframe, 20)]
    still = build_table(pts, every, [KEY, 0] * len(sizes), [5.0] * len(every))
    rows = choose_frames(still, SamplingPlan())
    assert rows[:6].tolist() == [0, 2, 4, 6, 8, 10]
    assert 20 < len(rows) < 70
    every[2 * 1800] = 12_000  # another picture, five hours in
    changed = build_table(pts, every, [KEY, 0] * len(sizes), [5.0] * len(every))
    assert {3600, 3602, 3604} <= set(choose_frames(changed, SamplingPlan()).tolist())


def test_pictures_of_equal_size_are_no_still() -> None:
    intra = build_table(np.arange(300.0), [144_000] * 300, [KEY] * 300, [1.0] * 300)
    assert len(choose_frames(intra, SamplingPlan())) == 300


def test_a_span_restricts_both_plans() -> None:
    video = table(300.0)
    span = TimeSpan(100.5, 103.4)
    rows = choose_frames(video, SamplingPlan("dense"), span=span)
    assert video.pts_seconds[rows] == pytest.approx([100.48, 101.48, 102.48], abs=0.021)
    assert choose_frames(video, SamplingPlan(), span=span).tolist() == rows.tolist()
    outside = choose_frames(video, SamplingPlan(), span=TimeSpan(400.0, 410.0))
    assert outside.tolist() == [len(video) - 1]


def test_sampling_begins_at_the_first_keyframe() -> None:
    begins_midway = build_table(
        [number / 25 for number in range(200)],
        [50] * 200,
        [KEY if number == 90 else 0 for number in range(200)],
        [0.04] * 200,
    )
    assert choose_frames(begins_midway, SamplingPlan("dense")).tolist() == [90, 115, 140, 165, 190]


def test_an_empty_table_has_no_frames() -> None:
    assert choose_frames(build_table([], [], [], []), SamplingPlan()).tolist() == []


@pytest.mark.parametrize("every", [0.0, -1.0, 1e9, float("nan")])
def test_a_senseless_spacing_is_refused(every: float) -> None:
    with pytest.raises(ValueError, match="every_seconds"):
        SamplingPlan("dense", every)


def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="mode"):
        SamplingPlan("medium")  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 5.0), st.integers(1, 20_000), st.integers(0, 3), st.floats(0.0, 1.0)
        ),
        min_size=1,
        max_size=120,
    ),
    st.sampled_from([SamplingPlan(), SamplingPlan("dense", 0.7)]),
)
def test_any_packets_give_ascending_rows(packets: list, plan: SamplingPlan) -> None:
    steps, sizes, flags, durations = zip(*packets, strict=True)
    built = build_table(np.cumsum(steps).tolist(), list(sizes), list(flags), list(durations))
    rows = choose_frames(built, plan)
    assert np.all(np.diff(rows) > 0)
    if len(built):
        assert len(rows) >= 1
        assert rows[0] >= 0
        assert rows[-1] < len(built)
        needed = built.to_decode(rows)
        assert needed[built.decode_index[rows]].all()


def test_what_leads_to_a_picture_is_decoded_and_no_more() -> None:
    video = table(10.0, gop=25)
    needed = np.flatnonzero(video.to_decode(np.array([30, 100])))
    assert needed.tolist() == [*range(25, 31), 100]


def test_a_picture_shown_before_its_keyframe_needs_the_one_before_too() -> None:
    # In the file: key 0, 1, 2, key 5, then 3 and 4, which are shown before it and lean on both.
    pts = [0.0, 1.0, 2.0, 5.0, 3.0, 4.0, 6.0]
    flags = [KEY, 0, 0, KEY, 0, 0, 0]
    built = build_table(pts, [1] * 7, flags, [1.0] * 7)
    assert built.has_leading_pictures
    assert built.pts_seconds.tolist() == [0, 1, 2, 3, 4, 5, 6]
    needed = built.to_decode(np.array([3]))
    assert np.flatnonzero(needed).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(built.to_decode(np.array([6]))).tolist() == [3, 4, 5, 6]
    assert not table(4.0, gop=10).has_leading_pictures


def test_hidden_packets_are_not_shown() -> None:
    built = build_table([0.0, 1.0, float("nan"), 2.0], [1] * 4, [KEY | HIDDEN, 0, 0, 0], [1.0] * 4)
    assert built.pts_seconds.tolist() == [1.0, 2.0]
    assert built.end_seconds == 3.0
    assert np.flatnonzero(built.to_decode(np.array([0]))).tolist() == [0, 1]
