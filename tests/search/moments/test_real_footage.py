"""The built-in model on real footage it has never seen: does the sentence find its video?"""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

import vidseek

CHANCE = 10 / 132
"""Recall at 10 of an order drawn by lot: each caption belongs to one of 132 clips."""
FLOOR = 3 * CHANCE

pytestmark = [pytest.mark.shared_data, pytest.mark.full]  # half a minute of encoding


@pytest.fixture(scope="module")
def clips_library(shared_data: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("clips") / "library"
    with vidseek.open(folder, encoder="builtin") as library:
        report = library.index(shared_data / "videos" / "clips")
        assert report.indexed == 132
        assert not report.failed
        yield library


@pytest.fixture(scope="module")
def captions(shared_data: Path) -> dict[str, str]:
    return json.loads((shared_data / "videos" / "captions.json").read_text(encoding="utf-8"))


def test_captions_find_their_clips_far_above_chance(clips_library, captions, capsys) -> None:
    ranks = []
    for name, caption in captions.items():
        hits = clips_library.search(caption, k=10, per_video=1)
        assert len(hits) == 10
        found = [hit.video.path.name for hit in hits]
        ranks.append(found.index(name) + 1 if name in found else None)
    recalls = {
        k: sum(rank is not None and rank <= k for rank in ranks) / len(ranks) for k in (1, 5, 10)
    }
    with capsys.disabled():
        shown = ", ".join(f"R@{k} {recall:.1%}" for k, recall in recalls.items())
        print(f"\n{len(captions)} captions over 132 clips: {shown} (chance R@10 {CHANCE:.1%})")
    assert recalls[10] >= FLOOR


ABSENT = [
    line
    for line in (Path(__file__).parents[3] / "benchmarks" / "confidence" / "absent.txt")
    .read_text()
    .splitlines()
    if not line.startswith("#")
]
"""50 things that no clip shows."""
MEANINGLESS = ("zxqv wjk", "0x3f 77 ;;", "lorem ipsum dolor", "qqqq", "asdf jkl")


def test_most_captions_are_answered_and_most_absent_things_are_not(
    clips_library, captions, capsys
) -> None:
    def answered(texts) -> float:
        return float(
            np.mean([bool(vidseek.filter_confident(clips_library.search(t, k=1))) for t in texts])
        )

    assert clips_library.encoder.spec.confidence_scale is not None
    described, absent = answered(captions.values()), answered(ABSENT)
    meaningless = answered(MEANINGLESS)
    with capsys.disabled():
        print(
            f"\nconfident answers: {described:.0%} of captions, {absent:.0%} of absent things, "
            f"{meaningless:.0%} of strings without meaning"
        )
    assert len(ABSENT) == 50
    assert described >= 0.6
    assert absent <= 0.2
    assert meaningless <= 0.2


def save_still(video: Path, seconds: float, picture: Path) -> None:
    """Save the frame shown at some time as a JPEG of full size, as a player would."""
    with av.open(str(video)) as container:
        shown = next(frame for frame in container.decode(video=0) if frame.time >= seconds - 0.001)
        shown.to_image().save(picture, quality=90)


def test_a_clip_finds_itself_and_a_still_of_it_finds_its_moment(
    clips_library, shared_data: Path, tmp_path: Path
) -> None:
    clips = sorted((shared_data / "videos" / "clips").glob("*.mp4"))[::12]
    for clip in clips:
        assert clips_library.similar(clip, 1)[0].video.path == clip
    found = 0
    for clip in clips:
        details = clips_library.info(clip)
        middle = details.clips[len(details.clips) // 2]
        still = tmp_path / f"{clip.stem}.jpg"
        save_still(clip, middle.middle_frame_seconds, still)
        (hit,) = clips_library.similar(still, 1)
        found += hit.video.path == clip and hit.span.overlap(middle.span) > 0
    assert found >= 0.8 * len(clips)
