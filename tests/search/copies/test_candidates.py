"""Which videos become candidates for alignment."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.core.types import CopyBlock, CopyFrames
from vidseek.encoders.copies.descriptor import packed
from vidseek.search.copies import candidates as copy_candidates
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.candidates import STRETCH_SECONDS, find_candidates, in_stretches

DIMENSION = 128


def pictures(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def held(video_id: int, vectors: np.ndarray) -> CopyFrames:
    return CopyFrames(video_id, np.arange(len(vectors), dtype=np.float64), packed(vectors))


def look(vectors: np.ndarray, *, interval: float = 1.0) -> FrameSequence:
    return FrameSequence(vectors, np.arange(len(vectors)) * interval)


def found(looks: list[FrameSequence], library: list[CopyFrames]) -> list[tuple[int, int]]:
    blocks = [CopyBlock.of(library)] if library else []
    candidates = find_candidates(looks, blocks, min_similarity=0.5)
    return [(one.query, one.video_id) for one in candidates]


def test_the_video_that_lines_up_comes_before_the_one_with_the_same_pictures_in_disorder() -> None:
    film = pictures(1, 40)
    disorder = film[np.random.default_rng(2).permutation(40)]
    library = [held(number, pictures(number, 60)) for number in range(10, 30)]
    library += [held(1, disorder), held(2, np.concatenate([pictures(3, 50), film]))]
    assert found([look(film[10:30])], library) == [(0, 2), (0, 1)]


def test_videos_that_stand_still_do_not_hide_each_other() -> None:
    # All ten show one picture for a minute: each is among the results, for every block size.
    scene = pictures(4, 1)
    library = [held(number, np.repeat(scene, 60, axis=0)) for number in range(1, 11)]
    answers = found([look(np.repeat(scene, 10, axis=0))], library)
    assert sorted(video for _, video in answers) == list(range(1, 11))


@pytest.mark.parametrize("name", ["BLOCK_FRAMES", "BLOCK_VOTERS"])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    library = [held(number, pictures(number, 50)) for number in range(1, 30)]
    looks = [look(pictures(number, 50)[5:25] + 0.02) for number in (3, 7, 20)]
    whole = find_candidates(looks, [CopyBlock.of(library)], min_similarity=0.3)
    assert {(one.query, one.video_id) for one in whole[:3]} == {(0, 3), (1, 7), (2, 20)}
    monkeypatch.setattr(copy_candidates, name, 13)
    blocks = find_candidates(looks, [CopyBlock.of(library)], min_similarity=0.3)
    assert [(one.query, one.video_id) for one in blocks] == [
        (one.query, one.video_id) for one in whole
    ]


def test_a_minute_out_of_three_hours_is_found_in_its_stretch() -> None:
    upload = pictures(5, 3 * 3600)
    library = [held(number, pictures(number, 120)) for number in range(100, 140)]
    library.append(held(1, upload[7000:7060]))
    stretches = in_stretches(look(upload))
    assert len(stretches) == 3 * 3600 / STRETCH_SECONDS
    assert sum(len(one) for one in stretches) == len(upload)
    assert found(stretches, library)[0] == (int(7000 // STRETCH_SECONDS), 1)


def test_nothing_has_no_stretch_and_no_candidate() -> None:
    nothing = look(pictures(6, 0))
    assert [len(one) for one in in_stretches(nothing)] == [0]
    assert found([nothing], [held(1, pictures(7, 5))]) == []
    assert found([look(pictures(8, 5))], []) == []
