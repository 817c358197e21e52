"""The main stage: resumed runs, models to train on from."""

from __future__ import annotations

import pytest


@pytest.mark.full
def test_a_resumed_run_equals_an_uninterrupted_run(settings, run, tmp_path, sets, corpus):
    import torch

    from vidseek.training.lab.batches import BatchMaker
    from vidseek.training.lab.corpus import load_text
    from vidseek.training.lab.paraphrases import Paraphrases
    from vidseek.training.lab.tower_trainer import TowerTrainer
    from vidseek.training.optimisation import save_checkpoint

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
def test_training_continues_from_shipped_weights(settings, run, tmp_path):
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
def test_weights_move_towards_another_model():
    import torch

    from vidseek.training.lab.towers import move_towards

    trained, start = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    before = trained.weight.detach().clone()
    move_towards(trained, start, 0.25)
    torch.testing.assert_close(trained.weight, 0.75 * before + 0.25 * start.weight)
    move_towards(trained, start, 1.0)
    torch.testing.assert_close(trained.bias, start.bias)
