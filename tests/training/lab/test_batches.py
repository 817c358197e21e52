"""What a step trains on: training rows only, no class twice, captions and paraphrases."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.full
def test_batches_come_from_training_rows_and_no_class_twice(settings, sets, corpus):
    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.paraphrases import Paraphrases

    batches = BatchMaker(settings.towers, settings.seed, sets, Paraphrases.none(corpus))
    assert {row.split for row in batches.flickr} == {"train"}
    assert all(row.split == "train" for frames in batches.videos for row in frames)
    assert {name: len(some) for name, some in batches.classes.items()} == {
        "sports100": 3,
        "caltech101": 3,
        "misc": 4,
    }
    for classes in batches.classes.values():
        assert all(row.split == "train" for rows in classes for row in rows)
    one, two = batches.make(5), batches.make(5)
    assert one.fine.shape[0] == 10
    assert one.fine.equal(two.fine)
    assert not np.array_equal(one.sentences, batches.make(6).sentences)
    assert 15 <= batches.make(5, whole=True).fine.shape[2] <= 17
    seen = {index for step in range(2) for index in batches._turn(step, 4, 8, 1)}
    assert seen == set(range(8)), "a pass sees every picture once"


@pytest.mark.full
def test_evaluation_only_sets_are_refused(settings, sets, corpus):
    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.paraphrases import Paraphrases

    sets["scenes15"] = sets["sports100"]
    with pytest.raises(ValueError, match="scenes15"):
        BatchMaker(settings.towers, 1, sets, Paraphrases.none(corpus))


@pytest.mark.full
def test_captions_are_replaced_by_paraphrases(data, settings, run, sets, corpus):
    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.paraphrases import Paraphrases

    paraphrases = Paraphrases.find(corpus, [f"a man cooks dish {n}" for n in range(6)], data, run)
    larger, caption = paraphrases.corpus, corpus.ids["a man cooks dish 2"]
    assert [larger.sentences[place] for place in paraphrases.of[caption]] == [
        "a guy is cooking dish 2"
    ], "a paraphrase, not the caption itself"
    place = paraphrases.of[caption][0]
    assert larger.vectors[place] @ larger.vectors[caption] > 0.75
    assert larger.tokens[place] != larger.tokens[caption]
    batches = BatchMaker(settings.towers, settings.seed, sets, paraphrases)
    said = {place for step in range(20) for place in batches.make(step).sentences.tolist()}
    assert place in said
