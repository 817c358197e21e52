"""Labels, summaries, unusual moments and recommendations over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from web_server import RunningServer, running


def ids_by_name(server: RunningServer) -> dict[str, int]:
    return {Path(each["path"]).name: each["id"] for each in server.get("/videos").json["videos"]}


class OneSentence:
    """A captioner that always says the same."""

    source = "one sentence"
    pictures_at_once = 1

    def caption(self, frames: np.ndarray) -> str:
        return "a cat sits"

    def answer(self, frames: np.ndarray, question: str) -> str:
        return "a cat"


def test_labels_of_a_video_are_those_of_the_library(server: RunningServer) -> None:
    cat = ids_by_name(server)["cat.mp4"]
    query = {"videos": [{"video_id": cat}], "labels": ["a cat", "a motorcycle"]}
    (moment,) = server.post("/classify", query).json["moments"]
    assert (moment["video_id"], moment["start_seconds"]) == (cat, 0)
    assert moment["labels"][0]["label"] == "a cat"
    (expected,) = server.service.library.classify([moment["path"]], query["labels"])
    assert [each["confidence"] for each in moment["labels"]] == pytest.approx(
        [each.confidence for each in expected.labels], abs=1e-4
    )
    errands = ids_by_name(server)["errands.mp4"]
    query = {"videos": [{"video_id": errands}], "labels": ["a motorcycle"], "by_clip": True}
    assert len(server.post("/classify", query).json["moments"]) >= 2


@pytest.mark.parametrize(
    ("path", "document", "status"),
    [
        ("/classify", {}, 422),  # nothing was learned
        ("/classify", {"labels": [" "]}, 422),
        ("/classify", {"labels": ["a cat"], "videos": [{"video_id": 999}]}, 404),
        ("/classify", {"label_set": "nothing"}, 422),
        ("/labels/train", {}, 422),
        ("/labels/clips", {"name": "nothing"}, 422),
        ("/labels/train", {"name": "nothing"}, 422),
        ("/labels/examples", {"name": "warm", "examples": []}, 422),
        ("/labels/examples", {"name": "warm", "examples": [{"video_id": 999}]}, 404),
        ("/classify", {"videos": [{"video_id": 1, "start_seconds": 2, "end_seconds": 1}]}, 422),
        ("/similar", {"video_id": 1, "start_seconds": 2, "end_seconds": 1}, 422),
        ("/related", {"liked": []}, 422),
        ("/related", {"liked": [{"video_id": 999}]}, 404),
        ("/related", {"liked": [{"video_id": 1}], "disliked": [{"video_id": 1}]}, 422),
        ("/outliers", {"normal": {"path_glob": "nowhere/*"}}, 422),
        ("/search", {"text": "a cat", "where": {"labels": ["nothing"]}}, 422),
    ],
)
def test_impossible_questions_are_refused(
    server: RunningServer, path: str, document: dict, status: int
) -> None:
    answer = server.post(path, document)
    assert answer.status == status
    assert answer.code


def test_a_summary_has_pictures_in_order(server: RunningServer) -> None:
    errands = ids_by_name(server)["errands.mp4"]
    summary = server.get(f"/videos/{errands}/summary?frames=4").json
    seconds = [frame["seconds"] for frame in summary["frames"]]
    assert seconds == sorted(seconds)
    assert len(seconds) >= 2
    for frame in summary["frames"]:
        assert frame["start_seconds"] <= frame["seconds"] <= frame["end_seconds"]
        assert server.request("GET", frame["thumbnail_url"]).body.startswith(b"\xff\xd8\xff")
    (best,) = server.get(f"/videos/{errands}/summary?frames=1&text=a%20page%20of%20text").json[
        "frames"
    ]
    assert best["seconds"] >= 2.5
    assert server.get("/videos/999/summary").status == 404


def test_a_description_is_that_of_the_library(writable: RunningServer) -> None:
    cat = ids_by_name(writable)["cat.mp4"]
    described = writable.get(f"/videos/{cat}/describe?labels=3").json
    expected = writable.service.library.describe(described["path"], labels=3)
    assert [each["label"] for each in described["labels"]] == [
        each.label for each in expected.labels
    ]
    assert described["labels"][0]["confidence"] == pytest.approx(
        expected.labels[0].confidence, abs=1e-4
    )
    assert len(writable.get(f"/videos/{cat}/describe?labels=1").json["labels"]) == 1
    assert (described["video_id"], described["start_seconds"]) == (cat, 0)
    assert described["captions"] == []
    writable.service.library.describe(described["path"], OneSentence(), labels=0)
    answer = writable.get(f"/videos/{cat}/describe?start=0&end=0.5").json
    assert (answer["start_seconds"], answer["end_seconds"]) == (0, 0.5)
    assert [each["text"] for each in answer["captions"]] == ["a cat sits"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("1/describe?start=1", 422),
        ("1/describe?start=1&end=0", 422),
        ("1/describe?start=5000&end=5001", 422),
        ("1/describe?labels=-1", 422),
        ("999/describe", 404),
    ],
)
def test_impossible_descriptions_are_refused(
    server: RunningServer, asked: str, status: int
) -> None:
    answer = server.get(f"/videos/{asked}")
    assert answer.status == status
    assert answer.code


def test_unusual_moments_name_what_is_usual(server: RunningServer) -> None:
    found = server.post("/outliers", {"k": 3}).json["outliers"]
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)
    assert len(found) == 3
    for each in found:
        assert each["nearest"]["video_id"] in ids_by_name(server).values()
        picture = server.request("GET", each["thumbnail_url"])
        assert picture.body.startswith(b"\xff\xd8\xff")
    errands = ids_by_name(server)["errands.mp4"]
    of_video = server.get(f"/videos/{errands}/outliers?k=5").json["outliers"]
    assert {each["video_id"] for each in of_video} <= {errands}


def test_what_to_watch_next_is_another_video_with_a_reason(server: RunningServer) -> None:
    ids = ids_by_name(server)
    answer = server.post("/related", {"liked": [{"video_id": ids["cat.mp4"]}]})
    videos = answer.json["videos"]
    assert {each["video_id"] for each in videos} == {ids["errands.mp4"], ids["red cup@1-2.mp4"]}
    assert {each["because"]["video_id"] for each in videos} == {ids["cat.mp4"]}
    part = {"video_id": ids["errands.mp4"], "start_seconds": 0, "end_seconds": 2}
    (first, *_) = server.post("/related", {"liked": [part], "k": 1}).json["videos"]
    assert first["because"]["end_seconds"] <= 2


@pytest.fixture
def writable(indexed_master: Path, footage_master: Path, tmp_path: Path) -> Iterator[RunningServer]:
    with running(Path(shutil.copytree(indexed_master, tmp_path / "library")), footage_master) as it:
        yield it


def test_labels_are_learned_and_filter(writable: RunningServer) -> None:
    pytest.importorskip("sklearn")
    ids = ids_by_name(writable)
    plain = writable.post("/search", {"text": "a cat"}).json["hits"]
    assert len({hit["video_id"] for hit in plain}) > 1
    added = writable.post(
        "/labels/examples", {"name": "pets", "examples": [{"video_id": ids["cat.mp4"]}]}
    )
    (label,) = added.json["labels"]
    assert (label["name"], label["positives"], label["is_trained"]) == ("pets", 1, False)
    (trained,) = writable.post("/labels/train", {}).json["labels"]
    assert trained["is_trained"]
    assert trained["clips"] >= 1
    assert writable.get("/labels").json["labels"] == [trained]
    labelled = {"text": "a cat", "where": {"labels": ["pets"]}}
    hits = writable.post("/search", labelled).json["hits"]
    assert {hit["video_id"] for hit in hits} == {ids["cat.mp4"]}
    assert writable.get(f"/videos/{ids['cat.mp4']}").json["labels"] == ["pets"]
    assert writable.post("/classify", {}).json["moments"][0]["labels"][0]["label"] == "pets"
    listed = writable.post("/labels/clips", {"name": "pets"}).json["hits"]
    assert len(listed) == trained["clips"]
    assert {hit["video_id"] for hit in listed} == {ids["cat.mp4"]}
    assert all(hit["thumbnail_url"] and hit["labels"] == ["pets"] for hit in listed)
    assert writable.post("/labels/clips", {"name": "pets", "k": 1}).json["hits"] == listed[:1]
    elsewhere = {"name": "pets", "where": {"path_glob": "nowhere/*"}}
    assert writable.post("/labels/clips", elsewhere).json["hits"] == []


def test_a_server_that_only_reads_learns_nothing(
    indexed_master: Path, footage_master: Path
) -> None:
    with running(indexed_master, footage_master, read_only=True) as served:
        example = {"name": "pets", "examples": [{"video_id": 1}]}
        assert served.post("/labels/examples", example).code == "read_only"
        assert served.post("/labels/train", {}).code == "read_only"
        assert served.get("/labels").json == {"labels": []}
