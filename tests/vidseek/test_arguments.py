"""Wrong arguments of the API are errors at the call, and a closed library answers nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_videos import write_colours
from palette_encoder import PaletteEncoder

import vidseek

Call = Callable[[Any], object]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("arguments")
    write_colours(folder / "films" / "sea.mp4", ["blue", "white"])
    with vidseek.open(folder / "library", encoder=PaletteEncoder()) as library:
        library.index(folder / "films")
        yield library


WRONG_TYPES: list[Call] = [
    lambda library: library.search(None),
    lambda library: library.search(b"red"),
    lambda library: library.search("red", k=2.5),
    lambda library: library.search("red", k="5"),
    lambda library: library.search("red", k=True),
    lambda library: library.search("red", k=None),
    lambda library: library.search("red", cursor=5),
    lambda library: library.search("red", not_text=5),
    lambda library: library.search("red", where=None),
    lambda library: library.search("red", where={"min_height": 3}),
    lambda library: library.search("red", per_video=1.0),
    lambda library: library.search("red", rerank="no"),
    lambda library: library.search("red", model=5),
    lambda library: library.similar(5),
    lambda library: library.similar("x.mp4", span=(1, 2)),
    lambda library: library.similar("x.mp4", exclude_itself=1),
    lambda library: library.similar("x.mp4", job="job"),
    lambda library: library.check(None),
    lambda library: library.check(b"x.mp4"),
    lambda library: library.check("x.mp4", threshold=0.5),
    lambda library: library.check("x.mp4", min_score="high"),
    lambda library: library.check("x.mp4", except_paths=5),
    lambda library: library.check("x.mp4", timeout_seconds="1"),
    lambda library: library.check_and_add("x.mp4", wait_seconds=None),
    lambda library: vidseek.create_encoder(None),
    lambda library: vidseek.create_encoder(5),
    lambda library: vidseek.create_encoder(threads="x"),
    lambda library: vidseek.create_encoder(threads=1.5),
    lambda library: vidseek.create_encoder(confirm_download=True),
    lambda library: vidseek.create_encoder().encode_text("a cat"),
    lambda library: vidseek.create_encoder().encode_text([5]),
    lambda library: vidseek.create_encoder().encode_text(None),
    lambda library: vidseek.create_encoder().encode_frames([np.zeros((8, 8, 3), np.uint8)]),
    lambda library: vidseek.create_encoder().encode_frames(None),
    lambda library: library.index(None),
    lambda library: library.index([3]),
    lambda library: library.index(".", exclude="*.mp4"),
    lambda library: library.index(".", plan="dense"),
    lambda library: library.index(".", workers=2.5),
    lambda library: library.index(".", prune="no"),
    lambda library: library.index(".", wait_seconds="1"),
    lambda library: library.index(".", job=print),
    lambda library: library.compare_new_videos(job=1),
    lambda library: library.videos(states=vidseek.VideoState.INDEXED),
    lambda library: library.videos(states=[1]),
    lambda library: library.videos(under=3),
    lambda library: library.videos(damaged="yes"),
    lambda library: library.info(None),
    lambda library: library.search("red", copies="yes"),
    lambda library: library.search_many("red"),
    lambda library: library.search_many([None]),
    lambda library: library.search_many(["red"], k=1.5),
    lambda library: library.evaluate(5),
    lambda library: library.evaluate("x.jsonl", rerank="no"),
    lambda library: library.vectors(level=5),
    lambda library: library.vectors(where={}),
    lambda library: library.vectors().to_parquet(5),
    lambda library: library.remove(None),
    lambda library: library.relocate("a", None),
    lambda library: library.calibrate(5),
    lambda library: library.calibrate(queries="a dog"),
    lambda library: library.calibrate(hubness="yes"),
    lambda library: library.plot_duplicates("x.png", "groups"),
    lambda library: library.plot_duplicates("x.png", [1]),
    lambda library: library.doctor(repair="no"),
    lambda library: library.models.add(5),
    lambda library: library.models.find(None),
    lambda library: library.models.switch(["builtin"]),
    lambda library: library.models.drop(None),
    lambda library: library.models.load(None),
    lambda library: library.classify("x.mp4", ["red"]),
    lambda library: library.explain(3, "x.mp4"),
    lambda library: library.load_captioner(3),
    lambda library: library.describe(3),
    lambda library: library.ask("x.mp4", 3, None),
    lambda library: library.search_captions(3),
    lambda library: library.search_captions("red", 1.5),
    lambda library: library.search_captions("red", where="x.mp4"),
    lambda library: library.explain("red", "x.mp4", "1:00"),
    lambda library: library.classify(None, "red"),
    lambda library: library.classify(None, ["red"], k=1.5),
    lambda library: library.labels.add(5, ["x.mp4"]),
    lambda library: library.labels.add("warm", "x.mp4"),
    lambda library: library.watch(5),
    lambda library: library.watch("x.mp4", stall_seconds="1"),
    lambda library: library.watch("rtsp://camera", allow_network="yes"),
    lambda _: vidseek.open(5),
    lambda _: vidseek.open("x", database_url=5),
    lambda _: vidseek.open("x", confirm_download=True),
    lambda _: vidseek.Job(on_progress=5),
    lambda _: vidseek.filter_confident([], threshold="0.5"),
    lambda _: vidseek.train_on_captions(5, "model"),
    lambda _: vidseek.train_on_captions("x.jsonl", "model", epochs=1.5),
    lambda _: vidseek.train_on_captions("x.jsonl", "model", seed="1"),
    lambda _: vidseek.train_on_captions("x.jsonl", "model", start=None),
    lambda _: vidseek.open("x", encoder=5),
    lambda _: vidseek.VideoFilter(min_height=2.5),
    lambda _: vidseek.VideoFilter(path_glob=Path("x")),
    lambda _: vidseek.VideoFilter(after=date(2026, 1, 1)),
    lambda _: vidseek.VideoFilter(min_duration_seconds="9"),
    lambda _: vidseek.TimeSpan("1", "2"),
    lambda _: vidseek.SamplingPlan("dense", every_seconds="1"),
]


@pytest.mark.parametrize("call", WRONG_TYPES)
def test_a_wrong_type_is_a_type_error(library: vidseek.Library, call: Call) -> None:
    with pytest.raises(TypeError):
        call(library)


WRONG_VALUES: list[Call] = [
    lambda library: vidseek.create_encoder(threads=0),
    lambda library: vidseek.create_encoder(threads=-3),
    lambda library: vidseek.create_encoder(""),
    lambda library: vidseek.create_encoder().encode_frames(np.zeros((8, 8, 3), np.uint8)),
    lambda library: vidseek.create_encoder().encode_frames(np.zeros((1, 8, 8, 3))),
    lambda library: library.search("red", k=0),
    lambda library: library.search("red", cursor="böse"),
    lambda library: library.check("x.mp4", min_score=7),
    lambda library: library.check("x.mp4", min_score=math.nan),
    lambda library: library.check("x.mp4", threshold="firm"),
    lambda library: library.check("x.mp4", timeout_seconds=0),
    lambda library: library.check(""),
    lambda library: library.check("a\0b"),
    lambda library: library.index(""),
    lambda library: library.index(".", workers=0),
    lambda library: library.index(".", wait_seconds=-1),
    lambda library: library.videos(states=["new"]),
    lambda library: library.models.find(""),
    lambda library: library.watch(""),
    lambda library: library.watch("x.mp4", every_seconds=0),
    lambda library: library.watch("rtsp://camera/stream"),
    lambda _: vidseek.open(""),
    lambda _: vidseek.SamplingPlan("slow"),
    lambda _: vidseek.VideoFilter(min_duration_seconds=math.nan),
]


@pytest.mark.parametrize("call", WRONG_VALUES)
def test_a_wrong_value_is_a_value_error_or_one_of_vidseek(
    library: vidseek.Library, call: Call
) -> None:
    with pytest.raises((ValueError, vidseek.VidseekError)):
        call(library)


def test_numbers_of_numpy_and_huge_limits_are_numbers(library: vidseek.Library) -> None:
    hits = library.search("blue", k=np.int64(1), where=vidseek.VideoFilter(min_height=np.int32(8)))
    assert len(hits) == 1
    assert len(library.search("blue", k=10**20, per_video=10**20)) >= 1
    assert library.videos(states=["indexed"]) == library.videos()


def test_numbers_that_no_database_holds_are_numbers(library: vidseek.Library) -> None:
    (video, *_) = library.videos()
    for unknown in (2**63, 10**30, -1):
        for call in (library.video, library.stored_video):
            with pytest.raises(vidseek.PathNotFoundError):
                call(unknown)
        assert library.shared_segments([unknown]) == []
        assert library.dismiss_duplicates([video.id, unknown]) == 0
    where = vidseek.VideoFilter(min_height=10**30, before=datetime.max)
    assert list(library.search("blue", where=where)) == []


CALLS: list[Call] = [
    lambda library: library.search("red"),
    lambda library: library.search_many(["red"]),
    lambda library: library.evaluate("x.jsonl"),
    lambda library: library.similar("x.mp4"),
    lambda library: library.check("x.mp4"),
    lambda library: library.check_and_add("x.mp4"),
    lambda library: library.index("."),
    lambda library: library.compare_new_videos(),
    lambda library: library.duplicates(),
    lambda library: library.dismiss_duplicates([1, 2]),
    lambda library: library.plot_duplicates("x.png", []),
    lambda library: library.calibrate(override=True),
    lambda library: library.calibration,
    lambda library: library.forget_calibration(),
    lambda library: library.videos(),
    lambda library: library.failed(),
    lambda library: library.info("x.mp4"),
    lambda library: library.vectors(),
    lambda library: library.video(1),
    lambda library: library.stored_video(1),
    lambda library: library.thumbnail(None, 0.0),
    lambda library: library.shared_segments([1]),
    lambda library: library.similarity_curve(1, "red"),
    lambda library: library.related("x.mp4"),
    lambda library: library.summary("x.mp4"),
    lambda library: library.outliers(),
    lambda library: library.statistics(),
    lambda library: library.remove("x.mp4"),
    lambda library: library.relocate("a", "/"),
    lambda library: library.doctor(),
    lambda library: library.encoder,
    lambda library: library.models.list(),
    lambda library: library.models.find("builtin"),
    lambda library: library.models.add("builtin"),
    lambda library: library.models.load("builtin"),
    lambda library: library.models.switch("builtin"),
    lambda library: library.models.drop("builtin"),
    lambda library: library.models.encoder_for(None),
    lambda library: library.models.active_fingerprint(),
    lambda library: library.classify(None, ["red"]),
    lambda library: library.explain("red", "x.mp4"),
    lambda library: library.load_captioner("hf:a/b"),
    lambda library: library.describe("x.mp4"),
    lambda library: library.ask("x.mp4", "what?", None),
    lambda library: library.search_captions("red"),
    lambda library: library.labels.list(),
    lambda library: library.labels.add("warm", ["x.mp4"]),
    lambda library: library.labels.remove("warm"),
    lambda library: library.labels.train(),
    lambda library: library.labels.update(),
    lambda library: library.watch("x.mp4"),
    lambda library: library.change_number(),
    lambda library: library.__enter__(),
]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> vidseek.Library:
    library = vidseek.open(tmp_path_factory.mktemp("closed"), encoder=PaletteEncoder())
    library.close()
    library.close()
    return library


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_library_answers_nothing(closed: vidseek.Library, call: Call) -> None:
    with pytest.raises(vidseek.LibraryClosedError) as raised:
        call(closed)
    assert raised.value.path == closed.folder
    assert str(closed.folder) in repr(closed)


def test_every_public_call_is_tried_on_a_closed_library() -> None:
    tried = {name for call in CALLS for name in call.__code__.co_names}
    public = {name for name in dir(vidseek.Library) if not name.startswith("_")}
    assert public - tried == {"open", "close"}
