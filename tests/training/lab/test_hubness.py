"""The hubness correction is chosen on dev rows."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.mark.full
def test_the_hubness_correction_is_chosen_on_dev_rows(data, run, tmp_path, sets, corpus):
    from vidseek.training.lab.corpus import load_text
    from vidseek.training.lab.encoded_items import ItemBank, ItemSelection
    from vidseek.training.lab.hubness import choose_hubness, sentence_bank
    from vidseek.training.lab.publish import load_hubness, load_vision

    text, tokenizer = load_text(run)
    bank = sentence_bank(sets, corpus, text, tokenizer, data)
    own = {c for name in sets for row in sets[name].split("train") for c in row.captions}
    assert len(bank) == len(own) + 3, "training captions, and sentences of no picture"
    dev = ItemBank.encode(load_vision(run), sets, corpus, ItemSelection("dev"), run=run)

    # Clips that their sentences barely match, a hub that all sentences match, and a bank of
    # sentences around the hub.
    random = np.random.default_rng(0)
    middle = corpus.vectors[[said for some in dev.sentences for said in some]].mean(0)
    clips = np.stack([corpus.vectors[list(some)].mean(0) for some in dev.sentences])
    clips += random.normal(scale=0.05, size=clips.shape)
    clips[dev.of_kind("flickr8k")[0]] = middle
    clips = (clips / np.linalg.norm(clips, axis=1, keepdims=True)).astype(np.float32)
    bank = middle + random.normal(scale=0.01, size=(40, 384)).astype(np.float32)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    chosen = choose_hubness(bank, dev, clips, corpus, run=tmp_path)
    report = json.loads((tmp_path / "hubness.json").read_text())
    assert report["used"] is (chosen is not None)
    assert (tmp_path / "hubness.npz").exists() is report["used"]
    table = report["recall_at_1_5_10"]
    sums = {name: sum(map(sum, found.values())) for name, found in table.items()}
    best = f"{report['neighbours']} neighbours, {report['weight']:g}"
    assert sums[best] == max(sums.values())
    loaded = load_hubness(tmp_path)
    assert loaded is not None, "a hub that answers every query is worth correcting"
