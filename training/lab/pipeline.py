"""A whole training run: from the data folder to models ready for export.

    train(settings, data=Path("../shared/data"), cache=Path(".cache/maps"), run=Path(".cache/run"))

Every stage stores its result in the run's folder; a later call finds it there and continues.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.platt_scaling import fit_confidence, gallery_scores
from vidseek.training.lab.batches import PictureSet
from vidseek.training.lab.corpus import Corpus, load_text
from vidseek.training.lab.encoded_items import ItemBank, ItemSelection
from vidseek.training.lab.hubness import choose_hubness, sentence_bank
from vidseek.training.lab.pan_augmentation import pan_clips
from vidseek.training.lab.paraphrases import Paraphrases
from vidseek.training.lab.pictures import row_captions
from vidseek.training.lab.publish import (
    load_cross_modal,
    load_hubness,
    load_temporal,
    load_vision,
)
from vidseek.training.lab.rerank import (
    CANDIDATES,
    Reranker,
    choose_share,
    read_choices,
    record_choices,
)
from vidseek.training.lab.settings import STAGES, Settings
from vidseek.training.lab.temporal import Movements, TemporalData, clip_vectors, train_temporal
from vidseek.training.lab.towers import train_towers
from vidseek.training.networks.vision import Vision

logger = logging.getLogger(__name__)


def train(
    settings: Settings,
    *,
    data: Path,
    cache: Path,
    run: Path,
    stages: Collection[str] = STAGES,
    start: Path | None = None,
) -> None:
    """Run the chosen stages in order.

    Args:
        settings: the run's settings.
        data: the data folder.
        cache: where ``cache_pictures`` stored the maps of every set.
        run: folder of this run; made if missing.
        stages: a subset of ``STAGES``.
        start: a folder of shipped weights to train on from; see ``train_towers``.
    """
    torch.set_num_threads(settings.threads)
    run.mkdir(parents=True, exist_ok=True)
    corpus = Corpus.prepare(settings.sets, settings.vocabulary, data, run)
    views = settings.towers.views
    sets = {
        name: PictureSet.open(data, cache, name, views=views.get(name, 0)) for name in settings.sets
    }
    if "towers" in stages:
        paraphrases = Paraphrases.none(corpus)
        if settings.towers.paraphrase_share > 0:
            captions = {
                caption
                for picture_set in sets.values()
                for row in picture_set.split("train")
                for caption in row_captions(row)
            }
            paraphrases = Paraphrases.find(corpus, captions, data, run)
        train_towers(settings, sets, paraphrases, run=run, start=start)
    if not set(stages) - {"towers"}:
        return
    vision = load_vision(run)
    text, tokenizer = load_text(run)
    corpus = corpus.with_text(text, tokenizer)
    dev = ItemBank.encode(vision, sets, corpus, ItemSelection("dev"), run=run)
    if "temporal" in stages:
        selection = ItemSelection(
            "train", names=("msrvtt",), limit=settings.head_pictures, seed=settings.seed
        )
        bank = ItemBank.encode(vision, sets, corpus, selection, run=run)
        most = settings.temporal.pan_pictures
        pans, dev_pans = (
            _movements(vision, sets["flickr8k"], corpus, split, most, run)
            for split in ("train", "dev")
        )
        train_temporal(
            settings.temporal,
            TemporalData(bank, pans),
            TemporalData(dev, dev_pans),
            corpus,
            run=run,
            seed=settings.seed,
        )
    clips = clip_vectors(load_temporal(run), dev, np.arange(len(dev)))
    if "hubness" in stages:
        said = sentence_bank(sets, corpus, text, tokenizer, data)
        choose_hubness(said, dev, clips, corpus, run=run)
    if "rerank" in stages:
        head = load_cross_modal(run, chosen=False)
        reranker = Reranker(head, dev, corpus, text, tokenizer)
        choose_share(reranker, dev, corpus, run=run, hubness=load_hubness(run))
        head.save_pretrained(run / "cross_modal")
    if "confidence" in stages:
        used = None
        if read_choices(run).get("rerank"):
            used = Reranker(load_cross_modal(run), dev, corpus, text, tokenizer)
        matched, mismatched = confidence_scores(clips, dev, corpus, used, load_hubness(run))
        scale, bias = fit_confidence(matched, mismatched) if len(matched) else (0.0, 0.0)
        if scale > 0:
            logger.info("confidence = sigmoid(%.1f * score %+.1f)", scale, bias)
            record_choices(run, confidence_scale=scale, confidence_bias=bias)
        else:
            logger.warning("scores do not separate right from wrong: no confidence")
            record_choices(run, confidence_scale=None, confidence_bias=None)


def _movements(
    vision: Vision, pictures: PictureSet, corpus: Corpus, split: str, most: int, run: Path
) -> Movements:
    """Clips of a moving camera over a split's first pictures; a quarter as many for dev."""
    rows = pictures.split(split)[: most if split == "train" else most // 4]
    clips = pan_clips(vision, pictures, rows, run / f"pans-{split}.npz")
    said = [tuple(corpus.ids[caption] for caption in row.captions) for row in rows]
    return Movements(clips, said)


def confidence_scores(
    clips: NDArray[np.float32],
    dev: ItemBank,
    corpus: Corpus,
    reranker: Reranker | None = None,
    hubness: HubnessCorrection | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores of the best hits of dev sentences, in galleries with and without the right item.

    A confidence is the probability that a hit is right, and a hit is the best clip of a library.
    Compared with any wrong item instead of the best, hits for absent things would look convincing.

    Args:
        clips: (N, 384) clip vectors of the galleries' items.
        dev: the items.
        corpus: the items' sentences.
        reranker: re-scores the best of each gallery, as in a search.
        hubness: corrects these scores, as in a search.

    Returns:
        Scores of right items that come first among ``ABSENT_GALLERY`` wrong ones, and scores of the
        best wrong item of every such gallery.
    """
    random = np.random.default_rng(0)
    matched, mismatched = [], []
    for kind in ("flickr8k", "msrvtt"):
        places = dev.of_kind(kind)
        sentences = np.array([dev.sentences[place][0] for place in places], np.intp)
        scores = corpus.vectors[sentences] @ clips[places].T
        corrections = None if hubness is None else hubness.corrections(clips[places])
        right, wrong = gallery_scores(
            scores,
            np.arange(len(places)),
            depth=CANDIDATES,
            rescore=_second_stage(reranker, corrections, sentences, places),
            random=random,
        )
        matched.append(right)
        mismatched.append(wrong)
    return np.concatenate(matched), np.concatenate(mismatched)


def _second_stage(
    reranker: Reranker | None,
    corrections: NDArray[np.float32] | None,
    sentences: NDArray[np.intp],
    places: NDArray[np.intp],
) -> Callable[[NDArray[np.intp], NDArray[np.float32]], NDArray[np.float32]]:
    """A function from (Q, K) items and their scores to the final scores of a search."""

    def rescore(chosen: NDArray[np.intp], scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if reranker is not None:
            scores = reranker.scores(sentences, places[chosen], scores)
        return scores if corrections is None else scores + corrections[chosen]

    return rescore
