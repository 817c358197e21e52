"""The whole training pipeline on a handful of pictures, and its parts."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from vidseek.encoders.training.measures import group_means, mean_class_accuracy, ranks, recall
from vidseek.encoders.training.settings import BudgetSettings, read_settings

CONFIG = Path(__file__).resolve().parents[2] / "encoders" / "training" / "builtin.toml"
TINY = """
seed = 3
threads = 2
vocabulary = 3000

[towers]
flickr8k = 4
msrvtt = 3
classes = 2
bfloat16 = false
[towers.budget]
steps = 4

[temporal]
batch = 4
[temporal.budget]
steps = 3

[cross_modal]
batch = 3
negatives = 2
[cross_modal.budget]
steps = 3
"""


def webp(picture: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP")
    return buffer.getvalue()


def write_set(folder: Path, name: str, rows: list[dict]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    random = np.random.default_rng(len(rows))
    for row in rows:
        tint = random.integers(0, 256, 3)
        picture = np.clip(random.normal(tint, 40, (48, 64, 3)), 0, 255).astype(np.uint8)
        row |= {"image": webp(picture)}
    parquet.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data folder of the real one's form: noise of different colours, and sentences."""
    root = tmp_path_factory.mktemp("data")
    for name in ("images", "captions", "labels"):
        (root / name).mkdir()
    splits = ["train"] * 8 + ["dev"] * 4 + ["test"] * 2
    write_set(
        root / "images",
        "flickr8k",
        [
            {
                "split": split,
                "label": None,
                "captions": [f"a dog number {place} runs", f"dog {place} in the grass"],
                "group": f"picture{place}",
            }
            for place, split in enumerate(splits)
        ],
    )
    write_set(
        root / "images",
        "msrvtt",
        [
            {
                "split": "train" if video < 6 else "dev",
                "label": None,
                "captions": [f"a man cooks dish {video}"],
                "group": f"video{video}",
            }
            for video in range(10)
            for _ in range(2 + video % 2)
        ],
    )
    for name, other in (("sports100", "valid"), ("caltech101", "test")):
        write_set(
            root / "images",
            name,
            [
                {"split": split, "label": f"{name} kind_{kind}", "captions": [], "group": None}
                for kind in range(3)
                for split in ("train", "train", other)
            ],
        )
    import gzip

    (root / "captions" / "some.txt.gz").write_bytes(gzip.compress(b"a cat sleeps\nsnow falls\n"))
    (root / "labels" / "some.txt").write_text("tench\ngoldfish\n")
    return root


@pytest.fixture(scope="module")
def cache(data, tmp_path_factory) -> Path:
    from vidseek.encoders.training.cache import cache_pictures

    folder = tmp_path_factory.mktemp("cache")
    for name in ("flickr8k", "msrvtt", "sports100", "caltech101"):
        cache_pictures(data, name, folder)
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY)
    return read_settings(path)


@pytest.fixture(scope="module")
def run(data, cache, settings, tmp_path_factory) -> Path:
    """The folder of a whole tiny run."""
    from vidseek.encoders.training.run import train

    folder = tmp_path_factory.mktemp("run")
    train(settings, data=data, cache=cache, run=folder)
    return folder


def test_the_shipped_configuration_is_readable():
    settings = read_settings(CONFIG)
    assert settings.towers.flickr8k + settings.towers.msrvtt + settings.towers.classes == 192


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


def test_ranks_count_what_is_better_and_ties_against():
    scores = np.array([[0.9, 0.1, 0.5], [0.3, 0.3, 0.1]], np.float32)
    rank = ranks(scores, np.array([2, 0]))
    assert rank.tolist() == [1, 1]
    assert recall(rank, 1) == 0.0
    assert recall(rank, 2) == 100.0


def test_group_means_are_normalised_and_in_order():
    vectors = np.array([[1, 0], [0, 1], [0, 2]], np.float32)
    means, names = group_means(vectors, ["b", "b", "a"])
    assert names == ["a", "b"]
    np.testing.assert_allclose(means, [[0, 1], [0.7071, 0.7071]], atol=1e-3)


def test_class_accuracy_weighs_classes_alike():
    assert mean_class_accuracy(["a", "a", "a", "a"], ["a", "a", "a", "b"]) == 50.0


