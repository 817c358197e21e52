"""Summaries, unusual moments and recommendations of real videos."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from cli_process import Run
from colour_encoder import ColourEncoder
from PIL import Image
from scene_videos import Scene, write_scenes

import vidseek as api
from vidseek.core.errors import ExportError, PathNotFoundError, QueryError, UnreadableVideoError
from vidseek.demo.clips import Scene as DemoScene
from vidseek.demo.clips import make_clip
from vidseek.exports.summary import write_summary

A, B, C, D = (Scene(seed) for seed in (1, 2, 3, 4))

MakeLibrary = Callable[[dict[str, Sequence[Scene]]], api.Library]


@pytest.fixture
def make_library(tmp_path: Path):
    """Index videos of scenes."""
    opened: list[api.Library] = []

    def make(videos: dict[str, Sequence[Scene]], **options: bool) -> api.Library:
        for name, scenes in videos.items():
            write_scenes(tmp_path / "videos" / name, scenes, **options)
        opened.append(api.open(tmp_path / "library", encoder=ColourEncoder()))
        report = opened[-1].index([tmp_path / "videos"], workers=1)
        assert report.indexed == len(videos)
        return opened[-1]

    yield make
    for library in opened:
        library.close()


def scenes_shown(frames: Sequence[api.KeyFrame]) -> list[int]:
    return [int(frame.seconds // 2) for frame in frames]


# -- summary ---------------------------------------------------------------------------------------


def test_a_summary_shows_each_scene_once_in_order(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"a.mp4": [A, B, A, C, A]})
    found = library.summary(tmp_path / "videos" / "a.mp4", frames=3)
    shown = scenes_shown(found)
    assert shown == sorted(shown)
    assert len(shown) == 3
    assert {1, 3} < set(shown)
    # No more frames than scenes: the others are copies.
    assert len(library.summary(tmp_path / "videos" / "a.mp4", frames=50)) == 3


def test_black_and_blurred_scenes_are_left_out(make_library: MakeLibrary, tmp_path) -> None:
    blurred = Scene(9, blur_pixels=6)
    library = make_library({"a.mp4": [Scene(None), A, blurred, B], "black.mp4": [Scene(None)]})
    assert scenes_shown(library.summary(tmp_path / "videos" / "a.mp4", frames=4)) == [1, 3]
    black = library.summary(tmp_path / "videos" / "black.mp4", frames=4)
    assert black == []
    with pytest.raises(ExportError):
        write_summary(black, [], tmp_path / "sheet.jpg")


def test_a_part_is_summarised(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"a.mp4": [A, B, C, D]})
    path = tmp_path / "videos" / "a.mp4"
    found = library.summary(path, frames=12, span=api.TimeSpan(2.1, 5.9))
    assert scenes_shown(found) == [1, 2]
    with pytest.raises(QueryError):
        library.summary(path, span=api.TimeSpan(60, 70))


def test_a_query_chooses_what_matches_best(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"a.mp4": [A, B, C, D]})
    path = tmp_path / "videos" / "a.mp4"
    video = library.info(path).video
    curve = library.similarity_curve(video.id, "the goal")
    best = max(curve, key=lambda point: point[1])[0]
    found = library.summary(path, frames=1, query="the goal")
    assert [frame.span for frame in found] == [best]


def test_a_reel_has_whole_clips_and_sound(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"a.mp4": [A, B, A, C]}, sound=True)  # type: ignore[call-arg]
    path = tmp_path / "videos" / "a.mp4"
    found = library.summary(path, seconds=5.0)
    spans = {clip.span for clip in library.info(path).clips}
    assert {frame.span for frame in found} <= spans
    lasts = sum(frame.span.duration_seconds for frame in found)
    assert 2 < lasts <= 5
    reel = tmp_path / "reel.mp4"
    assert write_summary(found, [None] * len(found), reel) == ()
    with av.open(str(reel)) as container:
        pictures = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert pictures == sorted(set(pictures))
    assert len(pictures) == pytest.approx(lasts * 10, abs=2)
    with av.open(str(reel)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        rate = container.streams.audio[0].rate
    assert samples / rate == pytest.approx(lasts, abs=0.5)
    assert list(tmp_path.glob(".reel*")) == []


def test_a_reel_shorter_than_any_clip_is_a_part_of_one(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"a.mp4": [A]})
    (found,) = library.summary(tmp_path / "videos" / "a.mp4", seconds=0.5)
    assert found.span.duration_seconds == pytest.approx(0.5)
    assert 0 <= found.span.start_seconds < found.span.end_seconds <= 2.0


def test_a_summary_does_without_the_file(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"a.mp4": [A, B, C]})
    path = tmp_path / "videos" / "a.mp4"
    path.unlink()
    found = library.summary(path, frames=3)
    assert scenes_shown(found) == [0, 1, 2]
    with pytest.raises(ExportError):
        write_summary(found, [None] * 3, tmp_path / "reel.mp4")


@pytest.mark.parametrize(
    "options", [{"frames": 0}, {"frames": 501}, {"seconds": 0.0}, {"frames": 3, "seconds": 3.0}]
)
def test_impossible_lengths_are_refused(make_library: MakeLibrary, tmp_path, options) -> None:
    library = make_library({"a.mp4": [Scene(1, seconds=0.1)]})
    with pytest.raises(QueryError):
        library.summary(tmp_path / "videos" / "a.mp4", **options)
    assert len(library.summary(tmp_path / "videos" / "a.mp4")) == 1


def test_videos_that_cannot_be_summarised(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"a.mp4": [A]})
    with pytest.raises(PathNotFoundError):
        library.summary(tmp_path / "elsewhere.mp4")
    broken = tmp_path / "videos" / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    library.index([broken], workers=1)
    with pytest.raises(UnreadableVideoError):
        library.summary(broken)


# -- outliers --------------------------------------------------------------------------------------


def test_a_foreign_clip_is_the_most_unusual(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"long.mp4": [A, B] * 4 + [C] + [A, B] * 4})
    found = library.outliers(tmp_path / "videos" / "long.mp4", k=3)
    assert found[0].span.start_seconds == pytest.approx(16, abs=0.2)
    assert found[0].span.end_seconds == pytest.approx(18, abs=0.2)
    assert found[0].score > 3 > found[1].score
    assert found[0].nearest.video.path == found[0].video.path
    assert found[0].nearest.span.overlap(found[0].span) == 0


def test_normal_footage_is_compared_with(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library(
        {"normal/1.mp4": [A, B, A, B], "normal/2.mp4": [B, A], "today/1.mp4": [A, C, B]}
    )
    today, normal = (
        api.VideoFilter(path_glob=str(tmp_path / "videos" / name)) for name in ("today", "normal")
    )
    found = library.outliers(where=today, normal=normal)
    assert {each.video.path.parent.name for each in found} == {"today"}
    assert {each.nearest.video.path.parent.name for each in found} == {"normal"}
    assert found[0].span.start_seconds == pytest.approx(2, abs=0.2)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


def test_a_change_of_the_library_changes_the_answer(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"long.mp4": [A, B] * 4 + [C] + [A, B] * 4, "other.mp4": [A, B, A]})
    one = library.outliers(k=1)
    more = library.outliers(k=5)
    assert more[:1] == one
    assert len(more) == 5
    library.remove(tmp_path / "videos" / "long.mp4")
    rest = library.outliers(k=50)
    assert {each.video.path.name for each in rest} == {"other.mp4"}
    where = api.VideoFilter(path_glob=str(tmp_path / "videos" / "long.mp4"))
    assert library.outliers(where=where) == []
    assert library.outliers(k=50) == rest


def test_clips_are_compared_where_there_are_many(
    make_library: MakeLibrary, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("vidseek.search.understanding.outliers.MAX_CLIPS_BY_FRAMES", 0)
    monkeypatch.setattr("vidseek.search.understanding.normal_frames.MAX_COMPARED", 8)
    library = make_library({"long.mp4": [A, B] * 4 + [C] + [A, B] * 4, "other.mp4": [A, B, A]})
    (found,) = library.outliers(k=1)
    assert found.video.path.name == "long.mp4"
    assert found.span.start_seconds == pytest.approx(16, abs=0.2)


def test_nothing_to_compare_and_no_normal_footage(make_library: MakeLibrary, tmp_path) -> None:
    library = make_library({"a.mp4": [A]})
    nowhere = api.VideoFilter(path_glob=str(tmp_path / "nowhere"))
    assert library.outliers(tmp_path / "videos" / "a.mp4") == []
    assert library.outliers(where=nowhere) == []
    with pytest.raises(QueryError):
        library.outliers(normal=nowhere)
    with pytest.raises(QueryError):
        library.outliers(k=0)
    with pytest.raises(QueryError):
        library.outliers(tmp_path / "videos" / "a.mp4", where=nowhere)
    with pytest.raises(PathNotFoundError):
        library.outliers(tmp_path / "elsewhere.mp4")
    with pytest.raises(QueryError):
        library.outliers(tmp_path / "videos" / "a.mp4", span=api.TimeSpan(60, 70))


# -- related ---------------------------------------------------------------------------------------


def test_a_file_from_outside_is_not_recommended_as_itself(vidseek: Run, tmp_path: Path) -> None:
    outside = tmp_path / "outside.mp4"
    make_clip(outside, [DemoScene("motorcycle_left.png", 3), DemoScene("page.png", 3)])
    found = json.loads(vidseek("related", outside, "--json").stdout)
    assert sorted(Path(each["path"]).name for each in found) == ["cat.mp4", "red cup@1-2.mp4"]
    assert {each["because"]["path"] for each in found} == {str(outside)}


# -- the commands ----------------------------------------------------------------------------------


def test_the_commands_print_json(vidseek: Run, footage_master: Path, tmp_path: Path) -> None:
    errands = footage_master / "errands.mp4"
    summary = vidseek("summary", errands, "--frames", "2", "--json")
    frames = json.loads(summary.stdout)
    assert [set(each) for each in frames] == [{"path", "seconds", "thumbnail"}] * 2
    assert frames[0]["seconds"] < 3 < frames[1]["seconds"]
    assert Path(frames[0]["thumbnail"]).is_file()
    related = json.loads(vidseek("related", errands, "-k", "1", "--json").stdout)
    assert [set(each) for each in related] == [{"path", "score", "because"}]
    assert related[0]["because"]["path"] == str(errands)
    outliers = json.loads(vidseek("outliers", "--json").stdout)
    assert outliers
    keys = {"path", "start_seconds", "end_seconds", "score", "nearest"}
    assert all(set(each) == keys for each in outliers)


@pytest.mark.parametrize("suffix", ["html", "jpg", "mp4", "json"])
def test_summaries_are_written(
    vidseek: Run, footage_master: Path, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"sheet.{suffix}"
    answer = vidseek("summary", footage_master / "errands.mp4", "--out", file)
    assert answer.returncode == 0, answer.stderr
    if suffix == "html":
        assert file.read_text().count("data:image/jpeg") == 2
    elif suffix == "jpg":
        with Image.open(file) as sheet:
            assert np.asarray(sheet).std() > 20
    elif suffix == "mp4":
        with av.open(str(file)) as container:
            assert container.duration == pytest.approx(6_000_000, abs=400_000)
    else:
        assert len(json.loads(file.read_text())) == 2


def test_wrong_usage_is_told(vidseek: Run, footage_master: Path, tmp_path: Path) -> None:
    errands = footage_master / "errands.mp4"
    assert vidseek("summary", errands, "--frames", "2", "--seconds", "3").returncode == 2
    assert vidseek("summary", errands, "--out", tmp_path / "a.gif").returncode == 1
    assert vidseek("related", "--disliked", errands).returncode in (1, 2)
    assert vidseek("outliers", "--normal", "/nowhere").returncode in (1, 2)


# -- streams ---------------------------------------------------------------------------------------


def write_stream(path: Path, scenes: Sequence[Scene]) -> Path:
    """A film as a recorder writes it: readable from its beginning, whatever its length is."""
    film = write_scenes(path.with_suffix(".mp4"), scenes)
    with av.open(str(film)) as source, av.open(str(path), "w", format="mpegts") as target:
        (stream,) = source.streams.video
        copied = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copied
                target.mux(packet)
    film.unlink()
    return path


def test_a_growing_file_is_watched_until_nothing_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_stream(tmp_path / "whole.ts", [Scene(1, 60), Scene(2, 4), Scene(1, 10)])
    content = whole.read_bytes()
    growing = tmp_path / "growing.ts"
    growing.write_bytes(content[: len(content) // 2])
    encoder = ColourEncoder()
    encode_frames = encoder.encode_frames
    rest = [content[len(content) // 2 :]]

    def record_the_rest(frames: np.ndarray) -> api.FrameFeatures:
        if rest:
            with growing.open("ab") as file:
                file.write(rest.pop())
        return encode_frames(frames)

    monkeypatch.setattr(encoder, "encode_frames", record_the_rest)
    with api.open(tmp_path / "library", encoder=encoder) as library:
        (event,) = library.watch(growing, stall_seconds=5.0, every_seconds=0.5)
        assert 59 <= event.start_seconds <= event.end_seconds <= 65
        assert event.score > 3
        assert event.nearest_seconds < 60


def test_streams_that_cannot_be_watched(tmp_path: Path) -> None:
    playlist = tmp_path / "list.ts"
    playlist.write_text("#EXTM3U\nhttp://example.org/a.ts\n")
    with api.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        with pytest.raises(api.VideoError):
            list(library.watch(tmp_path / "missing.ts"))
        with pytest.raises(api.VideoError):
            list(library.watch(playlist))
        with pytest.raises(QueryError):
            library.watch("rtsp://127.0.0.1:1/stream")
        for address in ("http://127.0.0.1:1/a.ts", "rtsp://127.0.0.1:1/stream"):
            with pytest.raises(UnreadableVideoError) as caught:
                list(library.watch(address, allow_network=True, stall_seconds=2.0))
            assert str(caught.value).startswith(f"{address}: ")
            assert caught.value.path is None
