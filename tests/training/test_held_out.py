"""Which captioned videos are held out, and how many there must be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vidseek.core.captions import CaptionedClip, read_captions
from vidseek.core.errors import TrainingError
from vidseek.core.types import TimeSpan
from vidseek.training.user.held_out import check_enough, hold_out


def write_captions(folder: Path, videos: int, *more: str) -> Path:
    rows = []
    for number in range(videos):
        (folder / f"{number}.mp4").write_bytes(b"video")
        rows.append(json.dumps({"path": f"{number}.mp4", "caption": f"thing {number}"}))
    path = folder / "captions.jsonl"
    path.write_text("\n".join([*rows, *more]))
    return path


def test_too_few_videos_are_refused_with_the_reasons(tmp_path):
    check_enough(read_captions(write_captions(tmp_path, 8)))
    gone = json.dumps({"path": "gone.mp4", "caption": "x"})
    few = read_captions(write_captions(tmp_path, 7, gone))
    with pytest.raises(TrainingError, match=r"line 8.*gone\.mp4") as caught:
        check_enough(few)
    assert str(few.file) in str(caught.value)
    assert caught.value.hint.action == "caption_more_videos"
    with pytest.raises(TrainingError):
        check_enough(read_captions(write_captions(tmp_path, 0)))


def test_whole_videos_are_held_out_by_seed():
    clips = [
        CaptionedClip(Path(f"/v/{video}.mp4"), TimeSpan(part, part + 1), ("x",), (1,))
        for video in range(20)
        for part in range(3)
    ]
    train, held_out = hold_out(clips, seed=1)
    assert sorted(train + held_out) == list(range(60))
    assert len(held_out) == 9
    assert not {clips[p].path for p in train} & {clips[p].path for p in held_out}
    assert hold_out(clips, seed=1) == (train, held_out)
    assert hold_out(clips, seed=2) != (train, held_out)
    assert len(hold_out(clips[:24], seed=1)[1]) == 6, "of eight videos two"
