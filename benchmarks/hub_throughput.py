"""Measure frames per second of third-party models against a bare forward pass of the same model.

python -m benchmarks.hub_throughput [--models clip-base-32 ...] [--frames 32] [--rounds 7]
python -m benchmarks.hub_throughput --catalogue        # the models of `vidseek models`

The models have full size and random weights, which take as long as trained ones; their text towers,
which no frame passes through, have a single layer. vidseek gets decoded uint8 frames, wide ones
with the model's short side, as its decoder delivers them. The bare pass is the code of transformers
(or open_clip) on tensors prepared and converted beforehand, in the same precision and in the batch
size that is fastest for it; for a video model it is vidseek's pass over single frames, which the
model sees once more in their clip. The two take turns, so that other work on the machine slows
both, and figures are medians; the ratio is the median of the rounds' ratios. Decoding is not
included: ``benchmarks.decoding`` measures it. Models of open_clip need that package and
torchvision. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import processor_name
from vidseek.encoders.hub.catalogue import CATALOGUE

BAR = 0.9
BARE_BATCHES = (8, 16, 32)
SHAPE = 16 / 9
_LITTLE_TEXT = {
    "vocab_size": 8,
    "num_hidden_layers": 1,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}


@dataclass(frozen=True)
class Architecture:
    """A model with published sizes."""

    title: str
    kind: str
    side: int
    vision: dict[str, Any]
    """The settings of its visual tower that differ from transformers' defaults."""
    open_clip: str = ""
    """Name of the architecture in open_clip; empty for models of transformers."""


ARCHITECTURES = {
    "clip-base-32": Architecture("CLIP B/32", "clip", 224, {"patch_size": 32}),
    "clip-base": Architecture("CLIP B/16", "clip", 224, {"patch_size": 16}),
    "clip-large": Architecture(
        "CLIP L/14",
        "clip",
        224,
        {
            "patch_size": 14,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
        },
    ),
    "siglip2-base": Architecture("SigLIP 2 B/16", "siglip", 224, {"patch_size": 16}),
    "siglip2-large": Architecture(
        "SigLIP 2 so400m/14, 384 px",
        "siglip",
        384,
        {
            "patch_size": 14,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
        },
    ),
    "siglip2-naflex": Architecture("SigLIP 2 NaFlex B/16", "siglip2", 224, {}),
    "videoprism-base": Architecture("VideoPrism B, 288 px", "videoprism", 288, {}),
    "mobileclip2-small": Architecture("MobileCLIP2-S0", "open_clip", 256, {}, "MobileCLIP2-S0"),
    "pe-core-base": Architecture("PE-Core B/16", "open_clip", 224, {}, "PE-Core-B-16"),
}
DEFAULT = ("clip-base-32", "clip-base", "siglip2-base")


