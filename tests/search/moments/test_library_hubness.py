"""What a library takes off the scores of hubs where its model brings no bank of its own."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from palette_encoder import PALETTE, HeadlessEncoder

from vidseek.core.captions import read_captions
from vidseek.core.errors import Hint, LibraryDamagedError
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.search.moments.calibration.captioned import fit_captions
from vidseek.search.moments.calibration.queries import bundled_queries
from vidseek.search.moments.calibration.unlabelled import (
    fit_queries,
)
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE
from vidseek.search.moments.library_hubness import NEIGHBOURS, WEIGHT, library_hubness

SHOWN = ("red", "green", "yellow", "white", "black", "grey")
QUERIES = [
    " and ".join(some) for count in (1, 2, 3) for some in itertools.combinations(PALETTE, count)
]


@pytest.fixture
def various(make_shelf):
    """21 videos of one clip: a colour, or two."""
    shelf = make_shelf(HeadlessEncoder())
    for count in (1, 2):
        for colours in itertools.combinations(SHOWN, count):
            shelf.add(f"{'-'.join(colours)}.mp4", [tuple(colours)])
    return shelf


def calibrated(shelf, *, hubness: bool, queries=QUERIES):
    report = fit_queries(shelf.engine, queries, hubness=hubness)
    fingerprint = shelf.encoder.spec.fingerprint
    shelf.store.encoders.set_calibration(fingerprint, report.calibration)
    return report


def scores(shelf, text: str, **options) -> dict[str, float]:
    hits = shelf.search(text, k=21, **options)
    return {hit.video.path.name: hit.score for hit in hits}


def correction_of(shelf, name: str) -> float:
    """By the definition of NNN, from the stored vectors."""
    scope = shelf.engine.everything()
    (clip,) = shelf.store.videos.clips(
        next(v.id for v in shelf.store.videos.select() if v.path.name == name)
    )
    bank = shelf.encoder.encode_text(QUERIES)

    def hubbed(vectors: np.ndarray) -> np.ndarray:
        return np.sort(vectors @ bank.T, axis=1)[:, -NEIGHBOURS:].mean(axis=1)

    usual = hubbed(scope.vectors(scope.clip_ids().tolist())).mean()
    return float(WEIGHT * (usual - hubbed(scope.vectors([clip.id]))[0]))


def test_hubs_lose_what_they_have_of_everything(various) -> None:
    plain = scores(various, "red and green")
    calibrated(various, hubness=False)
    assert scores(various, "red and green") == plain
    calibrated(various, hubness=True)
    corrected = scores(various, "red and green")
    assert corrected != plain
    for name in ("red.mp4", "red-green.mp4", "white-grey.mp4"):
        # The bank is kept in eight bits.
        assert corrected[name] - plain[name] == pytest.approx(
            correction_of(various, name), abs=4e-3
        )
    # The level of the scores is still that of cosines.
    assert np.mean([*corrected.values()]) == pytest.approx(np.mean([*plain.values()]), abs=5e-3)
    assert scores(various, "red and green", rerank=False) == plain


def test_a_confidence_is_of_the_scores_it_was_fitted_to(various) -> None:
    plain = calibrated(various, hubness=False).calibration
    assert plain.hubness is None
    corrected = calibrated(various, hubness=True).calibration
    assert (plain.scale, plain.bias) != (corrected.scale, corrected.bias)
    for hit in various.search("white", k=5):
        expected = corrected.scale * hit.score + corrected.bias
        assert hit.confidence == pytest.approx(1 / (1 + np.exp(-expected)))
    # Uncorrected scores have none: what is stored was not fitted to them.
    assert {hit.confidence for hit in various.search("white", rerank=False)} == {None}
    calibrated(various, hubness=False)
    assert None not in {hit.confidence for hit in various.search("white", rerank=False)}


def test_each_query_is_asked_as_one_that_is_not_in_the_bank(various) -> None:
    report = calibrated(various, hubness=True)
    scope = various.engine.everything()
    bank = library_hubness(scope, QUERIES)
    logit = np.log(DEFAULT_MIN_CONFIDENCE / (1 - DEFAULT_MIN_CONFIDENCE))
    enough = (logit - report.calibration.bias) / report.calibration.scale
    answered = []
    for place, text in enumerate(QUERIES):
        others = replace(scope, hubness=bank.without(place))
        answered.append(various.engine.best_clips(others, text, 21)[0].score >= enough)
    assert report.answered == pytest.approx(np.mean(answered))
    assert 0 < report.answered < 1
    assert len(bank.without(3).bank) == len(QUERIES) - 1
    asked = various.encoder.encode_text([QUERIES[3]])[0]
    assert bank.bank[3] @ asked == pytest.approx(1.0, abs=1e-3)
    assert not (np.abs(bank.without(3).bank - bank.bank[3]).max(axis=1) == 0).any()


def test_captions_are_calibrated_on_corrected_scores_too(various, tmp_path: Path) -> None:
    rows = [
        {"path": str(video.path), "caption": f"{' and '.join(video.path.stem.split('-'))}"}
        for video in various.store.videos.select()
    ]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    captions = read_captions(tmp_path / "c.jsonl")
    plain = fit_captions(various.engine, captions)
    report = fit_captions(various.engine, captions, hubness=True)
    assert plain.calibration.hubness is None
    assert report.calibration.hubness is not None
    bank = HubnessCorrection.from_bytes(report.calibration.hubness).bank
    assert len(bank) == len(bundled_queries())
    assert report.half_sure_score != plain.half_sure_score
    assert report.error is not None


def test_a_bank_that_is_damaged_is_said_with_the_way_out(various) -> None:
    report = calibrated(various, hubness=True)
    damaged = replace(report.calibration, hubness=b"PK" + bytes(99))
    fingerprint = various.encoder.spec.fingerprint
    various.store.encoders.set_calibration(fingerprint, damaged)
    with pytest.raises(LibraryDamagedError) as caught:
        various.search("red")
    assert caught.value.hint == Hint("calibrate_again")
    various.store.encoders.set_calibration(fingerprint, None)
    assert various.search("red")
