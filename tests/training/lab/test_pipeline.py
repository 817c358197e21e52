"""A whole training run, its files, and the published parts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vidseek.encoders.hubness import HubnessCorrection


@pytest.mark.full
def test_a_run_leaves_all_parts_and_is_not_repeated(data, cache, settings, run):
    from vidseek.training.lab.pipeline import train

    for name in ("text", "vision", "temporal", "cross_modal"):
        assert (run / name / "config.json").exists()
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    ablations = json.loads((run / "temporal.json").read_text())["ablations"]
    assert {"plain mean", "shipped", "shipped, frames shuffled", "one frame"} <= set(ablations)
    choices = json.loads((run / "choices.json").read_text())
    # Four steps on noise teach nothing; a confidence that falls with the score is never recorded.
    assert choices["confidence_scale"] is None or choices["confidence_scale"] > 0
    assert isinstance(choices["rerank"], bool)
    history = json.loads((run / "towers.json").read_text())["history"]
    assert history[-1]["step"] == 4
    assert {"flickr8k_r10", "msrvtt_r10", "sports100"} <= set(history[-1])
    train(settings, data=data, cache=cache, run=run, stages=["towers"])
    again = json.loads((run / "towers.json").read_text())["history"]
    assert again[-1]["step"] == 4, "nothing is left to train"


@pytest.mark.full
def test_published_files_run_without_torch(run, tmp_path):
    from vidseek.encoders.builtin.encoder import BuiltinEncoder
    from vidseek.training.lab.publish import publish

    manifest = publish(run, folder=tmp_path, revision="tiny")
    encoder = BuiltinEncoder(tmp_path)
    assert encoder.spec == manifest.spec
    assert encoder.spec.revision == "tiny"
    features = encoder.encode_frames(np.zeros((3, 20, 30, 3), np.uint8))
    clips = encoder.encode_clips(features, np.arange(3.0), [slice(0, 3)])
    assert clips.shape == (1, 384)
    query = encoder.encode_text(["a dog runs"])
    first = (clips @ query[0]).astype(np.float32)
    assert encoder.rerank("a dog runs", [features], first).shape == (1,)
    blobs = {part: manifest.read(part) for part in manifest.parts}
    later = publish(run, folder=tmp_path, revision="later", parts=["cross_modal"])
    assert later.spec.fingerprint == manifest.spec.fingerprint
    assert later.parts["vision"] == manifest.parts["vision"]
    assert later.parts["cross_modal"].revision == "later"
    encoder = BuiltinEncoder(tmp_path)
    assert encoder.cross_modal_scores("a dog runs", [features], first).shape == (1,)
    assert all(later.read(part) == blobs[part] for part in ("text", "vision", "temporal"))


@pytest.mark.full
def test_confidence_is_fitted_against_the_best_of_many_wrong_items(run, sets, corpus):
    from vidseek.training.lab.encoded_items import ItemBank, ItemSelection
    from vidseek.training.lab.pipeline import confidence_scores
    from vidseek.training.lab.publish import load_temporal, load_vision
    from vidseek.training.lab.temporal import clip_vectors

    dev = ItemBank.encode(load_vision(run), sets, corpus, ItemSelection("dev"), run=run)
    clips = clip_vectors(load_temporal(run), dev, np.arange(len(dev)))
    matched, wrong = confidence_scores(clips, dev, corpus)
    assert len(wrong) == len(dev.of_kind("flickr8k")) + len(dev.of_kind("msrvtt"))
    assert len(matched) <= len(wrong)  # so few items make one gallery a set
    assert np.isfinite(wrong).all()
    # Taking the same off every score moves both kinds alike.
    bank = np.ones((2, 384), np.float32) / 384**0.5
    usual = HubnessCorrection(bank, 2, weight=1.0, usual=0.0).similarities(clips)
    flat = np.repeat(clips[:1], len(clips), axis=0)
    hubness = HubnessCorrection(bank, 2, weight=1.0, usual=float(usual[0]) + 0.1)
    _, lifted = confidence_scores(flat, dev, corpus, None, hubness)
    _, plain = confidence_scores(flat, dev, corpus)
    np.testing.assert_allclose(lifted, plain + 0.1, atol=1e-4)
