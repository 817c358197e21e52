"""Explanations over HTTP."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from colour_encoder import ColourEncoder
from web_server import RunningServer, running

import vidseek
from vidseek.web.service import Service
from vidseek.web.settings import ServerSettings


def id_of(server: RunningServer, name: str) -> int:
    videos = server.get("/videos").json["videos"]
    return next(each["id"] for each in videos if Path(each["path"]).name == name)


def question(**values: object) -> str:
    return "&".join(f"{name}={quote(str(value))}" for name, value in values.items())


def test_an_explanation_is_that_of_the_library(server: RunningServer) -> None:
    from vidseek.exports.explanation import explanation_document

    cat = id_of(server, "cat.mp4")
    answer = server.get(f"/videos/{cat}/explain?{question(text='a cat on a sofa', at=0.5)}")
    assert answer.status == 200
    found = answer.json
    assert found.pop("video_id") == cat
    assert found.pop("warnings") == []
    expected = explanation_document(
        server.service.library.explain("a cat on a sofa", found["path"], 0.5)
    )
    assert found.keys() == expected.keys()
    assert [each["word"] for each in found["maps"]] == ["a cat on a sofa", "cat", "sofa"]
    for name in ("path", "text", "seconds", "score", "clip"):
        assert found[name] == pytest.approx(expected[name], abs=1e-3)
    rows = len(expected["maps"][0]["cells"])
    assert [len(each["cells"]) for each in found["maps"]] == [rows] * 3


def test_a_part_is_explained_by_its_best_frame(server: RunningServer) -> None:
    errands = id_of(server, "errands.mp4")
    asked = question(text="a motorcycle", start=0.5, end=1.5)
    found = server.get(f"/videos/{errands}/explain?{asked}").json
    assert 0.4 <= found["seconds"] <= 1.6
    best = server.get(f"/videos/{errands}/explain?{question(text='a motorcycle')}").json
    inside = [each["score"] for each in best["frames"]]
    assert best["score"] == pytest.approx(max(inside), abs=0.05)


def test_a_picture_shows_the_explanation(server: RunningServer) -> None:
    from PIL import Image

    cat = id_of(server, "cat.mp4")
    path = f"/api/v1/videos/{cat}/explain.png?{question(text='a cat', at=0.5)}"
    answer = server.request("GET", path)
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.body)) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width > 500


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("", 422),
        ("text=", 422),
        ("text=%20", 422),
        ("text=cat&at=-1", 422),
        ("text=cat&at=nan", 422),
        ("text=cat&at=5000", 422),
        ("text=cat&start=1", 422),
        ("text=cat&start=1&end=0", 422),
        ("text=cat&at=1&start=0&end=1", 422),
    ],
)
@pytest.mark.parametrize("name", ["explain", "explain.png"])
def test_impossible_questions_are_refused(
    server: RunningServer, name: str, asked: str, status: int
) -> None:
    cat = id_of(server, "cat.mp4")
    answer = server.get(f"/videos/{cat}/{name}?{asked}")
    assert answer.status == status
    assert answer.code


def test_a_video_that_is_not_there_is_not_found(server: RunningServer) -> None:
    for name in ("explain", "explain.png"):
        answer = server.get(f"/videos/999/{name}?text=cat")
        assert (answer.status, answer.code) == (404, "path_not_found")


def test_warnings_do_not_say_where_a_model_lies(footage_master: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "models" / "colours")
    with vidseek.open(tmp_path / "library", encoder=ColourEncoder(place)) as library:
        library.index([footage_master / "cat.mp4"])
        (told,) = library.explain("\u732b", footage_master / "cat.mp4").warnings
    assert place in told.message
    service = Service(ServerSettings(library=tmp_path / "library", roots=(footage_master,)))
    try:
        warning = service.warning(told)
        assert warning.code == "no_cells"
        assert str(tmp_path) not in warning.message
        assert "colours" in warning.message
    finally:
        service.close()


@pytest.fixture
def other_roots(
    indexed_master: Path, footage_master: Path, tmp_path: Path
) -> Iterator[RunningServer]:
    library = Path(shutil.copytree(indexed_master, tmp_path / "library"))
    (tmp_path / "empty").mkdir()
    with running(library, tmp_path / "empty") as served:
        yield served


def test_a_video_outside_the_roots_is_not_explained(
    server: RunningServer, other_roots: RunningServer
) -> None:
    cat = id_of(server, "cat.mp4")
    for name in ("explain", "explain.png"):
        assert other_roots.get(f"/videos/{cat}/{name}?text=cat").status == 404
