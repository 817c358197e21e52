"""The hubness correction: lower scores for clips that are close to every query."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.encoders.hubness import HubnessCorrection
from vidseek.training.metrics import ranks, recall


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def space() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clips with one query each, and a bank; every fourth clip leans towards all sentences."""
    random = np.random.default_rng(0)
    middle = random.normal(size=32)
    clips = random.normal(size=(200, 32))
    queries = unit(clips + random.normal(scale=1.2, size=clips.shape) + middle)
    bank = unit(random.normal(size=(500, 32)) + middle)
    clips[::4] += 1.5 * middle
    return unit(clips), queries, bank


def test_hubs_lose_and_what_was_asked_for_is_found(space):
    clips, queries, bank = space
    hubness = HubnessCorrection(bank, neighbours=16, weight=0.6, usual=0.4)
    corrections = hubness.corrections(clips)
    assert corrections.dtype == np.float32
    assert corrections.shape == (200,)
    assert corrections[::4].max() < np.median(corrections[1::4])
    truth = np.arange(len(clips))
    before = recall(ranks(queries @ clips.T, truth), 1)
    after = recall(ranks(queries @ clips.T + corrections, truth), 1)
    assert after > before + 10


def test_a_usual_clip_keeps_its_score_and_no_weight_changes_none(space):
    clips, _, bank = space
    usual = float(HubnessCorrection(bank, 8, weight=1.0, usual=0.0).similarities(clips).mean())
    assert HubnessCorrection(bank, 8, weight=0.5, usual=usual).corrections(
        clips
    ).mean() == pytest.approx(0.0, abs=1e-6)
    assert not HubnessCorrection(bank, 8, weight=0.0, usual=usual).corrections(clips).any()


def test_the_similarity_is_the_mean_of_the_nearest(space):
    clips, _, bank = space
    found = HubnessCorrection(bank, 3, weight=1.0, usual=0.0).similarities(clips[:5])
    expected = [sorted(bank @ clip)[-3:] for clip in clips[:5]]
    np.testing.assert_allclose(found, np.mean(expected, axis=1), rtol=1e-5)
    few = HubnessCorrection(bank[:2], 8, weight=1.0, usual=0.0)
    np.testing.assert_allclose(few.similarities(clips), (clips @ bank[:2].T).mean(1), rtol=1e-4)
    assert few.similarities(clips[:0]).shape == (0,)


def test_many_clips_are_compared_in_parts(space, monkeypatch):
    from vidseek.encoders import hubness as module

    clips, _, bank = space
    hubness = HubnessCorrection(bank, 8, weight=0.5, usual=0.1)
    whole = hubness.corrections(clips)
    monkeypatch.setattr(module, "AT_ONCE", 64)
    np.testing.assert_allclose(hubness.corrections(clips), whole, atol=1e-6)


def test_what_is_written_is_read_back_nearly_the_same(space):
    clips, _, bank = space
    hubness = HubnessCorrection(bank, neighbours=8, weight=0.35, usual=0.21)
    blob = hubness.to_bytes()
    assert len(blob) < bank.size + 2000, "a byte a number"
    again = HubnessCorrection.from_bytes(blob)
    assert (again.neighbours, again.weight, again.usual) == (8, 0.35, 0.21)
    np.testing.assert_allclose(np.linalg.norm(again.bank, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(again.corrections(clips), hubness.corrections(clips), atol=2e-3)


@pytest.mark.parametrize("blob", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_something_else_is_refused(blob):
    with pytest.raises(ValueError, match="no bank"):
        HubnessCorrection.from_bytes(blob)