@dataclass(frozen=True)
class Speed:
    """Frames per second of a model, bare and through vidseek."""

    title: str
    precision: str
    bare: float
    ours: float
    ratio: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(ARCHITECTURES), default=DEFAULT)
    parser.add_argument("--catalogue", action="store_true", help="all of `vidseek models`")
    parser.add_argument("--frames", type=int, default=32, help="a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=None, help="of torch; all cores by default")
    options = parser.parse_args()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    print(f"\nProcessor: {processor_name()}\n")
    print("| model | precision | bare forward, frames/s | vidseek, frames/s | ratio |")
    print("| --- | --- | --- | --- | --- |")
    short = []
    names = [model.name for model in CATALOGUE] if options.catalogue else options.models
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = measure(
                    ARCHITECTURES[name],
                    Path(folder),
                    frames=options.frames,
                    rounds=options.rounds,
                    threads=options.threads,
                )
            except ImportError as error:
                # A model whose package is missing must not end the table.
                print(f"| {ARCHITECTURES[name].title} | not measured: {error} | | | |", flush=True)
                continue
        if found.ratio < BAR:
            short.append(found.title)
        print(
            f"| {found.title} | {found.precision} | {found.bare:.2f} | {found.ours:.2f} "
            f"| {found.ratio:.2f} |",
            flush=True,
        )
    print(
        f"\nThe bar is a ratio of {BAR}: " + (f"missed by {', '.join(short)}" if short else "met")
    )


def measure(
    architecture: Architecture, folder: Path, *, frames: int, rounds: int, threads: int | None
) -> Speed:
    """Make a model, and measure both ways alternately."""
    import torch

    from vidseek.encoders.hub.encoder import HubEncoder, create_hub_encoder
    from vidseek.encoders.model_ref import ModelRef

    make_model(architecture, folder)
    encoder = create_hub_encoder(ModelRef.parse(str(folder)), threads=threads)
    assert isinstance(encoder, HubEncoder)
    side = architecture.side
    pictures = np.random.default_rng(0).integers(
        0, 256, (frames, side, round(side * SHAPE), 3), np.uint8
    )
    encoder.encode_frames(pictures[:1])  # loads the weights
    towers = encoder._loaded()
    tower = towers._model.get_image_features if towers._video is None else towers._video.frames
    prepared = {
        name: towers._tensor(values) for name, values in encoder._prepared(pictures).items()
    }

    def bare(batch: int) -> None:
        with torch.inference_mode():
            for start in range(0, frames, batch):
                seen = tower(**{key: all_[start : start + batch] for key, all_ in prepared.items()})
                # Copied to main memory, because a GPU works asynchronously.
                getattr(seen, "pooler_output", seen).float().cpu()

    bare(BARE_BATCHES[0])
    # A batch larger than a round is cut to the round.
    theirs: dict[int, list[float]] = {min(batch, frames): [] for batch in BARE_BATCHES}
    ours = []
    for _ in range(rounds):
        ours.append(_seconds(lambda: encoder.encode_frames(pictures)))
        for batch, times in theirs.items():
            times.append(_seconds(lambda batch=batch: bare(batch)))  # type: ignore[misc]
    fastest = min(theirs.values(), key=lambda times: float(np.median(times)))
    return Speed(
        architecture.title,
        str(towers.dtype).removeprefix("torch."),
        frames / float(np.median(fastest)),
        frames / float(np.median(ours)),
        float(np.median(np.array(fastest) / np.array(ours))),
    )


def make_model(architecture: Architecture, folder: Path) -> None:
    """Write a checkpoint with random weights and a vocabulary of a few words."""
    import torch

    torch.manual_seed(0)
    if architecture.open_clip:
        _make_open_clip(architecture.open_clip, folder)
        return
    model, rules = _MAKERS[architecture.kind](architecture)
    model.eval().save_pretrained(folder)
    _write_vocabulary(folder)
    name = (
        "video_preprocessor_config" if architecture.kind == "videoprism" else "preprocessor_config"
    )
    (folder / f"{name}.json").write_text(json.dumps(rules))


def _clip(architecture: Architecture) -> tuple[Any, dict[str, Any]]:
    from transformers import CLIPConfig, CLIPModel

    side = architecture.side
    rules = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
    }
    vision = {**architecture.vision, "image_size": side}
    return CLIPModel(CLIPConfig(text_config=_LITTLE_TEXT, vision_config=vision)), rules


def _siglip(architecture: Architecture) -> tuple[Any, dict[str, Any]]:
    from transformers import SiglipConfig, SiglipModel

    side = architecture.side
    rules = {
        "image_processor_type": "SiglipImageProcessor",
        "resample": 2,
        "size": {"height": side, "width": side},
    }
    vision = {**architecture.vision, "image_size": side}
    text = {**_LITTLE_TEXT, "projection_size": vision.get("hidden_size", 768)}
    return SiglipModel(SiglipConfig(text_config=text, vision_config=vision)), rules


def _siglip2(architecture: Architecture) -> tuple[Any, dict[str, Any]]:
    from transformers import Siglip2Config, Siglip2Model

    rules = {"image_processor_type": "Siglip2ImageProcessor"}
    text = {**_LITTLE_TEXT, "projection_size": architecture.vision.get("hidden_size", 768)}
    config = Siglip2Config(text_config=text, vision_config=architecture.vision)
    return Siglip2Model(config), rules


def _videoprism(architecture: Architecture) -> tuple[Any, dict[str, Any]]:
    from transformers import VideoPrismClipModel, VideoPrismConfig

    rules = {"video_processor_type": "LlavaOnevisionVideoProcessor", "resample": 3}
    vision = {**architecture.vision, "image_size": architecture.side}
    return VideoPrismClipModel(
        VideoPrismConfig(text_config=_LITTLE_TEXT, vision_config=vision)
    ), rules


_MAKERS: dict[str, Callable[[Architecture], tuple[Any, dict[str, Any]]]] = {
    "clip": _clip,
    "siglip": _siglip,
    "siglip2": _siglip2,
    "videoprism": _videoprism,
}


def _write_vocabulary(folder: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokens = ("<s>", "</s>", "<unk>", "a", "cat", "dog")
    numbers = {token: number for number, token in enumerate(tokens)}
    words = models.WordLevel(numbers, unk_token="<unk>")
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(words), unk_token="<unk>", pad_token="</s>", model_max_length=64
    ).save_pretrained(folder)


def _make_open_clip(name: str, folder: Path) -> None:
    import open_clip
    from safetensors.torch import save_file

    config = open_clip.get_model_config(name)
    config["text_cfg"]["layers"] = 1
    document = {"model_cfg": config, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    model = open_clip.create_model(
        f"local-dir:{folder}", load_weights=False, pretrained_image=False, pretrained_text=False
    )
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
