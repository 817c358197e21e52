"""Restore torch modules from the shipped ONNX files, to continue training from them.

manifest = read_manifest()
vision = restore_vision(manifest.read("vision"))
text, tokenizer = restore_text(manifest.read("text"))

Users have these files and no checkpoint. The export renames and transposes many weights, folds
batch norm into convolutions and rounds to int8. The names of the operations still contain the
module's path, which tells where each weight belongs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from vidseek.core.errors import WeightsError
from vidseek.training.networks.configuration import CrossModalConfig, TemporalConfig, VisionConfig
from vidseek.training.networks.cross_modal import CrossModal
from vidseek.training.networks.stem import ConvNorm
from vidseek.training.networks.temporal import Temporal
from vidseek.training.networks.text import POSITIONS, Text
from vidseek.training.networks.vision import Vision

NOT_SHIPPED = ("stem.classes.weight", "stem.classes.bias")
"""ImageNet's classifier is used only while training the towers; it keeps its initial values."""


class _Graph:
    """The constants of an ONNX file, by name and by the operations that use them."""

    def __init__(self, blob: bytes, *, root: str, part: str) -> None:
        """Read a file.

        Args:
            blob: the file's bytes.
            root: the name of the module in the exported wrapper; empty without a wrapper.
            part: the part's name in messages.
        """
        import onnx
        from onnx import numpy_helper

        self.part = part
        self._root = root
        model = onnx.load_from_string(blob)
        self.metadata = {entry.key: entry.value for entry in model.metadata_props}
        self._constants: dict[str, NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self._by_path: dict[tuple[str, str], list[NDArray[Any]]] = {}
        for node in model.graph.node:
            inputs = [self._constants[name] for name in node.input if name in self._constants]
            if node.op_type in ("Cast", "Mul", "Identity") and len(inputs) == len(node.input):
                # `finish` multiplies int8 steps by their scale; the export shares equal tensors.
                values = inputs[0].astype(np.float32)
                self._constants[node.output[0]] = values * inputs[1] if len(inputs) > 1 else values
            else:
                path, _, _ = node.name.rpartition("/")
                self._by_path.setdefault((self._module_path(path), node.op_type), []).extend(inputs)

    def _module_path(self, scope: str) -> str:
        """`/vision/head/head.0` to `head.0`: a Sequential repeats its own name."""
        steps: list[str] = []
        for step in scope.strip("/").split("/"):
            if steps and step.startswith(f"{steps[-1]}."):
                steps.pop()
            steps.append(step)
        if self._root and steps[:1] == [self._root]:
            steps = steps[1:]
        return ".".join(steps)

    def named(self, parameter: str) -> NDArray[Any] | None:
        """The constant with its parameter's original name; None if it was renamed."""
        return self._constants.get(f"{self._root}.{parameter}" if self._root else parameter)

    def used_by(self, path: str, operation: str) -> list[NDArray[Any]]:
        """The constants used by a module's operations of one type, in order."""
        return self._by_path.get((path, operation), [])

    def shape(self, parameter: str) -> tuple[int, ...]:
        """Shape of a constant with its original name.

        Raises:
            WeightsError: the constant is missing.
        """
        constants = self.named(parameter)
        if constants is None:
            raise self.mismatch([parameter])
        return constants.shape

    def length(self, parameter: str) -> int:
        """Length of a vector with its original name; 0 if there is none."""
        constants = self.named(parameter)
        return 0 if constants is None else len(constants)

    def count(self, pattern: str) -> int:
        """Number of layers with a name like ``layers.{}.mlp.fc1.bias``."""
        layers = 0
        while self.named(pattern.format(layers)) is not None:
            layers += 1
        return layers

    def mismatch(self, missing: Collection[str]) -> WeightsError:
        """The error for a file whose constants do not fit the architecture."""
        names = ", ".join(sorted(missing)[:3])
        return WeightsError(
            f"the {self.part} weights lack {names}: another version of vidseek made them, and only "
            "that version can train from them"
        )


def restore_vision(blob: bytes) -> Vision:
    """The visual encoder from the bytes of ``vision.onnx``.

    Raises:
        WeightsError: the file has another architecture.
    """
    graph = _Graph(blob, root="vision", part="vision")
    leading = graph.shape("embeddings.leading")
    config = VisionConfig(
        hidden_size=leading[2],
        tokens_per_frame=leading[1] - 1,
        num_hidden_layers=graph.count("layers.{}.mlp.fc1.bias"),
        intermediate_size=graph.shape("layers.0.mlp.fc1.bias")[0],
        head_width=graph.shape("head.0.bias")[0],
        token_dimension=graph.shape("token_output.bias")[0],
        projection_size=graph.shape("shortcut.bias")[0],
        class_names=graph.length("names.classes.bias"),
    )
    vision: Vision = _filled(Vision(config), graph)
    return vision


def restore_temporal(blob: bytes) -> Temporal:
    """Temporal attention from the bytes of ``temporal.onnx``.

    Raises:
        WeightsError: the file has another architecture.
    """
    graph = _Graph(blob, root="", part="temporal")
    config = TemporalConfig(
        hidden_size=graph.shape("input.bias")[0],
        num_hidden_layers=graph.count("layers.{}.mlp.fc1.bias"),
        intermediate_size=graph.shape("layers.0.mlp.fc1.bias")[0],
        projection_size=graph.shape("output.bias")[0],
    )
    temporal: Temporal = _filled(Temporal(config), graph)
    return temporal


def restore_text(blob: bytes) -> tuple[Text, Tokenizer]:
    """The text encoder and its tokeniser from the bytes of ``text.onnx``.

    Raises:
        WeightsError: the file has another architecture.
    """
    graph = _Graph(blob, root="", part="text")
    words = graph.shape("bert.embeddings.word_embeddings.weight")
    config = BertConfig(
        vocab_size=words[0],
        hidden_size=words[1],
        max_position_embeddings=graph.shape("bert.embeddings.position_embeddings.weight")[0],
        num_hidden_layers=graph.count("bert.encoder.layer.{}.intermediate.dense.bias"),
        intermediate_size=graph.shape("bert.encoder.layer.0.intermediate.dense.bias")[0],
        # Random numbers for dropout on attention take a tenth of a training step.
        attention_probs_dropout_prob=0.0,
    )
    text = _filled(Text(BertModel(config, add_pooling_layer=False)), graph)
    tokenizer = Tokenizer.from_str(graph.metadata["tokenizer"])
    tokenizer.enable_truncation(POSITIONS)
    tokenizer.enable_padding(pad_id=0)
    return text, tokenizer


def restore_cross_modal(blob: bytes) -> CrossModal:
    """The cross-modal head from the bytes of ``cross_modal.onnx``.

    Raises:
        WeightsError: the file has another architecture.
    """
    graph = _Graph(blob, root="head", part="cross_modal")
    config = CrossModalConfig(
        hidden_size=graph.shape("agreement_norm.bias")[0],
        aligned_size=graph.shape("word_input.bias")[0],
        num_hidden_layers=graph.count("encoder.layer.{}.intermediate.dense.bias"),
        intermediate_size=graph.shape("encoder.layer.0.intermediate.dense.bias")[0],
        text_size=graph.used_by("word_input", "MatMul")[0].shape[0],
        token_dimension=graph.used_by("token_input", "MatMul")[0].shape[0],
    )
    head: CrossModal = _filled(CrossModal(config), graph)
    return head


def _filled(model: Any, graph: _Graph) -> Any:
    """The model with every weight of the file, in evaluation mode."""
    state: dict[str, torch.Tensor] = {}
    missing: list[str] = []
    wanted = model.state_dict()
    for path, module in model.named_modules():
        if isinstance(module, ConvNorm):
            _fill_convolution(state, path, module, graph)
    for name, current in wanted.items():
        if name in state or name in NOT_SHIPPED:
            continue
        values = _find(name, graph)
        if values is None or values.shape != tuple(current.shape):
            missing.append(name)
        else:
            state[name] = torch.from_numpy(values.astype(np.float32))
    if missing:
        raise graph.mismatch(missing)
    model.load_state_dict(state, strict=False)
    return model.eval()


def _find(parameter: str, graph: _Graph) -> NDArray[Any] | None:
    by_name = graph.named(parameter)
    if by_name is not None:
        return by_name
    path, _, kind = parameter.rpartition(".")
    if kind == "weight":
        products = graph.used_by(path, "MatMul")
        # A linear layer stores its weight transposed.
        return products[0].T if products else None
    if kind == "positions":
        # The export transposes them to the cells' order of axes.
        turned = [values for values in graph.used_by(path, "Add") if values.ndim == 4]
        return turned[0].transpose(0, 3, 1, 2) if turned else None
    return None


def _fill_convolution(
    state: dict[str, torch.Tensor], path: str, module: ConvNorm, graph: _Graph
) -> None:
    """Weight and bias of a convolution with folded batch norm; the norm becomes the identity."""
    # The stem's methods are called, not the stem itself, so its name is not in the operations'.
    constants = graph.used_by(path.removeprefix("stem."), "Conv")
    if len(constants) != 2 or constants[0].shape != tuple(module.weight.shape):
        raise graph.mismatch([f"{path}.weight"])
    weight, bias = (torch.from_numpy(values.astype(np.float32)) for values in constants)
    state |= {
        f"{path}.weight": weight,
        f"{path}.beta": bias,
        f"{path}.gamma": torch.ones_like(bias),
        f"{path}.mean": torch.zeros_like(bias),
        f"{path}.variance": torch.full_like(bias, 1.0 - module.epsilon),
    }
