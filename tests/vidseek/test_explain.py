"""``vidseek explain`` and ``Library.explain``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_process import Run
from colour_encoder import ColourEncoder
from PIL import Image

import vidseek as vidseek_package
from vidseek.core.errors import PathNotFoundError, QueryError, VideoError
from vidseek.core.types import CellFeatures, TimeSpan
from vidseek.exports.explanation import explanation_document, explanation_picture
from vidseek.exports.explanation_drawing import heat_over
from vidseek.search.understanding.explain import words_of


@pytest.fixture
def opened(library: Path):
    with vidseek_package.open(library) as opened:
        yield opened


def test_a_word_is_explained_in_numbers(vidseek: Run, footage_master: Path) -> None:
    cat = footage_master / "cat.mp4"
    answer = vidseek("explain", "a cat on a sofa", f"{cat}@0:01", "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["path"] == str(cat)
    assert found["seconds"] == pytest.approx(1, abs=0.1)
    assert [each["word"] for each in found["maps"]] == ["a cat on a sofa", "cat", "sofa"]
    cells = np.array(found["maps"][1]["cells"])
    assert cells.ndim == 2
    assert cells.max() > 0.2
    assert found["maps"][1]["score"] > found["maps"][2]["score"]
    assert found["clip"]["start_seconds"] <= 1 <= found["clip"]["end_seconds"]
    adds = sum(frame["additive"] for frame in found["frames"])
    assert adds + found["clip"]["rest"] == pytest.approx(found["clip"]["score"], abs=0.002)
    assert sum(frame["dot_product"] for frame in found["frames"]) == pytest.approx(1, abs=0.002)
    assert all(frame["heads"] for frame in found["frames"])
    assert len(found["curve"]) >= 1


def test_pictures_and_numbers_are_written(
    vidseek: Run, footage_master: Path, tmp_path: Path
) -> None:
    video = footage_master / "cat.mp4"
    for name in ("why.png", "why.json"):
        answer = vidseek("explain", "cat", video, "--out", tmp_path / name)
        assert answer.returncode == 0, answer.stderr
    assert Image.open(tmp_path / "why.png").size[0] > 500
    assert json.loads((tmp_path / "why.json").read_text())["text"] == "cat"


@pytest.mark.parametrize(
    ("video", "out"),
    [
        ("cat.mp4@9:59", "why.png"),
        ("cat.mp4@1:99", "why.png"),
        ("cat.mp4@2-1", "why.png"),
        ("notes.mp4", "why.png"),
        ("absent.mp4", "why.png"),
        ("cat.mp4", "why.txt"),
        ("cat.mp4", "absent/why.png"),
    ],
)
def test_impossible_requests_end_with_an_error(
    vidseek: Run, footage_master: Path, tmp_path: Path, video: str, out: str
) -> None:
    answer = vidseek("explain", "cat", footage_master / video, "--out", tmp_path / out)
    assert answer.returncode != 0
    assert answer.stderr
    assert not (tmp_path / out).exists()


def test_the_best_frame_is_chosen_where_no_time_is_given(opened, footage_master: Path) -> None:
    video = footage_master / "errands.mp4"  # a motorcycle, then a page
    assert opened.explain("a motorcycle", video).seconds < 3
    assert opened.explain("a page of text", video).seconds > 3
    part = opened.explain("a motorcycle", video, TimeSpan(3.5, 5.0))
    assert 3.5 <= part.seconds <= 5.0
    tiny = opened.explain("a motorcycle", video, TimeSpan(4.61, 4.62))
    assert tiny.seconds == pytest.approx(4.61, abs=0.1)


def test_a_file_name_may_end_like_a_time(vidseek: Run, footage_master: Path) -> None:
    video = footage_master / "kitchen" / "red cup@1-2.mp4"
    for time in ("", "@1"):
        answer = vidseek("explain", "cup", f"{video}{time}", "--json")
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["path"] == str(video)


def test_errors_are_told_by_type(opened, footage_master: Path, tmp_path: Path) -> None:
    cat = footage_master / "cat.mp4"
    with pytest.raises(QueryError):
        opened.explain("  ", cat)
    for seconds in (-1.0, 1e9):
        with pytest.raises(QueryError):
            opened.explain("cat", cat, seconds)
    with pytest.raises(ValueError, match="when"):
        opened.explain("cat", cat, float("nan"))
    with pytest.raises(TypeError):
        opened.explain("cat", cat, "1:00")
    with pytest.raises(PathNotFoundError):
        opened.explain("cat", tmp_path / "absent.mp4")


def test_a_file_that_is_gone_is_told(opened, footage_master: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes((footage_master / "cat.mp4").read_bytes())
    opened.index([copy])
    copy.unlink()
    with pytest.raises(VideoError):
        opened.explain("cat", copy, 1.0)


class CellColours(ColourEncoder):
    """Each cell has the colours of its place, for the first three numbers of a vector."""

    def encode_text(self, texts):
        red = np.zeros((len(texts), self.spec.dimension), np.float32)
        red[:, 0] = 1
        return red

    def encode_cells(self, frames):
        vectors = np.zeros((len(frames), 2, 4, self.spec.dimension), np.float32)
        vectors[:, 1, 3, 0] = 1
        vectors[..., 1] = 1 - vectors[..., 0]
        return CellFeatures(vectors, (0.25, 0.0, 0.75, 1.0))


def test_cells_of_an_encoder_of_ones_own(footage_master: Path, tmp_path: Path) -> None:
    with vidseek_package.open(tmp_path / "library", encoder=CellColours()) as library:
        library.index([footage_master / "cat.mp4"])
        found = library.explain("red", footage_master / "cat.mp4", 1.0)
    assert [each.word for each in found.maps] == ["red"]
    x, y = found.maps[0].peak
    assert 0.6 < x < 0.76
    assert y > 0.7
    assert all(frame.heads == () for frame in found.frames)
    heat = heat_over(found.picture, found.maps[0].cells, found.area)
    height, width = heat.shape[:2]
    assert (heat[:, : width // 4 - 2] == found.picture[:, : width // 4 - 2]).all()
    assert (heat[-height // 4 :, width // 2 :] != found.picture[-height // 4 :, width // 2 :]).any()


def test_a_model_without_cells_still_explains_the_time_line(
    footage_master: Path, tmp_path: Path
) -> None:
    with vidseek_package.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.index([footage_master / "cat.mp4"])
        found = library.explain("\u732b \U0001f408", footage_master / "cat.mp4")
    assert found.maps == ()
    assert [warning.code for warning in found.warnings] == ["no_cells"]
    assert found.rest == pytest.approx(0, abs=1e-3)  # a clip is the mean of its frames
    assert explanation_document(found)["maps"] == []
    assert explanation_picture(found).startswith(b"\x89PNG")


def test_words_without_meaning_of_their_own_are_skipped() -> None:
    assert words_of("a dog and a Dog on the sofa") == ["dog", "Dog", "sofa"]
    assert words_of("to be or not to be") == ["not"]
    assert words_of("over there") == ["over", "there"]
    assert words_of("dog") == []
    assert words_of("!?") == []
    assert len(words_of(" ".join(f"w{number}" for number in range(40)))) == 12