@pytest.mark.full
def test_maps_are_cached_once_and_stopping_in_between_changes_nothing(data, cache, tmp_path):
    import shutil

    from vidseek.encoders.training import cache as module
    from vidseek.encoders.training.cache import cache_pictures, open_maps

    shutil.copy(cache / "stem.onnx", tmp_path / "stem.onnx")
    whole = open_maps(cache, "flickr8k")
    assert whole.fine.shape == (14, 17, 17, 120)
    assert whole.fine.std() > 1
    with pytest.raises(FileNotFoundError, match="cache --sets flickr8k"):
        open_maps(tmp_path, "flickr8k")
    cache_pictures(data, "flickr8k", tmp_path)
    file = tmp_path / "flickr8k.json"
    progress = json.loads(file.read_text())
    file.write_text(json.dumps(progress | {"done": 5}))
    maps = np.load(tmp_path / "flickr8k.fine.npy", mmap_mode="r+")
    maps[5:] = 0
    maps.flush()
    with pytest.raises(FileNotFoundError):
        open_maps(tmp_path, "flickr8k")
    assert module.BATCH == 32
    cache_pictures(data, "flickr8k", tmp_path)
    again = open_maps(tmp_path, "flickr8k")
    # Another batch may round another way, by one step at most.
    assert np.abs(again.fine.astype(int) - whole.fine).max() <= 1
    np.testing.assert_allclose(again.pooled, whole.pooled, atol=0.02)


@pytest.mark.full
def test_a_resumed_run_equals_an_uninterrupted_one(data, cache, settings, run, tmp_path):
    import torch

    from vidseek.encoders.training.corpus import Corpus
    from vidseek.encoders.training.optimisation import save_checkpoint
    from vidseek.encoders.training.towers import BatchMaker, PictureSet, TowerTrainer

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    sets = {name: PictureSet.open(data, cache, name) for name in settings.sets}
    batches = BatchMaker(settings.towers, settings.seed, sets, corpus)

    def advance(trainer: TowerTrainer, steps: int) -> TowerTrainer:
        for _ in range(steps):
            trainer.train_step(batches.make(trainer.step))
        return trainer

    whole = advance(TowerTrainer(settings.towers, seed=settings.seed), 4)
    first = advance(TowerTrainer(settings.towers, seed=settings.seed), 2)
    save_checkpoint(first.state(), tmp_path / "half.pt")
    second = TowerTrainer(settings.towers, seed=settings.seed)
    second.restore(torch.load(tmp_path / "half.pt", weights_only=True))
    advance(second, 2)
    assert second.step == whole.step == 4
    moved = 0
    untrained = dict(TowerTrainer(settings.towers, seed=settings.seed).vision.named_parameters())
    for name, parameter in whole.vision.named_parameters():
        other = dict(second.vision.named_parameters())[name]
        torch.testing.assert_close(other, parameter, atol=1e-5, rtol=1e-4)
        moved += int(not torch.equal(parameter, untrained[name]))
    assert moved > 100, "training changes weights"
    frozen = [name for name in untrained if name.startswith(("stem.first", "stem.blocks.14."))]
    for name in frozen:
        assert torch.equal(dict(whole.vision.named_parameters())[name], untrained[name])


@pytest.mark.full
def test_batches_come_from_training_rows_and_no_class_twice(data, cache, settings, run):
    from vidseek.encoders.training.corpus import Corpus
    from vidseek.encoders.training.towers import BatchMaker, PictureSet

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    sets = {name: PictureSet.open(data, cache, name) for name in settings.sets}
    batches = BatchMaker(settings.towers, settings.seed, sets, corpus)
    assert {row.split for row in batches.flickr} == {"train"}
    assert all(row.split == "train" for frames in batches.videos for row in frames)
    assert len(batches.classes) == 6
    assert all(row.split == "train" for some in batches.classes for _, row in some)
    one, two = batches.make(5), batches.make(5)
    assert one.fine.shape[0] == 9
    assert one.fine.equal(two.fine)
    assert not one.sentences.equal(batches.make(6).sentences)
    seen = {index for step in range(2) for index in batches._turn(step, 4, 8, 1)}
    assert seen == set(range(8)), "a pass sees every picture once"


