"""Captions and answers by the model that the server was started with: HTTP and the page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from caption_checkpoints import make_caption_checkpoint
from web_server import API, RunningServer, running

import vidseek
from vidseek.core.errors import EncoderError
from vidseek.web.app import create_app
from vidseek.web.settings import ServerSettings

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model that writes and answers, and those that do only one of the two."""
    return {
        family: make_caption_checkpoint(family, tmp_path_factory.mktemp(family))
        for family in ("llava", "blip", "blip-vqa")
    }


@pytest.fixture
def shelf(indexed_master: Path, tmp_path: Path) -> Path:
    """A library that the test may change."""
    return Path(shutil.copytree(indexed_master, tmp_path / "library"))


@pytest.fixture
def talker(
    shelf: Path, footage_master: Path, checkpoints: dict[str, Path]
) -> Iterator[RunningServer]:
    with running(shelf, footage_master, captioner=str(checkpoints["llava"])) as served:
        yield served


def id_of(server: RunningServer, name: str) -> int:
    ids = {Path(each["path"]).name: each["id"] for each in server.get("/videos").json["videos"]}
    return int(ids[name])


def write(server: RunningServer, video_id: int, wanted: dict[str, object]) -> dict[str, Any]:
    """Start to write captions, and wait for the end of the job."""
    started = server.post(f"/videos/{video_id}/captions", wanted)
    assert started.status == 202, started.body
    place = f"{API}/jobs/{started.json['id']}"
    assert started.headers["location"] == place
    server.request("GET", f"{place}/events")
    ended: dict[str, Any] = server.request("GET", place).json
    return ended


def test_captions_are_written_by_a_job_and_found(
    talker: RunningServer, footage_master: Path, checkpoints: dict[str, Path]
) -> None:
    errands = id_of(talker, "errands.mp4")
    job = write(talker, errands, {"captions": 2})
    assert (job["kind"], job["state"], job["problem"]) == ("captions", "done", None)
    assert job["paths"] == [str(footage_master / "errands.mp4")]
    shown = talker.get(f"/videos/{errands}/describe?labels=0").json
    assert shown["labels"] == []
    assert len(shown["captions"]) == 2
    library = talker.service.library
    writer = library.load_captioner(str(checkpoints["llava"]))
    expected = library.describe(footage_master / "errands.mp4", writer, labels=0, captions=2)
    assert [each["text"] for each in shown["captions"]] == [each.text for each in expected.captions]
    words = " ".join(each.text for each in expected.captions).split()
    found = talker.post("/search/captions", {"text": words[0], "k": 5}).json
    assert {hit["video_id"] for hit in found["hits"]} == {errands}
    assert all(hit["confidence"] is None for hit in found["hits"])
    nowhere = {"text": words[0], "where": {"path_glob": "/nowhere/*"}}
    assert talker.post("/search/captions", nowhere).json["hits"] == []


def test_only_a_part_is_captioned(talker: RunningServer) -> None:
    errands = id_of(talker, "errands.mp4")
    write(talker, errands, {"captions": 5, "start_seconds": 3.2, "end_seconds": 6.0})
    shown = talker.get(f"/videos/{errands}/describe?labels=0").json["captions"]
    assert shown
    assert all(each["end_seconds"] > 3.2 for each in shown)


def test_questions_are_answered_from_frames(
    talker: RunningServer, footage_master: Path, checkpoints: dict[str, Path]
) -> None:
    assert talker.get("/captioner").json == {
        "model": checkpoints["llava"].name,
        "writes_captions": True,
        "answers_questions": True,
    }
    errands = id_of(talker, "errands.mp4")
    answer = talker.post(f"/videos/{errands}/ask", {"question": "how many dog ?", "frames": 2})
    assert answer.status == 200, answer.body
    library = talker.service.library
    answerer = library.load_captioner(str(checkpoints["llava"]))
    expected = library.ask(footage_master / "errands.mp4", "how many dog ?", answerer, frames=2)
    assert answer.json["answer"] == expected.text
    assert [each["seconds"] for each in answer.json["frames"]] == pytest.approx(
        [frame.seconds for frame in expected.frames], abs=1e-3
    )
    assert answer.json["model"] == checkpoints["llava"].name
    assert str(checkpoints["llava"]) not in answer.body.decode()


