"""Configurations of training runs: which are accepted and which are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_training import TINY

from vidseek.training.lab import settings as module
from vidseek.training.lab.settings import BudgetSettings, read_settings

CONFIG = Path(module.__file__).with_name("builtin.toml")


@pytest.mark.parametrize("name", ["builtin", "continued"])
def test_the_shipped_configurations_are_readable(name):
    settings = read_settings(CONFIG.with_stem(name))
    towers = settings.towers
    classes = towers.sports100 + towers.caltech101 + towers.misc
    assert towers.flickr8k + towers.msrvtt + classes == 216


def test_the_ablation_of_attention_changes_its_losses_alone():
    settings = [read_settings(CONFIG.with_stem(name)) for name in ("attention", "no-attention")]
    weights = [
        (towers.token_loss, towers.head_loss, towers.masked_loss)
        for towers in (each.towers for each in settings)
    ]
    assert min(weights[0]) > 0
    assert weights[1] == (0, 0, 0)
    for each in settings:
        assert each.towers.budget.minutes is None, "both arms take the same steps"
    without = replace(settings[0].towers, token_loss=0.0, head_loss=0.0, masked_loss=0.0)
    assert replace(settings[0], towers=without) == settings[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TINY.replace("seed", "sead"), "sead"),
        (TINY.replace("negatives", "negative"), "negative"),
        (TINY.replace("[towers.budget]\nsteps = 4", "[towers.budget]"), "minutes or steps"),
        ("seed = 1", "towers"),
    ],
)
def test_a_wrong_configuration_names_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_settings(path)
    assert "wrong.toml" in str(caught.value)


def test_a_budget_ends_with_whichever_is_used_up_first():
    budget = BudgetSettings(minutes=10, steps=100)
    assert budget.used(minutes=5, steps=20) == 0.5
    assert budget.used(minutes=1, steps=80) == 0.8
    assert budget.used(minutes=11, steps=1) == 1.0
