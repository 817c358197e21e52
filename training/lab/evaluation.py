"""Figures measured while training, on dev and valid rows, never on test rows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vidseek.training.lab.batches import PictureSet
from vidseek.training.lab.corpus import encode_sentences
from vidseek.training.lab.pictures import PictureRow, class_caption
from vidseek.training.lab.stem_map_cache import PictureMaps
from vidseek.training.metrics import group_means, mean_class_accuracy, ranks, recall
from vidseek.training.networks.text import Text
from vidseek.training.networks.vision import Vision
from vidseek.training.optimisation import encoding_precision
from vidseek.training.stem_maps import load_maps


@torch.inference_mode()
def encode_maps(
    vision: Vision, maps: PictureMaps, rows: list[PictureRow], *, batch: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 384) frame vectors and (N, M, T) tokens of whole cached maps."""
    vision.eval()
    vectors, tokens = [], []
    for start in range(0, len(rows), batch):
        places = [row.index for row in rows[start : start + batch]]
        with encoding_precision(vision.device):
            output = vision(load_maps(maps.fine[places]).to(vision.device))
        vectors.append(output.vectors.cpu().numpy())
        tokens.append(output.tokens.cpu().numpy())
    return np.concatenate(vectors), np.concatenate(tokens)


def picture_ranks(
    vision: Vision, text: Text, tokenizer: Tokenizer, pictures: PictureSet
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Ranks of a set's dev pictures for each of their captions.

    Returns:
        (Q,) the rank of the right picture for each caption, 0 for the first, and (Q,) the position
        of the caption's picture among the dev pictures. Both are empty if there are none.
    """
    rows = pictures.split("dev")
    pairs = [(place, caption) for place, row in enumerate(rows) for caption in row.captions]
    places = np.array([place for place, _ in pairs], np.intp)
    if not pairs:
        return places, places
    vectors, _ = encode_maps(vision, pictures.maps, rows)
    queries = encode_sentences(text, tokenizer, [caption for _, caption in pairs])
    return ranks(queries @ vectors.T, places), places


def evaluate(
    vision: Vision, text: Text, tokenizer: Tokenizer, sets: dict[str, PictureSet]
) -> dict[str, float]:
    """Recall on Flickr8k and MSR-VTT and accuracy on sports100, in per cent."""

    def said(sentences: list[str]) -> NDArray[np.float32]:
        return encode_sentences(text, tokenizer, sentences)

    figures: dict[str, float] = {}
    rank, _ = picture_ranks(vision, text, tokenizer, sets["flickr8k"])
    if len(rank):
        figures |= {f"flickr8k_r{k}": round(recall(rank, k), 2) for k in (1, 5, 10)}
    frames = sets["msrvtt"].split("dev") if "msrvtt" in sets else []
    if frames:
        vectors, _ = encode_maps(vision, sets["msrvtt"].maps, frames)
        videos, names = group_means(vectors, [str(row.group) for row in frames])
        caption = {str(row.group): row.captions[0] for row in frames}
        queries = said([caption[name] for name in names])
        rank = ranks(queries @ videos.T, np.arange(len(names)))
        figures["msrvtt_r10"] = round(recall(rank, 10), 2)
    sports = sets["sports100"].split("valid") if "sports100" in sets else []
    if sports:
        vectors, _ = encode_maps(vision, sets["sports100"].maps, sports)
        labels = [str(row.label) for row in sports]
        classes = sorted(set(labels))
        queries = said([class_caption(label) for label in classes])
        predicted = [classes[place] for place in (vectors @ queries.T).argmax(1)]
        figures["sports100"] = round(mean_class_accuracy(predicted, labels), 2)
    return figures
