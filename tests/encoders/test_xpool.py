"""A head for a third-party model: what it computes, what it learns, and where it is refused.

In every toy clip one frame shows what the caption says and the others show what other captions say;
a part of each vector, which no sentence has, marks the frame that counts. So neither the mean of
the frames nor the frame nearest to the words tells clips apart, but attention can learn to.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from captioned_films import COLOURS, VIDEOS, write_captioned_films
from hub_checkpoints import make_checkpoint

import vidseek
from vidseek.core.errors import EncoderError, ModelNotFoundError, TrainingError, WeightsError
from vidseek.core.job import Job
from vidseek.encoders.model_ref import ModelRef
from vidseek.encoders.registry import create_encoder
from vidseek.search.moments.calibration import report as calibration_report

pytestmark = pytest.mark.full

DIMENSION = 24
FRAMES = 5


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def normalised(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def toy_clips(count: int):
    """Clips of six vectors; the marked vector matches the caption."""
    from vidseek.core.captions import CaptionedClip
    from vidseek.training.user.xpool import VectorClips

    random = np.random.default_rng(0)
    half = DIMENSION // 2
    clips, frames, sentences = [], [], []
    for number in range(count):
        things = random.normal(size=(1 + FRAMES, half))
        # Frames that do not count show what is said of other clips, or might be.
        marks = np.zeros((1 + FRAMES, half))
        marks[0, 0] = 3.0
        order = random.permutation(1 + FRAMES)
        frames.append(normalised(np.hstack([things, marks])[order]))
        said = np.hstack([things[0] + 0.8 * random.normal(size=half), np.zeros(half)])
        sentences.append(normalised(said[None]))
        clips.append(CaptionedClip(Path(f"/{number}.mp4"), None, (f"thing {number}",), (number,)))
    means = normalised(np.stack([some.mean(0) for some in frames]))
    places = list(range(count))
    return VectorClips(
        clips, frames, means, sentences, places[: -count // 4], places[-count // 4 :]
    )


@pytest.fixture(scope="module")
def toy():
    return toy_clips(400)


@pytest.fixture(scope="module")
def trainer(toy):
    import torch

    from vidseek.training.user.xpool import XPoolSettings, XPoolTrainer

    settings = XPoolSettings(seed=1, epochs=30, learning_rate=3e-3)
    trainer = XPoolTrainer(settings, toy, device=torch.device("cpu"))
    trainer.measure()
    while trainer.step < trainer.steps:
        trainer.train_step()
    trainer.measure()
    return trainer


def test_the_head_learns_which_frames_count(trainer, toy):
    from vidseek.training.user.xpool import measure_pooling

    mean, pooled = measure_pooling(toy)
    before, after = (row["mean_reciprocal_rank"] for row in trainer.history)
    assert after > max(mean["mean_reciprocal_rank"], pooled["mean_reciprocal_rank"]) + 10
    assert after > before + 10
    assert trainer.best_step == trainer.steps
    # And it is attention that does it: the frame that counts has most of the weight.
    state = trainer.head.state_dict()
    marked = normalised(np.eye(DIMENSION)[DIMENSION // 2][None])[0]
    frames = toy.frames[toy.held_out[0]]
    import torch

    with torch.no_grad():
        trainer.head.eval()
        seen = trainer.head.input_norm(torch.from_numpy(frames))
        text = torch.from_numpy(toy.sentences[toy.held_out[0]])
        query = trainer.head.query(trainer.head.input_norm(text))
        logits = (query @ trainer.head.key(seen).T)[0] / DIMENSION**0.5
    assert int(logits.argmax()) == int((frames @ marked).argmax())
    assert set(state) >= {"query.weight", "output_norm.bias"}


def test_the_head_that_searches_computes_what_the_trained_one_does(trainer):
    import torch

    from vidseek.encoders.hub.xpool import XPoolHead
    from vidseek.training.padding import pad_items
    from vidseek.training.user.xpool import trained_weights

    random = np.random.default_rng(3)
    clips = [normalised(random.normal(size=(frames, DIMENSION))) for frames in (1, 4, 12, 2)]
    texts = normalised(random.normal(size=(3, DIMENSION)))
    padded, mask = pad_items(clips)
    with torch.no_grad():
        expected = trainer.head.eval()(torch.from_numpy(texts), padded, mask).numpy()
    head = XPoolHead(trained_weights(trainer.head.state_dict()), dimension=DIMENSION)
    found = np.stack([head.scores(text, clips) for text in texts])
    np.testing.assert_allclose(found, expected, atol=2e-5)
    # A clip's score does not depend on what else is looked at.
    np.testing.assert_allclose(head.scores(texts[0], clips[2:3]), found[0, 2:3], atol=1e-6)


def test_an_untrained_head_weights_frames_by_the_words():
    import torch

    from vidseek.training.user.xpool import XPool

    random = np.random.default_rng(4)
    frames = normalised(random.normal(size=(3, 7, DIMENSION)))
    frames -= frames.mean(-1, keepdims=True)  # what the norms take off
    text = frames[1, 4] / np.linalg.norm(frames[1, 4])
    with torch.no_grad():
        scores = XPool(DIMENSION, dropout=0.3).eval()(
            torch.from_numpy(text[None]), torch.from_numpy(frames), torch.ones(3, 7)
        )[0]
    unit = normalised(frames)
    weights = np.exp(DIMENSION**0.5 * unit @ text)
    pooled = normalised(np.einsum("nf,nfd->nd", weights / weights.sum(-1, keepdims=True), unit))
    np.testing.assert_allclose(scores.numpy(), pooled @ text, atol=1e-3)


def test_scores_stay_on_the_level_of_cosines(trainer, toy):
    from vidseek.encoders.hub.xpool import XPoolHead, blended
    from vidseek.training.user.xpool import measure_head, trained_weights

    weights = trained_weights(trainer.head.state_dict())
    measured = measure_head(weights, toy)
    head = XPoolHead(weights, dimension=DIMENSION)
    places = toy.held_out
    wrong_first, wrong_after = [], []
    for row, place in enumerate(places):
        text = toy.sentences[place][0]
        first = toy.means[places] @ text
        found = head.scores(text, [toy.frames[p] for p in places])
        after = blended(found, first, scale=measured.scale, offset=measured.offset)
        wrong = np.arange(len(places)) != row
        wrong_first.append(first[wrong])
        wrong_after.append(after[wrong])
    one, other = np.concatenate(wrong_first), np.concatenate(wrong_after)
    assert other.mean() == pytest.approx(one.mean(), abs=0.03)
    assert other.std() == pytest.approx(one.std(), rel=0.35)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return make_checkpoint("clip", tmp_path_factory.mktemp("base") / "clip")


@pytest.fixture(scope="module")
def footage(base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    write_captioned_films(folder, create_encoder(str(base)))
    return folder


@pytest.fixture(scope="module")
def said(footage) -> list[str]:
    """The captions."""
    rows = (footage / "captions.jsonl").read_text().splitlines()
    return list(dict.fromkeys(json.loads(row)["caption"] for row in rows))


@pytest.fixture(scope="module")
def settings(seed):
    from vidseek.training.user.xpool import XPoolSettings

    return XPoolSettings(seed=seed, epochs=30, batch=10, learning_rate=3e-3)


@pytest.fixture(scope="module")
def seed() -> int:
    """A seed whose split holds out films of three colours."""
    from vidseek.core.captions import CaptionedClip
    from vidseek.training.user.held_out import hold_out

    clips = [CaptionedClip(Path(f"{n}.mp4"), None, ("x",), (n,)) for n in range(VIDEOS)]
    for seed in range(50):
        _, held_out = hold_out(clips, seed=seed)
        if len({place % len(COLOURS) for place in held_out}) >= 3:
            return seed
    raise AssertionError("no such seed")


@pytest.fixture(scope="module")
def trained(base, footage, settings, tmp_path_factory):
    from vidseek.training.user.train_head import train_head

    folder = tmp_path_factory.mktemp("heads") / "head"
    encoder = create_encoder(str(base))
    return train_head(footage / "captions.jsonl", folder, encoder, settings=settings)


def test_a_run_that_gains_writes_two_files_beside_nothing_of_the_model(trained, base):
    assert trained.improved
    rank = "mean_reciprocal_rank"
    assert trained.after[rank] > max(trained.before[rank], trained.pooled[rank])
    assert trained.base == str(base)
    assert trained.fingerprint == create_encoder(str(base)).spec.fingerprint
    left = {path.name for path in trained.folder.iterdir()}
    assert left == {"xpool.json", "xpool.safetensors", "training"}
    work = {path.name for path in (trained.folder / "training").iterdir()}
    assert work == {"curves.png", "report.json", "run.json"}


def test_the_heads_folder_is_a_model_with_the_same_vectors(trained, base):
    plain, encoder = create_encoder(str(base)), create_encoder(str(trained.folder))
    assert encoder.spec.fingerprint == plain.spec.fingerprint
    assert encoder.spec.source == str(trained.folder)
    assert ModelRef.parse(str(trained.folder)).find([encoder.spec]) == [encoder.spec]
    assert encoder.spec.head_hash is not None
    frames = np.random.default_rng(0).integers(0, 256, (5, 40, 60, 3), np.uint8)
    features = encoder.encode_frames(frames)
    np.testing.assert_array_equal(features.vectors, plain.encode_frames(frames).vectors)
    clips = [features[:2], features[2:]]
    first = np.array([0.3, 0.2], np.float32)
    again = encoder.rerank("a red car", clips, first)
    assert again.dtype == np.float32
    assert not np.allclose(again, first)
    assert len(encoder.rerank("a red car", [], first[:0])) == 0


def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(
    base, footage, trained, settings, tmp_path
):
    from vidseek.training.user.train_head import train_head

    encoder = create_encoder(str(base))
    stages: list[tuple[str, int]] = []

    def run(times: int):
        asked: list[bool] = []
        return train_head(
            footage / "captions.jsonl",
            tmp_path / "head",
            encoder,
            settings=settings,
            job=Job(
                on_progress=lambda progress: stages.append((progress.stage, progress.done)),
                should_cancel=lambda: asked.append(True) or len(asked) > times,  # type: ignore[func-returns-value]
            ),
        )

    assert run(3).interrupted
    assert stages == [("reading", 1), ("reading", 2), ("reading", 3)]
    training = run(VIDEOS - 3 + 5)
    assert training.interrupted
    assert training.steps == 5
    assert training.before == trained.before
    stages.clear()
    whole = run(10_000)
    assert "reading" not in {stage for stage, _ in stages}
    assert whole.after == trained.after
    assert whole.best_step == trained.best_step
    ours, theirs = (folder / "xpool.safetensors" for folder in (whole.folder, trained.folder))
    assert ours.read_bytes() == theirs.read_bytes()


def test_nothing_better_writes_no_head(base, footage, settings, tmp_path):
    from dataclasses import replace

    from vidseek.training.user.train_head import train_head

    still = replace(settings, epochs=1, learning_rate=0.0)
    encoder = create_encoder(str(base))
    captions = footage / "captions.jsonl"
    report = train_head(captions, tmp_path / "head", encoder, settings=still)
    assert not report.improved
    assert report.fingerprint is None
    assert not (tmp_path / "head" / "xpool.json").exists()
    assert not list((tmp_path / "head").glob("*.safetensors"))


def test_a_video_model_needs_no_head(footage, tmp_path):
    from vidseek.training.user.train_head import train_head

    encoder = create_encoder(str(make_checkpoint("xclip", tmp_path / "xclip")))
    with pytest.raises(TrainingError, match="video model"):
        train_head(footage / "captions.jsonl", tmp_path / "head", encoder)
    assert not (tmp_path / "head").exists()


def test_a_folder_that_holds_a_head_is_not_written_over(footage, base, trained):
    before = (trained.folder / "xpool.json").read_bytes()
    with pytest.raises(TrainingError, match=str(trained.folder)):
        vidseek.train_on_captions(footage / "captions.jsonl", trained.folder, start=str(base))
    assert (trained.folder / "xpool.json").read_bytes() == before
    with pytest.raises(TrainingError, match=r"xpool\.json"):
        vidseek.train_on_captions(
            footage / "captions.jsonl", trained.folder.parent / "on", start=str(trained.folder)
        )


def test_a_library_of_the_model_is_searched_with_the_head_at_once(
    base, footage, said, trained, tmp_path, monkeypatch
):
    # The scores of random weights separate nothing; a calibration is stored all the same.
    monkeypatch.setattr(calibration_report, "MIN_LEAD_SHARE", -1.0)
    query = said[0]
    queries = [f"{text} {number}" for text in said for number in range(20)]
    with vidseek.open(tmp_path / "library", encoder=str(base)) as library:
        assert library.index(footage).indexed == VIDEOS
        plain = library.search(query, VIDEOS)
        library.calibrate(override=True, queries=queries)
        assert library.search(query, 1)[0].confidence is not None
    with vidseek.open(tmp_path / "library") as library:
        for_once = library.search(query, VIDEOS, model=str(trained.folder))
        # The next search asks the library's own model again.
        assert [hit.score for hit in library.search(query, VIDEOS)] == [hit.score for hit in plain]
        assert [hit.score for hit in for_once] != [hit.score for hit in plain]
        # The calibration is of the model's scores, not of the head's.
        assert {hit.confidence for hit in for_once} == {None}
        assert [warning.code for warning in for_once.warnings] == ["calibration_outdated"]
        report = library.models.add(str(trained.folder))
        assert (report.encoded, report.model.is_active) == (0, True)
    with vidseek.open(tmp_path / "library") as library:
        assert library.search(query, VIDEOS).hits == for_once.hits
        assert [model.spec.source for model in library.models.list()] == [str(trained.folder)]
        library.calibrate(queries=queries)
        assert library.search(query, 1)[0].confidence is not None
        # The head's first stage is the model's.
        first = library.search(query, VIDEOS, rerank=False)
        assert [hit.score for hit in first] == [hit.score for hit in plain]
        assert library.models.add(str(base)).encoded == 0
        assert [hit.score for hit in library.search(query, VIDEOS)] == [hit.score for hit in plain]


def test_another_base_or_none_is_refused_with_the_way_out(trained, base, tmp_path):
    head = shutil.copytree(trained.folder, tmp_path / "head")
    facts = json.loads((head / "xpool.json").read_text())
    other = make_checkpoint("clip", tmp_path / "other", seed=1)
    (head / "xpool.json").write_text(json.dumps({**facts, "base": str(other)}))
    with pytest.raises(EncoderError, match=r"trained on other weights of.*xpool\.json"):
        create_encoder(str(head))
    (head / "xpool.json").write_text(json.dumps({**facts, "base": str(tmp_path / "gone")}))
    with pytest.raises(ModelNotFoundError, match=r'put the model back, or write .* as "base"'):
        create_encoder(str(head))
    moved = shutil.copytree(base, tmp_path / "moved")
    (head / "xpool.json").write_text(json.dumps({**facts, "base": str(moved)}))
    assert create_encoder(str(head)).spec.fingerprint == facts["fingerprint"]


@pytest.mark.parametrize("damage", ["cut", "other", "missing", "no facts", "later"])
def test_a_damaged_head_is_refused(trained, tmp_path, damage):
    head = shutil.copytree(trained.folder, tmp_path / "head")
    weights, facts = head / "xpool.safetensors", head / "xpool.json"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "other":
        blob = bytearray(weights.read_bytes())
        blob[-1] ^= 1
        weights.write_bytes(blob)
    elif damage == "missing":
        weights.unlink()
    elif damage == "no facts":
        facts.write_text("[]")
    else:
        facts.write_text(facts.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(WeightsError, match="copy the"):
        create_encoder(str(head))
