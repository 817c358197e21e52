"""Training runs compared: paired intervals, and runs without the losses of attention."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

pytestmark = pytest.mark.full


def bounds(cell: str) -> tuple[float, float, float]:
    mean, low, _, high = cell.replace("(", "").replace(")", "").split()
    return float(mean), float(low), float(high)


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_difference_is_paired_by_caption_and_resampled_by_picture():
    from benchmarks.training_runs import recall_rows

    pictures = np.repeat(np.arange(60), 5)
    # Of 60 pictures, the first run finds 20 first and the second 30, all five captions of each.
    first = np.repeat(np.where(np.arange(60) < 20, 0, 7), 5)
    second = np.repeat(np.where(np.arange(60) < 30, 0, 7), 5)
    names, befores, afters, differences = zip(
        *map(cells, recall_rows(first, second, pictures)), strict=True
    )
    assert names == ("R@1", "R@5", "R@10")
    assert bounds(befores[0])[0] == 33.3
    assert bounds(afters[0])[0] == 50.0
    gain, low, high = bounds(differences[0])
    assert gain == 16.7
    # Ten of sixty pictures: 4.8 points of standard error. By caption it would be 2.2 points.
    assert 5 < low < 10
    assert 23 < high < 29
    assert bounds(differences[2]) == (0, 0, 0), "both find everything among ten"


def test_a_run_without_the_losses_of_attention_trains_the_towers_alone(
    settings, run, sets, corpus, tmp_path
):
    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.corpus import load_text
    from vidseek.training.lab.paraphrases import Paraphrases
    from vidseek.training.lab.tower_trainer import TowerTrainer

    flickr = {"flickr8k": sets["flickr8k"]}
    options = replace(settings.towers, msrvtt=0, sports100=0, caltech101=0, misc=0, text_from=0.0)
    without = replace(options, token_loss=0.0, head_loss=0.0, masked_loss=0.0)
    first = []
    for towers in (options, without):
        text, _ = load_text(run, tuned=False)
        trainer = TowerTrainer(towers, text, corpus, seed=settings.seed)
        head = {name: value.clone() for name, value in trainer.head.state_dict().items()}
        batches = BatchMaker(towers, settings.seed, flickr, Paraphrases.none(corpus))
        losses = trainer.train_step(batches.make(0))
        first.append(losses)
        moved = any(
            not value.equal(head[name]) for name, value in trainer.head.state_dict().items()
        )
        assert moved == ("head" in losses)
    assert set(first[0]) - set(first[1]) == {"align", "head", "masked"}
    for name, value in first[1].items():
        assert value == pytest.approx(first[0][name], rel=1e-4), "same batch, words and weights"


def test_a_run_compared_with_itself_differs_by_nothing(data, cache, run, capsys, monkeypatch):
    from benchmarks import training_runs

    options = ["--data", str(data), "--cache", str(cache)]
    monkeypatch.setattr(sys, "argv", ["training_runs", str(run), str(run), *options])
    training_runs.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| R@")]
    assert len(rows) == 3
    for row in rows:
        _, before, after, difference = cells(row)
        assert before == after
        assert bounds(difference) == (0, 0, 0)
