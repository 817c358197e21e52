"""Zero-shot labels: shares of a clip, none of these, duplicates and other scripts."""

from __future__ import annotations

import numpy as np
import pytest
from palette_encoder import PALETTE, HeadlessEncoder

from vidseek.core.errors import JobCancelledError, PathNotFoundError, QueryError
from vidseek.core.job import Job
from vidseek.search.understanding.classify import pooled
from vidseek.search.understanding.label_sets import LABEL_SETS, bundled_labels, read_labels
from vidseek.search.understanding.zero_shot import MAX_LABELS, ZeroShotClassifier, unique_labels

COLOURS = ("red", "green", "blue", "yellow")


def calibrated() -> HeadlessEncoder:
    return HeadlessEncoder(scale=20.0, bias=-12.0)


def vectors(shelf, *colours: str) -> np.ndarray:
    video = shelf.add("all.mp4", colours)
    ids = [clip.id for clip in shelf.store.videos.clips(video.id)]
    return shelf.store.clip_vectors.read(ids, shelf.encoder.spec.fingerprint)


def test_each_clip_gets_its_colour(make_shelf) -> None:
    shelf = make_shelf(calibrated())
    classifier = ZeroShotClassifier(shelf.engine, COLOURS, job=Job())
    confidences = classifier.confidences(vectors(shelf, *COLOURS))
    assert confidences.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert (confidences.max(axis=1) > 0.9).all()
    assert (confidences.sum(axis=1) <= 1.0).all()


def test_a_clip_that_shows_no_label_has_little_confidence(make_shelf) -> None:
    shelf = make_shelf(calibrated())
    classifier = ZeroShotClassifier(shelf.engine, ("red", "green"), job=Job())
    assert classifier.confidences(vectors(shelf, "blue")).sum() < 0.1


def test_a_single_label_gets_the_calibrated_confidence(make_shelf) -> None:
    shelf = make_shelf(calibrated())
    clips = vectors(shelf, "red", "blue")
    classifier = ZeroShotClassifier(shelf.engine, ("red",), job=Job())
    (red,) = shelf.encoder.encode_text(["red"])
    expected = 1 / (1 + np.exp(-(20.0 * (clips @ red) - 12.0)))
    np.testing.assert_allclose(classifier.confidences(clips)[:, 0], expected, atol=1e-3)


def test_without_calibration_every_clip_gets_the_nearest_label(make_shelf) -> None:
    shelf = make_shelf(HeadlessEncoder())
    classifier = ZeroShotClassifier(shelf.engine, ("red", "green"), job=Job())
    np.testing.assert_allclose(classifier.confidences(vectors(shelf, "blue")).sum(), 1.0)
    assert [warning.code for warning in classifier.warnings()] == ["uncalibrated"]


def test_labels_are_cleaned_and_count_once() -> None:
    assert unique_labels(["a  dog", "A dog", "cat", "собака"]) == ("a dog", "cat", "собака")


@pytest.mark.parametrize("labels", [[], ["dog", "  "], [f"label {i}" for i in range(20_001)]])
def test_impossible_labels_are_refused(labels: list[str]) -> None:
    assert MAX_LABELS == 20_000
    with pytest.raises(QueryError):
        unique_labels(labels)


def test_ten_thousand_labels(make_shelf) -> None:
    shelf = make_shelf(calibrated())
    labels = [f"thing {i}" for i in range(10_000)] + ["red"]
    classifier = ZeroShotClassifier(shelf.engine, labels, job=Job())
    confidences = classifier.confidences(vectors(shelf, "red"))
    assert confidences.shape == (1, 10_001)
    assert classifier.labels[int(confidences.argmax())] == "red"


def test_encoding_labels_can_be_cancelled(make_shelf) -> None:
    job = Job()
    job.cancel()
    with pytest.raises(JobCancelledError):
        ZeroShotClassifier(make_shelf(calibrated()).engine, list(PALETTE), job=job)


def test_a_label_with_braces_is_a_label(make_shelf) -> None:
    assert ZeroShotClassifier(make_shelf(calibrated()).engine, ["{x}"], job=Job()).labels == (
        "{x}",
    )


def test_a_label_shown_in_a_tenth_of_a_video_counts() -> None:
    confidences = np.zeros((100, 2))
    confidences[:10, 1] = 0.9
    assert pooled(confidences).tolist() == pytest.approx([0.0, 0.9])
    assert pooled(confidences[:1]).tolist() == pytest.approx([0.0, 0.9])


@pytest.mark.parametrize("name", LABEL_SETS)
def test_bundled_sets_are_a_few_hundred_different_labels(name: str) -> None:
    labels = bundled_labels(name)
    assert 300 <= len(labels) <= 600
    assert unique_labels(labels) == labels


def test_label_files(tmp_path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("﻿# animals\ndog\n\n  cat \nпёс\n", "utf-8")
    assert read_labels(file) == ("dog", "cat", "пёс")
    file.write_text("# nothing\n")
    with pytest.raises(QueryError):
        read_labels(file)
    with pytest.raises(PathNotFoundError):
        read_labels(tmp_path / "missing.txt")
    with pytest.raises(QueryError):
        bundled_labels("nowhere")
