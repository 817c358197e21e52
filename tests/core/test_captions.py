"""Captions files: which lines are used, and why others are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vidseek.core.captions import read_captions
from vidseek.core.errors import PathNotFoundError, TrainingError
from vidseek.core.types import TimeSpan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ten files where videos would be."""
    for number in range(10):
        (tmp_path / f"{number}.mp4").write_bytes(b"video")
    return tmp_path


def write(folder: Path, *lines: object) -> Path:
    path = folder / "captions.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def row(number: int = 0, caption: str = "a dog runs", **more: object) -> dict[str, object]:
    return {"path": f"{number}.mp4", "caption": caption, **more}


def test_captions_of_one_clip_come_together(folder):
    path = write(
        folder,
        row(0, "a dog runs"),
        row(0, "  two\tdogs "),
        row(0, "a cat", start_seconds=2, end_seconds=4.5),
        "",
        {"path": str(folder / "1.mp4"), "caption": "snow"},
        row(1, "a road", end_seconds=3),
    )
    captions = read_captions(path)
    assert captions.problems == ()
    assert [(clip.path.name, clip.span, clip.captions, clip.lines) for clip in captions.clips] == [
        ("0.mp4", None, ("a dog runs", "two dogs"), (1, 2)),
        ("0.mp4", TimeSpan(2.0, 4.5), ("a cat",), (3,)),
        ("1.mp4", None, ("snow",), (5,)),
        ("1.mp4", TimeSpan(0.0, 3.0), ("a road",), (6,)),
    ]
    assert [video.name for video in captions.videos] == ["0.mp4", "1.mp4"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("a dog runs", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ({"caption": "a dog"}, "'path' is missing"),
        ({"path": "0.mp4"}, "'caption' is missing"),
        (row(caption=""), "'caption' is empty"),
        (row(caption=" \t "), "'caption' is empty"),
        ({"path": "", "caption": "x"}, "'path' is empty"),
        ({"path": 3, "caption": "x"}, "'path' is missing or not text"),
        ({"path": "0.mp4", "caption": None}, "'caption' is missing or not text"),
        ({"path": "gone.mp4", "caption": "x"}, "no video at .*gone.mp4"),
        ({"path": ".", "caption": "x"}, "no video at"),
        ({"path": "a\0b", "caption": "x"}, "null character"),
        (row(start_seconds=2), "needs 'end_seconds'"),
        (row(start_seconds=4, end_seconds=2), "bad span: 4 to 2"),
        (row(start_seconds=2, end_seconds=2), "bad span"),
        (row(start_seconds=-1, end_seconds=2), "bad span"),
        (row(start_seconds="0:10", end_seconds=20), "'0:10' is not a number"),
        (row(start_seconds=True, end_seconds=20), "True is not a number"),
        ('{"path": "0.mp4", "caption": "x", "end_seconds": NaN}', "nan is not a number"),
        (row(start_second=2), "unknown field 'start_second'"),
    ],
)
def test_a_bad_line_is_reported_and_the_others_are_taken(folder, line, reason):
    captions = read_captions(write(folder, row(1), line, row(2)))
    assert [problem.line for problem in captions.problems] == [2]
    import re

    assert re.search(reason, captions.problems[0].reason)
    assert [clip.path.name for clip in captions.clips] == ["1.mp4", "2.mp4"]


def test_a_line_that_says_the_same_again_is_reported(folder):
    captions = read_captions(
        write(
            folder,
            row(0, "A dog runs"),
            row(0, "a dog  runs"),
            row(1, "a dog runs"),
            row(0, "a dog runs", end_seconds=3),
        )
    )
    assert [(problem.line, problem.reason) for problem in captions.problems] == [
        (2, "repeats line 1")
    ]
    assert len(captions.clips) == 3


def test_a_link_and_its_file_are_one_video(folder):
    (folder / "link.mp4").symlink_to(folder / "0.mp4")
    captions = read_captions(write(folder, row(0), {"path": "link.mp4", "caption": "a dog runs"}))
    assert len(captions.clips) == 1
    assert captions.problems[0].reason == "repeats line 1"


def test_a_byte_order_mark_and_windows_line_ends_are_no_trouble(folder):
    path = folder / "captions.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(row(0)).encode() + b"\r\n\r\n")
    captions = read_captions(path)
    assert len(captions.clips) == 1
    assert captions.problems == ()


def test_a_file_that_is_missing_or_no_text_is_refused(folder):
    with pytest.raises(PathNotFoundError, match=r"none\.jsonl"):
        read_captions(folder / "none.jsonl")
    (folder / "binary.jsonl").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(TrainingError, match="is not UTF-8 text"):
        read_captions(folder / "binary.jsonl")
    with pytest.raises(TrainingError, match="cannot be read"):
        read_captions(folder)


def test_the_digest_changes_with_what_is_trained_on(folder):
    before = read_captions(write(folder, row(0), row(1))).digest
    assert read_captions(write(folder, row(0), row(1))).digest == before
    assert read_captions(write(folder, row(0), row(1, "a cat"))).digest != before
    (folder / "1.mp4").write_bytes(b"another video")
    assert read_captions(write(folder, row(0), row(1))).digest != before
