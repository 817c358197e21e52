"""The whole training pipeline on a handful of pictures, and its parts."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from vidseek.encoders.hubness import HubnessCorrection
from vidseek.training.lab.settings import BudgetSettings, read_settings
from vidseek.training.metrics import group_means, mean_class_accuracy, ranks, recall

CONFIG = Path(__file__).resolve().parents[2] / "training" / "lab" / "builtin.toml"
TINY = """
seed = 3
threads = 2
vocabulary = 3000

[towers]
flickr8k = 4
msrvtt = 3
sports100 = 1
caltech101 = 1
misc = 1
paraphrase_share = 0.5
negatives = 2
text_from = 0.5
whole_from = 0.75
bfloat16 = false
[towers.views]
flickr8k = 1
[towers.budget]
steps = 4

[temporal]
batch = 4
pan_pictures = 4
[temporal.budget]
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
    write_set(
        root / "images",
        "misc",
        [
            {"split": "train", "label": f"thing {kind}", "captions": [], "group": "some"}
            for kind in range(4)
        ],
    )
    import gzip

    (root / "captions" / "some.txt.gz").write_bytes(
        gzip.compress(b"a cat sleeps\nsnow falls\na guy is cooking dish 2\na man cooks dish 2\n")
    )
    (root / "labels" / "some.txt").write_text("tench\ngoldfish\n")
    return root


@pytest.fixture(scope="module")
def cache(data, tmp_path_factory) -> Path:
    from vidseek.training.lab.stem_map_cache import cache_pictures

    folder = tmp_path_factory.mktemp("cache")
    for name in ("flickr8k", "msrvtt", "sports100", "caltech101", "misc"):
        cache_pictures(data, name, folder, views=int(name == "flickr8k"))
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY)
    return read_settings(path)


def open_sets(data, cache, settings):
    from vidseek.training.lab.batches import PictureSet

    views = settings.towers.views
    return {
        name: PictureSet.open(data, cache, name, views=views.get(name, 0)) for name in settings.sets
    }


@pytest.fixture(scope="module")
def run(data, cache, settings, tmp_path_factory) -> Path:
    """The folder of a whole tiny run."""
    from vidseek.training.lab.pipeline import train

    folder = tmp_path_factory.mktemp("run")
    train(settings, data=data, cache=cache, run=folder)
    return folder


@pytest.mark.parametrize("name", ["builtin", "continued"])
def test_the_shipped_configurations_are_readable(name):
    settings = read_settings(CONFIG.with_stem(name))
    towers = settings.towers
    classes = towers.sports100 + towers.caltech101 + towers.misc
    assert towers.flickr8k + towers.msrvtt + classes == 216


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

    from vidseek.training.lab.stem_map_cache import cache_pictures, open_maps

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
    cache_pictures(data, "flickr8k", tmp_path)
    again = open_maps(tmp_path, "flickr8k")
    # Another batch may round another way, by one step at most.
    assert np.abs(again.fine.astype(int) - whole.fine).max() <= 1
    np.testing.assert_allclose(again.pooled, whole.pooled, atol=0.02)


@pytest.mark.full
def test_a_resumed_run_equals_an_uninterrupted_one(data, cache, settings, run, tmp_path):
    import torch

    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.corpus import Corpus, load_text
    from vidseek.training.lab.paraphrases import Paraphrases
    from vidseek.training.lab.tower_trainer import TowerTrainer
    from vidseek.training.optimisation import save_checkpoint

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    sets = open_sets(data, cache, settings)
    batches = BatchMaker(settings.towers, settings.seed, sets, Paraphrases.none(corpus))

    def fresh() -> TowerTrainer:
        text, _ = load_text(run, tuned=False)
        return TowerTrainer(settings.towers, text, corpus, seed=settings.seed)

    def advance(trainer: TowerTrainer, steps: int) -> TowerTrainer:
        for _ in range(steps):
            trainer.train_step(batches.make(trainer.step))
        return trainer

    whole = advance(fresh(), 4)
    first = advance(fresh(), 3)
    save_checkpoint(first.state(), tmp_path / "part.pt")
    second = fresh()
    second.restore(torch.load(tmp_path / "part.pt", weights_only=True))
    advance(second, 1)
    assert second.step == whole.step == 4
    start = fresh()
    for part, least in (("vision", 100), ("text", 60), ("head", 20)):
        moved = 0
        untrained = dict(getattr(start, part).named_parameters())
        others = dict(getattr(second, part).named_parameters())
        averages = dict(second.averages[part].module.named_parameters())
        for name, parameter in whole.averages[part].module.named_parameters():
            torch.testing.assert_close(averages[name], parameter, atol=1e-5, rtol=1e-4)
        for name, parameter in getattr(whole, part).named_parameters():
            torch.testing.assert_close(others[name], parameter, atol=1e-5, rtol=1e-4)
            moved += int(not torch.equal(parameter, untrained[name]))
        assert moved > least, f"training changes the weights of {part}"
    words = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(whole.text.state_dict()[words], start.text.state_dict()[words])
    untrained = dict(start.vision.named_parameters())
    frozen = [name for name in untrained if name.startswith(("stem.first", "stem.blocks.14."))]
    for name in frozen:
        assert torch.equal(dict(whole.vision.named_parameters())[name], untrained[name])


