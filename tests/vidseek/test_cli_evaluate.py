"""``vidseek evaluate`` from the shell."""

from __future__ import annotations

import json
from pathlib import Path

from cli_process import Run


def write_captions(file: Path, footage: Path) -> Path:
    rows = [
        {"path": str(footage / "cat.mp4"), "caption": "a cat"},
        {
            "path": str(footage / "errands.mp4"),
            "caption": "a page of text",
            "start_seconds": 3,
            "end_seconds": 6,
        },
        {"path": str(footage / "kitchen" / "red cup@1-2.mp4"), "caption": "a cup of coffee"},
        {"path": str(footage / "notes.mp4"), "caption": "a diary"},
        {"path": str(footage / "elsewhere.mp4"), "caption": "a horse"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_the_report_as_json_and_as_text(vidseek: Run, footage_master: Path, tmp_path: Path) -> None:
    captions = write_captions(tmp_path / "captions.jsonl", footage_master)
    answer = vidseek("evaluate", captions, "--video-to-text", "--json")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert [problem["line"] for problem in report["problems"]] == [4, 5]
    quality = report["text_to_video"]
    assert (quality["queries"], quality["videos"], quality["candidates"]) == (3, 3, 4)
    assert 0 <= quality["recall_at_1"]["low"] <= quality["recall_at_1"]["value"] <= 1
    assert quality["recall_at_10"]["value"] == 1.0
    assert report["video_to_text"]["candidates"] == 3
    text = vidseek("evaluate", captions).stdout
    assert "R@10" in text
    assert "line 5:" in text
    assert "video to text" not in text


def test_captions_of_no_video_are_an_error(vidseek: Run, tmp_path: Path) -> None:
    captions = write_captions(tmp_path / "captions.jsonl", tmp_path)
    answer = vidseek("evaluate", captions)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert vidseek("evaluate", tmp_path / "no-such.jsonl").returncode != 0
