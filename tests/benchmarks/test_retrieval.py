"""The benchmark of retrieval: intervals, synonyms, and runs without data."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.intervals import interval, ratio_interval
from benchmarks.retrieval.classes import class_interval
from benchmarks.retrieval.pictures import evenly_spaced
from benchmarks.retrieval.synonyms import LIST, absent_synonyms, plural, replace_noun
from vidseek.training.lab.pictures import PictureRow

ROOT = Path(__file__).resolve().parents[2]


def bounds(text: str) -> tuple[float, float, float]:
    mean, low, _, high = text.replace("(", "").replace(")", "").split()
    return float(mean), float(low), float(high)


def test_an_interval_lies_around_its_mean() -> None:
    values = (np.arange(400) % 4 == 0).astype(np.float64)
    mean, low, high = bounds(interval(values))
    assert mean == 25.0
    assert 19 < low < 23 < 27 < high < 31
    assert bounds(interval(np.ones(10))) == (100, 100, 100)


def test_queries_of_one_picture_are_resampled_together() -> None:
    groups = np.repeat(np.arange(80), 5)
    values = np.repeat(np.arange(80) % 2, 5).astype(np.float64)
    _, low, high = bounds(interval(values))
    mean, lower, higher = bounds(interval(values, groups))
    assert mean == 50.0
    assert higher - lower > 1.8 * (high - low)


def test_a_ratio_is_of_paired_sums() -> None:
    below = np.array([1.0, 1.0, 0.0, 1.0])
    assert bounds(ratio_interval(below, below)) == (100, 100, 100)
    assert bounds(ratio_interval(below * 0.5, below))[0] == 50


def test_accuracy_is_the_mean_over_classes() -> None:
    labels = np.array(["rare"] * 20 + ["usual"] * 180)
    right = np.concatenate([np.ones(20), np.zeros(180)])
    assert bounds(class_interval(right, labels)) == (50, 50, 50)
    before = np.concatenate([np.zeros(10), np.ones(10), np.zeros(180)])
    mean, low, high = bounds(class_interval(right - before, labels))
    assert mean == 25.0
    assert 5 < low < 25 < high < 45


@pytest.mark.parametrize(("limit", "places"), [(3, [0, 3, 6]), (10, range(10)), (99, range(10))])
def test_a_limit_takes_rows_of_the_whole_split(limit: int, places: Sequence[int]) -> None:
    rows = [PictureRow(place, "test", None, (), None) for place in range(10)]
    assert [row.index for row in evenly_spaced(rows, limit)] == list(places)


def test_nouns_get_their_plural() -> None:
    irregular = {"man": "men"}
    assert [plural(noun, irregular) for noun in ("man", "lady", "boy", "beach", "dog")] == [
        "men",
        "ladies",
        "boys",
        "beaches",
        "dogs",
    ]


def test_synonyms_seen_in_training_are_not_used() -> None:
    unseen = absent_synonyms(set())
    assert {one.synonym for one in unseen["dog"]} >= {"pooch", "mutt", "hound"}
    seen = absent_synonyms({"hounds", "pooch", "dog"})
    assert not {"hound", "pooch"} & {one.synonym for one in seen["dog"]}
    assert {one.written for one in seen["dogs"]} == {"mutts", "canines", "doggies"}


def test_a_whole_word_is_replaced_with_its_article(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.toml"
    path.write_text('[plurals]\nchild = "children"\n[synonyms]\nchild = ["urchin"]\n')
    usable = absent_synonyms(set(), path)
    random = np.random.default_rng(0)

    def replaced(caption: str) -> str | None:
        choice = replace_noun(caption, usable, random)
        return None if choice is None else choice[0]

    assert replaced("A child runs .") == "an urchin runs ."
    assert replaced("The children run") == "the urchins run"
    assert replaced("A childish man") is None


def test_no_noun_is_its_own_synonym() -> None:
    table = tomllib.loads(LIST.read_text(encoding="utf-8"))
    pairs = [(noun, other) for noun, others in table["synonyms"].items() for other in others]
    assert len(pairs) == len(set(pairs))
    assert all(noun != other for noun, other in pairs)
    words = {word for pair in pairs for word in pair}
    assert set(table["plurals"]) <= words


@pytest.mark.full
@pytest.mark.long
def test_without_data_the_speed_is_measured_and_the_rest_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "data"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.retrieval", "--data", missing],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert f"{missing} is missing: only the speed is measured" in done.stderr
    assert "frames per second" in done.stdout
    assert "R@1" not in done.stdout
