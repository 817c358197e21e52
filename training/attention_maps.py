"""Attention maps: how much each word of a sentence attends to each frame, and where in it.

    attention = word_attention(vision, text, tokenizer, head, frames, "a dog catches a frisbee")
    attention.words                # ("a", "dog", ...)
    attention.frames[1]            # (F,) how much "dog" attends to each frame
    attention.places[1, 0]         # (9, 9) where in the first frame

    python -m vidseek.training.attention_maps clip.mp4 "a dog catches a frisbee" --weights FOLDER

Needs the extra `train`, and a model with a re-ranking head. A word attends to a frame's vector and
tokens (the cross-modal head), and these attend to the cells of the frame's map (the visual
Transformer's last layer). The maps are the product of both.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vidseek.encoders.preprocessing import squash
from vidseek.training.drawing import load_pyplot
from vidseek.training.networks.cross_modal import CrossModal
from vidseek.training.networks.stem import COARSE_SIDE, PICTURE_SIZE, normalise
from vidseek.training.networks.text import Text
from vidseek.training.networks.vision import Vision

MAX_FRAMES = 8


@dataclass(frozen=True)
class WordAttention:
    """The attention of L words of a sentence to F frames."""

    words: tuple[str, ...]
    """As written in the sentence; a punctuation mark is a word of its own."""
    frames: NDArray[np.float32]
    """(L, F) shares; each word's add up to 1."""
    places: NDArray[np.float32]
    """(L, F, 9, 9) the same shares over the cells of each frame, row by row from the top."""


@torch.inference_mode()
def word_attention(
    vision: Vision,
    text: Text,
    tokenizer: Tokenizer,
    head: CrossModal,
    frames: NDArray[np.uint8],
    sentence: str,
) -> WordAttention:
    """Compute attention maps.

    Args:
        vision: the visual encoder.
        text: the text encoder.
        tokenizer: the text encoder's tokeniser.
        head: the cross-modal head.
        frames: (F, H, W, 3) uint8 RGB, any size.
        sentence: the query.

    Raises:
        ValueError: there is no frame, or the sentence has no word.
    """
    encoding = tokenizer.encode(sentence)
    if len(frames) == 0 or all(word is None for word in encoding.word_ids):
        raise ValueError("attention needs at least one frame and one word")
    encoder: Any = copy.deepcopy(vision).eval()
    encoder.set_attn_implementation("eager")  # other implementations return no attention weights
    squares = torch.from_numpy(squash(frames, PICTURE_SIZE)).permute(0, 3, 1, 2)
    output = encoder(encoder.stem.fine_map(normalise(squares)), output_attentions=True)
    ids, mask = torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask])
    _, hidden = text(ids, mask)
    memory = head.memory(output.vectors[None], output.tokens[None])
    alignment = head.align(head.words(hidden), memory, torch.ones(memory.shape[:2]))
    entries = 1 + output.tokens.shape[1]
    shares = alignment.attention[0].reshape(-1, len(frames), entries)  # (L, F, 1 + M)
    # The class token stands for the frame's vector.
    cells = output.attentions[-1].mean(1)[:, :entries, entries:]
    cells = cells / cells.sum(-1, keepdim=True)  # (F, 1 + M, 81)
    places = torch.einsum("lfm,fmc->lfc", shares, cells)
    words: dict[int, list[int]] = {}
    for position, (word, used) in enumerate(
        zip(encoding.word_ids, encoding.attention_mask, strict=True)
    ):
        if used and word is not None:  # [CLS] and [SEP] belong to no word
            words.setdefault(word, []).append(position)
    spans = [
        (encoding.offsets[positions[0]][0], encoding.offsets[positions[-1]][1])
        for positions in words.values()
    ]
    # A rare word has several pieces: its attention is their mean.
    places = torch.stack([places[positions].mean(0) for positions in words.values()])
    return WordAttention(
        words=tuple(sentence[start:end] for start, end in spans),
        frames=places.sum(-1).numpy(),
        places=places.reshape(-1, len(frames), COARSE_SIDE, COARSE_SIDE).numpy(),
    )


def draw_attention(frames: NDArray[np.uint8], attention: WordAttention, path: Path) -> None:
    """Draw a row of frames for each word, brighter where it attends, into a PNG."""
    pyplot = load_pyplot()
    words, count = attention.words, len(frames)
    figure, axes = pyplot.subplots(
        len(words), count, figsize=(2.2 * count + 1, 2.0 * len(words)), squeeze=False
    )
    for row, word in enumerate(words):
        top = float(attention.places[row].max())
        for column in range(count):
            axis = axes[row][column]
            axis.imshow(frames[column], extent=(0, COARSE_SIDE, COARSE_SIDE, 0), aspect="auto")
            axis.imshow(
                attention.places[row, column],
                extent=(0, COARSE_SIDE, COARSE_SIDE, 0),
                aspect="auto",
                interpolation="bilinear",
                cmap="inferno",
                alpha=0.6,
                vmin=0.0,
                vmax=top,
            )
            axis.set_title(f"{attention.frames[row, column]:.0%}", fontsize="small")
            axis.set(xticks=[], yticks=[])
        axes[row][0].set_ylabel(word)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def main() -> None:
    """Draw where a model with a re-ranking head looks in a picture or video."""
    from vidseek.encoders.manifest import HEAD, read_manifest
    from vidseek.training.networks.restore import (
        restore_cross_modal,
        restore_text,
        restore_vision,
    )
    from vidseek.video import open_video
    from vidseek.video.picture import is_picture, read_picture

    parser = argparse.ArgumentParser(
        prog="python -m vidseek.training.attention_maps", description=main.__doc__
    )
    parser.add_argument("file", type=Path, help="a picture or a video")
    parser.add_argument("sentence")
    parser.add_argument("--out", type=Path, default=Path("attention.png"))
    parser.add_argument(
        "--weights", type=Path, required=True, help="folder of a model with a re-ranking head"
    )
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.weights)
    if HEAD not in manifest.parts:
        parser.error(f"{arguments.weights}: this model has no re-ranking head")
    if is_picture(arguments.file):
        frames = read_picture(arguments.file).data
    else:
        with open_video(arguments.file, short_side=PICTURE_SIZE) as video:
            rows = np.linspace(0, len(video.packets()) - 1, MAX_FRAMES).round().astype(np.intp)
            frames = np.concatenate([batch.data for batch in video.frames(np.unique(rows))])
    text, tokenizer = restore_text(manifest.read("text"))
    attention = word_attention(
        restore_vision(manifest.read("vision")),
        text,
        tokenizer,
        restore_cross_modal(manifest.read(HEAD)),
        frames,
        arguments.sentence,
    )
    draw_attention(frames, attention, arguments.out)


if __name__ == "__main__":
    main()