@pytest.mark.full
def test_batches_come_from_training_rows_and_no_class_twice(data, cache, settings, run):
    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.corpus import Corpus
    from vidseek.training.lab.paraphrases import Paraphrases

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    sets = open_sets(data, cache, settings)
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
def test_sets_that_measure_unseen_names_never_train(data, cache, settings, run):
    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.corpus import Corpus
    from vidseek.training.lab.paraphrases import Paraphrases

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    sets = open_sets(data, cache, settings)
    sets["scenes15"] = sets["sports100"]
    with pytest.raises(ValueError, match="scenes15"):
        BatchMaker(settings.towers, 1, sets, Paraphrases.none(corpus))


@pytest.mark.full
def test_captions_are_also_read_in_other_words(data, cache, settings, run):
    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.corpus import Corpus
    from vidseek.training.lab.paraphrases import Paraphrases

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    paraphrases = Paraphrases.find(corpus, [f"a man cooks dish {n}" for n in range(6)], data, run)
    larger, caption = paraphrases.corpus, corpus.ids["a man cooks dish 2"]
    assert [larger.sentences[place] for place in paraphrases.of[caption]] == [
        "a guy is cooking dish 2"
    ], "what says the same, and not the caption itself"
    place = paraphrases.of[caption][0]
    assert larger.vectors[place] @ larger.vectors[caption] > 0.75
    assert larger.tokens[place] != larger.tokens[caption]
    batches = BatchMaker(
        settings.towers, settings.seed, open_sets(data, cache, settings), paraphrases
    )
    said = {place for step in range(20) for place in batches.make(step).sentences.tolist()}
    assert place in said


@pytest.mark.full
def test_a_run_leaves_all_parts_and_a_second_call_goes_on(data, cache, settings, run):
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
def test_what_is_published_runs_without_torch(run, tmp_path):
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
    assert encoder.cross_modal_scores("a dog runs", [features], first).shape == (1,)
    blobs = {part: manifest.read(part) for part in manifest.parts}
    later = publish(run, folder=tmp_path, revision="later", parts=["cross_modal"])
    assert later.spec.fingerprint == manifest.spec.fingerprint
    assert later.parts["vision"] == manifest.parts["vision"]
    assert later.parts["cross_modal"].revision == "later"
    assert all(later.read(part) == blobs[part] for part in ("text", "vision", "temporal"))


@pytest.mark.full
def test_a_paired_gain_is_told_from_chance():
    from vidseek.training.lab.rerank import paired_interval

    random = np.random.default_rng(0)
    low, high = paired_interval(random.normal(0.0, 1.0, 400))
    assert low < 0 < high
    low, high = paired_interval(random.normal(0.5, 1.0, 400))
    assert 0 < low < 0.5 < high


@pytest.mark.full
def test_confidence_is_fitted_against_the_best_of_many_wrong_items(data, cache, settings, run):
    from vidseek.training.lab.corpus import Corpus
    from vidseek.training.lab.encoded_items import ItemBank, ItemSelection
    from vidseek.training.lab.pipeline import confidence_scores
    from vidseek.training.lab.publish import load_temporal, load_vision
    from vidseek.training.lab.temporal import clip_vectors

    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    sets = open_sets(data, cache, settings)
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


@pytest.mark.full
def test_how_hubs_are_corrected_is_chosen_on_dev_rows(data, cache, settings, run, tmp_path):
    from vidseek.training.lab.corpus import Corpus, load_text
    from vidseek.training.lab.encoded_items import ItemBank, ItemSelection
    from vidseek.training.lab.hubness import choose_hubness, sentence_bank
    from vidseek.training.lab.publish import load_hubness, load_vision

    sets = open_sets(data, cache, settings)
    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    text, tokenizer = load_text(run)
    bank = sentence_bank(sets, corpus, text, tokenizer, data)
    own = {c for name in sets for row in sets[name].split("train") for c in row.captions}
    assert len(bank) == len(own) + 3, "training captions, and sentences of no picture"
    dev = ItemBank.encode(load_vision(run), sets, corpus, ItemSelection("dev"), run=run)

    # Clips that their sentences hardly find, beside a hub that all of them find, and sentences that
    # lead to the hub.
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