@pytest.mark.full
def test_sets_that_measure_unseen_names_never_train(data, cache, settings, run):
    from vidseek.encoders.training.corpus import Corpus
    from vidseek.encoders.training.towers import BatchMaker, PictureSet

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    sets = {name: PictureSet.open(data, cache, name) for name in settings.sets}
    with pytest.raises(ValueError, match="scenes15"):
        BatchMaker(settings.towers, 1, sets | {"scenes15": sets["sports100"]}, corpus)


@pytest.mark.full
def test_a_run_leaves_all_parts_and_a_second_call_goes_on(data, cache, settings, run):
    from vidseek.encoders.training.run import train

    for name in ("text", "vision", "temporal", "cross_modal"):
        assert (run / name / "config.json").exists()
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
def test_what_is_published_runs_without_torch(run, tmp_path):
    from vidseek.encoders.builtin import BuiltinEncoder
    from vidseek.encoders.training.publish import publish

    manifest = publish(run, folder=tmp_path, revision="tiny")
    encoder = BuiltinEncoder(tmp_path)
    assert encoder.spec == manifest.spec
    assert encoder.spec.revision == "tiny"
    features = encoder.encode_frames(np.zeros((3, 20, 30, 3), np.uint8))
    clips = encoder.encode_clips(features, np.arange(3.0), [slice(0, 3)])
    assert clips.shape == (1, 384)
    query = encoder.encode_text(["a dog runs"])
    first = (clips @ query[0]).astype(np.float32)
    assert encoder.cross_modal_scores("a dog runs", [features], first).shape == (1,)
    blobs = {part: manifest.read(part) for part in manifest.parts}
    later = publish(run, folder=tmp_path, revision="later", parts=["cross_modal"])
    assert later.spec.fingerprint == manifest.spec.fingerprint
    assert later.parts["vision"] == manifest.parts["vision"]
    assert later.parts["cross_modal"].revision == "later"
    assert all(later.read(part) == blobs[part] for part in ("text", "vision", "temporal"))


@pytest.mark.full
def test_a_paired_gain_is_told_from_chance():
    from vidseek.encoders.training.cross_modal import paired_interval

    random = np.random.default_rng(0)
    low, high = paired_interval(random.normal(0.0, 1.0, 400))
    assert low < 0 < high
    low, high = paired_interval(random.normal(0.5, 1.0, 400))
    assert 0 < low < 0.5 < high


@pytest.mark.full
def test_confidence_is_half_between_matched_and_mismatched():
    from vidseek.encoders.training.publish import fit_confidence

    random = np.random.default_rng(0)
    matched = random.normal(0.5, 0.1, 4000).astype(np.float32)
    mismatched = random.normal(0.1, 0.1, 1000).astype(np.float32)
    scale, bias = fit_confidence(matched, mismatched)
    assert scale > 0
    assert -bias / scale == pytest.approx(0.3, abs=0.02)


@pytest.mark.full
def test_confidence_is_fitted_against_the_best_of_many_wrong_items(data, cache, settings, run):
    from vidseek.encoders.training.corpus import Corpus
    from vidseek.encoders.training.items import ItemBank
    from vidseek.encoders.training.publish import load_temporal, load_vision
    from vidseek.encoders.training.run import confidence_scores
    from vidseek.encoders.training.towers import PictureSet

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    sets = {name: PictureSet.open(data, cache, name) for name in settings.sets}
    dev = ItemBank.encode(load_vision(run), sets, corpus, split="dev", run=run)
    matched, wrong = confidence_scores(load_temporal(run), dev, corpus)
    assert len(wrong) == len(dev.of_kind("flickr8k")) + len(dev.of_kind("msrvtt"))
    assert len(matched) <= len(wrong)  # so few items make one gallery a set
    assert np.isfinite(wrong).all()


@pytest.mark.full
def test_the_real_data_is_read(shared_data):
    from vidseek.encoders.training.pictures import read_pictures, read_rows

    rows = read_rows(shared_data, "flickr8k")
    assert len(rows) == 8091
    assert sum(row.split == "test" for row in rows) == 1000
    assert next(read_pictures(shared_data, "flickr8k", start=5000)).shape == (224, 224, 3)