@pytest.mark.parametrize(
    ("path", "document", "status"),
    [
        ("/videos/999/ask", {"question": "what?"}, 404),
        ("/videos/999/captions", {}, 404),
        ("/videos/1/ask", {"question": ""}, 422),
        ("/videos/1/ask", {"question": " "}, 422),
        ("/videos/1/ask", {"question": "what?", "frames": 0}, 422),
        ("/videos/1/ask", {"question": "what?", "start_seconds": 1}, 422),
        ("/videos/1/captions", {"captions": 0}, 422),
        ("/videos/1/captions", {"captioner": "hf:any/model"}, 422),
        ("/search/captions", {"text": "?!"}, 422),
        ("/search/captions", {"text": "cat", "k": 0}, 422),
    ],
)
def test_impossible_requests_are_refused(
    talker: RunningServer, path: str, document: dict[str, object], status: int
) -> None:
    answer = talker.post(path, document)
    assert answer.status == status
    assert answer.code


def test_a_server_without_a_captioner_says_so(server: RunningServer) -> None:
    assert server.get("/captioner").json == {
        "model": None,
        "writes_captions": False,
        "answers_questions": False,
    }
    cat = id_of(server, "cat.mp4")
    assert server.post(f"/videos/{cat}/ask", {"question": "what?"}).code == "no_captioner"
    assert server.post(f"/videos/{cat}/captions", {}).code == "no_captioner"
    answer = server.post("/search/captions", {"text": "cat"})
    assert [each["code"] for each in answer.json["warnings"]] == ["no_captions"]


@pytest.mark.parametrize(
    ("family", "name", "document"),
    [("blip", "ask", {"question": "what?"}), ("blip-vqa", "captions", {})],
)
def test_a_model_is_asked_only_for_what_it_can_do(
    shelf: Path,
    footage_master: Path,
    checkpoints: dict[str, Path],
    family: str,
    name: str,
    document: dict[str, object],
) -> None:
    with running(shelf, footage_master, captioner=str(checkpoints[family])) as served:
        told = served.get("/captioner").json
        assert told["writes_captions"] == (family == "blip")
        assert told["answers_questions"] == (family == "blip-vqa")
        assert served.post(f"/videos/1/{name}", document).code == "no_captioner"


def test_a_read_only_server_answers_but_writes_nothing(
    shelf: Path, footage_master: Path, checkpoints: dict[str, Path]
) -> None:
    captioner = str(checkpoints["llava"])
    with running(shelf, footage_master, captioner=captioner, read_only=True) as served:
        cat = id_of(served, "cat.mp4")
        assert served.post(f"/videos/{cat}/captions", {}).code == "read_only"
        asked = {"question": "how many dog ?", "frames": 1}
        assert served.post(f"/videos/{cat}/ask", asked).status == 200


def test_videos_outside_the_roots_are_not_put_into_words(
    shelf: Path, footage_master: Path, checkpoints: dict[str, Path]
) -> None:
    kitchen = footage_master / "kitchen"
    with running(shelf, kitchen, captioner=str(checkpoints["llava"])) as served:
        with vidseek.open(shelf) as library:
            cat = library.info(footage_master / "cat.mp4").video.id
        assert served.post(f"/videos/{cat}/captions", {}).status == 404
        assert served.post(f"/videos/{cat}/ask", {"question": "what?"}).status == 404


def test_a_model_that_is_not_there_stops_the_start(shelf: Path, tmp_path: Path) -> None:
    for name in (str(tmp_path), "builtin"):
        with pytest.raises(EncoderError):
            create_app(ServerSettings(library=shelf, captioner=name))
    with vidseek.open(shelf) as library:  # not held by a server that did not start
        assert library.statistics().indexed > 0


def test_a_cancelled_job_stores_nothing(talker: RunningServer) -> None:
    errands = id_of(talker, "errands.mp4")
    first = talker.post(f"/videos/{errands}/captions", {"captions": 200}).json
    place = f"{API}/jobs/{first['id']}"
    talker.request("DELETE", place)
    talker.request("GET", f"{place}/events")
    state = talker.request("GET", place)
    captions = talker.get(f"/videos/{errands}/describe?labels=0").json["captions"]
    if state.status == 200 and state.json["state"] == "cancelled":
        assert captions == []
        assert json.loads(state.body)["problem"] is None
