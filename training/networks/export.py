"""Export torch modules to the ONNX files that run without torch.

export_vision(vision, Path("encoders/weights/vision.onnx"))

Weights are stored as int8 with one scale per output channel and turned back into float32 when the
file is loaded: a quarter of the size, readable by any ONNX runtime.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vidseek.training.networks.cross_modal import CrossModal
from vidseek.training.networks.stem import PICTURE_SIZE, Stem, load_imagenet_stem, normalise
from vidseek.training.networks.temporal import Temporal
from vidseek.training.networks.text import Text
from vidseek.training.networks.vision import Vision

Axes = dict[str, dict[int, str]]

MIN_QUANTISED_SIZE = 1024
"""Smaller tensors stay float32: biases, norms and scales, which take almost no space."""


class _StemFeatures(nn.Module):
    """Maps pictures to the fine map and the pooled features of the original stem."""

    def __init__(self, stem: Stem) -> None:
        super().__init__()
        self.stem = stem

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.stem.fine_map(normalise(pictures.permute(0, 3, 1, 2)))
        return fine.permute(0, 2, 3, 1), self.stem.pooled(self.stem.coarse_map(fine))


class _Frames(nn.Module):
    """Maps pictures to frame vectors, tokens and, with names of classes, vectors without them."""

    def __init__(self, vision: Vision) -> None:
        super().__init__()
        self.vision = vision

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        fine = self.vision.stem.fine_map(normalise(pictures.permute(0, 3, 1, 2)))
        output = self.vision(fine)
        if self.vision.names is None:
            return output.vectors, output.tokens
        return output.vectors, output.tokens, output.plain


class _Scores(nn.Module):
    """Scores one sentence against all clips with the cross-modal head."""

    def __init__(self, head: CrossModal) -> None:
        super().__init__()
        self.head = head

    def forward(
        self,
        text: Tensor,
        vectors: Tensor,
        tokens: Tensor,
        frame_mask: Tensor,
        first_stage: Tensor,
    ) -> Tensor:
        text = text.expand(vectors.shape[0], -1, -1)
        scores: Tensor = self.head(
            text, torch.ones_like(text[:, :, 0]), vectors, tokens, frame_mask, first_stage
        )
        return scores


def export_stem(path: Path) -> None:
    """Write the original stem: pictures (N, 260, 260, 3) uint8 to fine map and pooled features."""
    example = torch.zeros(2, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.uint8)
    trace(
        _StemFeatures(load_imagenet_stem()),
        (example,),
        path,
        inputs={"pictures": {0: "n"}},
        outputs={"fine": {0: "n"}, "pooled": {0: "n"}},
    )


def export_vision(
    vision: Vision, path: Path, *, int8: bool = True, side: int = PICTURE_SIZE
) -> None:
    """Write the visual encoder: pictures (N, side, side, 3) uint8 to vectors and tokens.

    With names of classes it has the output ``plain``, too: the vectors without them.
    """
    vision = _for_tracing(vision)
    del vision.stem.classes  # only training uses ImageNet's classes
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    outputs = ["vectors", "tokens"] if vision.names is None else ["vectors", "tokens", "plain"]
    trace(
        _Frames(vision),
        (example,),
        path,
        inputs={"pictures": {0: "n"}},
        outputs={name: {0: "n"} for name in outputs},
    )
    finish(path, int8=int8)


def export_temporal(temporal: Temporal, path: Path, *, int8: bool = True) -> None:
    """Write temporal attention: vectors (B, F, D), seconds (B, F), mask (B, F) to clips (B, D)."""
    temporal = _for_tracing(temporal)
    vectors = torch.randn(2, 3, temporal.config.projection_size)
    trace(
        temporal,
        (vectors, torch.arange(3.0).expand(2, 3).contiguous(), torch.ones(2, 3)),
        path,
        inputs={name: {0: "b", 1: "f"} for name in ("vectors", "seconds", "mask")},
        outputs={"clips": {0: "b"}},
    )
    finish(path, int8=int8)


def export_text(text: Text, tokenizer: str, path: Path, *, int8: bool = True) -> None:
    """Write the text encoder: token ids and mask (N, L) int64 to vectors and hidden states.

    The tokeniser (the JSON of the ``tokenizers`` package) is stored in the file's metadata.
    """
    text = copy.deepcopy(text)
    text.bert.set_attn_implementation("eager")
    ids = torch.ones(2, 7, dtype=torch.int64)
    trace(
        text,
        (ids, ids),
        path,
        inputs={"token_ids": {0: "n", 1: "l"}, "mask": {0: "n", 1: "l"}},
        outputs={"vectors": {0: "n"}, "hidden": {0: "n", 1: "l"}},
    )
    finish(path, int8=int8, metadata={"tokenizer": tokenizer})


def export_cross_modal(head: CrossModal, path: Path, *, int8: bool = True) -> None:
    """Write the cross-modal head; see ``_Scores`` for its inputs."""
    head = _for_tracing(head)
    config = head.config
    example = (
        torch.randn(1, 5, config.text_size),
        torch.randn(2, 3, config.text_size),
        torch.randn(2, 3, 4, config.token_dimension),
        torch.ones(2, 3),
        torch.zeros(2),
    )
    trace(
        _Scores(head),
        example,
        path,
        inputs={
            "text": {1: "l"},
            "vectors": {0: "k", 1: "f"},
            "tokens": {0: "k", 1: "f", 2: "m"},
            "frame_mask": {0: "k", 1: "f"},
            "first_stage": {0: "k"},
        },
        outputs={"scores": {0: "k"}},
    )
    finish(path, int8=int8)


def _for_tracing(model: Any) -> Any:
    """A copy with eager attention, which tracing needs."""
    model = copy.deepcopy(model)
    model.set_attn_implementation("eager")
    return model


def trace(
    module: nn.Module, example: tuple[Tensor, ...], path: Path, *, inputs: Axes, outputs: Axes
) -> None:
    """Write a module as one ONNX file; the named axes of inputs and outputs have free lengths."""
    with warnings.catch_warnings():
        # Tracing warns about every Python number taken from a shape; tests cover the free axes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            example,
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={**inputs, **outputs},
            opset_version=17,
            dynamo=False,
        )


def finish(path: Path, *, int8: bool, metadata: Mapping[str, str] | None = None) -> None:
    """Store the weights of an ONNX file as int8, in place, and add metadata.

    Every float32 weight becomes an int8 tensor and a scale per output channel; a multiplication
    joins them, which ONNX Runtime carries out once, when it loads the file.

    Args:
        path: the file.
        int8: False leaves the weights float32, to measure the cost of rounding.
        metadata: texts to store in the file.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    axes = _channel_axes(model.graph) if int8 else {}
    initializers, joins = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if (
            values.dtype != np.float32
            or values.size < MIN_QUANTISED_SIZE
            or tensor.name not in axes
        ):
            initializers.append(tensor)
            continue
        steps, scale = quantise_array(values, axis=axes[tensor.name])
        names = [f"{tensor.name}.int8", f"{tensor.name}.scale", f"{tensor.name}.float"]
        initializers.append(numpy_helper.from_array(steps, names[0]))
        initializers.append(numpy_helper.from_array(scale, names[1]))
        joins.append(helper.make_node("Cast", [names[0]], [names[2]], to=onnx.TensorProto.FLOAT))
        joins.append(helper.make_node("Mul", [names[2], names[1]], [tensor.name]))
    nodes = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(initializers)
    model.graph.node.extend([*joins, *nodes])
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def quantise_array(
    values: NDArray[np.float32], *, axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round to int8 with one scale per index of ``axis``; ``steps * scale`` restores the tensor."""
    other_axes = tuple(index for index in range(values.ndim) if index != axis)
    scale = np.abs(values).max(axis=other_axes, keepdims=True) / 127.0
    scale = np.maximum(scale, 1e-12).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale


def _channel_axes(graph: Any) -> dict[str, int]:
    """The axis of output channels of every weight, from the operation that uses it."""
    axes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type == "Gather":
            axes[node.input[0]] = 0
        elif node.op_type == "MatMul":
            axes[node.input[1]] = 1
        elif node.op_type == "Gemm":
            transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
            axes[node.input[1]] = 0 if transposed else 1
    return axes