@pytest.mark.full
def test_the_real_data_is_read(shared_data):
    from vidseek.training.lab.pictures import read_pictures, read_rows

    rows = read_rows(shared_data, "flickr8k")
    assert len(rows) == 8091
    assert sum(row.split == "test" for row in rows) == 1000
    assert next(read_pictures(shared_data, "flickr8k", start=5000)).shape == (224, 224, 3)


@pytest.mark.full
def test_changed_views_differ_and_are_kept_of_training_rows_only(cache, data):
    from vidseek.training.lab.pictures import read_rows
    from vidseek.training.lab.stem_map_cache import open_maps

    maps = open_maps(cache, "flickr8k", views=1)
    rows = read_rows(data, "flickr8k")
    for row in rows:
        changed = np.abs(maps.views[0][row.index].astype(int) - maps.fine[row.index]).max()
        assert changed > 0
        assert bool(maps.views[0][row.index].any()) == (row.split == "train")
    with pytest.raises(FileNotFoundError, match=r"view2.*cache --sets flickr8k"):
        open_maps(cache, "flickr8k", views=2)


@pytest.mark.parametrize("shape", [(48, 64, 3), (1, 1, 3), (3, 200, 3)])
def test_a_changed_view_is_a_picture_and_the_same_for_the_same_seed(shape):
    from vidseek.training.lab.augmentation import change_picture

    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for seed in range(12):
        view = change_picture(picture, np.random.default_rng(seed))
        assert view.ndim == 3
        assert view.dtype == np.uint8
        assert min(view.shape) >= 1
        np.testing.assert_array_equal(view, change_picture(picture, np.random.default_rng(seed)))


@pytest.mark.full
def test_frames_are_put_in_three_kinds_of_order():
    from vidseek.training.lab.encoded_items import ItemBank
    from vidseek.training.lab.temporal import shuffled_frames

    frames = np.tile(np.arange(4, dtype=np.float32)[:, None], (1, 384))
    bank = ItemBank(["msrvtt"] * 60, [frames] * 59 + [frames[:2]], [], [])
    vectors, orders = shuffled_frames(bank, np.random.default_rng(0), 1000)
    assert len(vectors) == 59, "two frames have no order that is neither"
    assert set(orders) == {0, 1, 2}
    for some, order in zip(vectors[:, :, 0].tolist(), orders, strict=True):
        assert (some == [0, 1, 2, 3]) == (order == 0)
        assert (some == [3, 2, 1, 0]) == (order == 1)


@pytest.mark.full
def test_the_camera_moves_both_ways_along_each_path():
    from vidseek.training.lab.pan_augmentation import KINDS, draw_pans

    clips = np.random.default_rng(1).normal(size=(40, 3, 5, 384)).astype(np.float32)
    clips /= np.linalg.norm(clips, axis=-1, keepdims=True)
    vectors, kinds = draw_pans(clips, np.arange(40), np.random.default_rng(0))
    assert set(kinds) == set(range(len(KINDS)))
    for place, kind in enumerate(kinds):
        if KINDS[kind] == "pans right":
            np.testing.assert_allclose(vectors[place], clips[place, 0], atol=1e-5)
        if KINDS[kind] == "tilts up":
            np.testing.assert_allclose(vectors[place], clips[place, 1, ::-1], atol=1e-5)
        if KINDS[kind] == "stands still":
            assert (vectors[place] @ clips[place, 0, 2]).min() > 0.95


@pytest.mark.full
def test_training_goes_on_from_shipped_weights(data, cache, settings, run, tmp_path):
    import torch

    from vidseek.core.errors import WeightsError
    from vidseek.training.lab.corpus import load_text
    from vidseek.training.lab.publish import load_vision, publish
    from vidseek.training.lab.towers import shipped_models

    publish(run, folder=tmp_path, revision="tiny")
    _, tokenizer = load_text(run)
    vision, text, head = shipped_models(tmp_path, tokenizer)
    fine = torch.randn(2, 120, 17, 17)
    with torch.inference_mode():
        expected = load_vision(run)(fine).vectors
        assert float((vision.eval()(fine).vectors * expected).sum(-1).min()) > 0.98
    assert vision.stem.classes.weight.std() > 0.01, "the side loss needs ImageNet's classes"
    assert text.bert.config.vocab_size == settings.vocabulary
    assert head.config.aligned_size == 192
    tokenizer.add_tokens(["frisbeeing"])
    with pytest.raises(WeightsError, match="other word pieces"):
        shipped_models(tmp_path, tokenizer)


@pytest.mark.full
def test_a_model_goes_part_of_the_way_back_to_where_it_began():
    import torch

    from vidseek.training.lab.towers import move_towards

    trained, start = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    before = trained.weight.detach().clone()
    move_towards(trained, start, 0.25)
    torch.testing.assert_close(trained.weight, 0.75 * before + 0.25 * start.weight)
    move_towards(trained, start, 1.0)
    torch.testing.assert_close(trained.bias, start.bias)
