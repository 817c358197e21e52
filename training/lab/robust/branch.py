"""The part of the visual encoder that is trained: a stem's later blocks and what reads them.

    branch = Branch.tuned(vision)            # gives the vector; or Branch.untouched(vision)
    output = branch(fine)                    # output.pooled, output.read

The vector of a blurred picture is lost there and not in the Transformer: with the Transformer's
part of the sharp picture beside the pooled part of the blurred one, recall stays as low.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidseek.training.networks.class_names import ClassNames
from vidseek.training.networks.stem import FINE_BLOCKS, ConvNorm
from vidseek.training.networks.vision import Vision

BranchName = Literal["tuned", "untouched"]
SCALE = 20.0
"""Factor on cosines before the softmax."""


@dataclass(frozen=True)
class BranchOutput:
    """What a branch makes of N pictures."""

    coarse: Tensor
    """(N, 352, 9, 9)."""
    pooled: Tensor
    """(N, 1280)."""
    read: Tensor
    """(N, 384) the pooled part of the vector, or (N, 1000) logits of classes."""


class Branch(nn.Module):
    """Blocks after the frozen ones, their last convolution, and the layers that read its mean.

    The modules are those of the ``Vision`` that it was made from, so training it trains that.
    """

    def __init__(self, blocks: nn.ModuleList, last: ConvNorm, readers: nn.ModuleList) -> None:
        super().__init__()
        self.blocks, self.last, self.readers = blocks, last, readers
        self.requires_grad_(True)
        self.eval()  # no dropout; the norms' statistics are fixed

    @classmethod
    def of(cls, vision: Vision, name: BranchName) -> Branch:
        """The tuned branch of a model, which gives the vector, or the one that knows the names."""
        if name == "tuned":
            readers = nn.ModuleList([vision.head, vision.shortcut])
            return cls(vision.stem.blocks[FINE_BLOCKS:], vision.stem.last, readers)
        names = cast(ClassNames, vision.names)
        return cls(names.blocks, names.last, nn.ModuleList([names.classes]))

    def read(self, pooled: Tensor) -> Tensor:
        """(N, 1280) to (N, 384) or (N, 1000)."""
        found: Tensor = sum(reader(pooled) for reader in self.readers)
        return found

    def forward(self, fine: Tensor) -> BranchOutput:
        """(N, 120, 17, 17) to maps, means and what is read from them."""
        coarse = fine
        for block in self.blocks:
            coarse = block(coarse)
        pooled = functional.relu6(self.last(coarse)).mean((2, 3))
        return BranchOutput(coarse, pooled, self.read(pooled))


Agreement = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""From what is read (N, R), what should be (N, R), the bank of all pictures (B, R) and the places
of the N pictures in it: a loss per picture (N,)."""


def vector_loss(read: Tensor, wanted: Tensor, bank: Tensor, places: Tensor) -> Tensor:
    """1 - cosine, and the own sharp picture above all others of the bank."""
    read, bank = functional.normalize(read, dim=-1), functional.normalize(bank, dim=-1)
    apart = 1.0 - (read * functional.normalize(wanted, dim=-1)).sum(-1)
    contrast = functional.cross_entropy(SCALE * read @ bank.T, places, reduction="none")
    return 2.0 * apart + CONTRAST * contrast


CONTRAST = 0.2
"""Weight of the contrast with the bank."""


def class_loss(read: Tensor, wanted: Tensor, bank: Tensor, places: Tensor) -> Tensor:
    """Divergence from the sharp picture's probabilities of classes."""
    del bank, places
    return functional.kl_div(
        read.log_softmax(1), wanted.log_softmax(1), reduction="none", log_target=True
    ).sum(1)


AGREEMENTS: dict[BranchName, Agreement] = {"tuned": vector_loss, "untouched": class_loss}


def mean_of_weights(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the weights of runs from the same start (model soups, Wortsman et al. 2022).

    Args:
        states: at least one ``state_dict``, all of the same branch.
    """
    return {key: torch.stack([state[key] for state in states]).mean(0) for key in states[0]}


def relative_error(found: Tensor, wanted: Tensor, spread: Tensor) -> Tensor:
    """(N,) mean squared error as a share of the variance over pictures.

    Args:
        found: (N, ...) maps or means.
        wanted: (N, ...).
        spread: () the mean variance.
    """
    return (found - wanted).square().flatten(1).mean(1) / spread


def mean_variance(values: Tensor) -> Tensor:
    """() mean over channels (the last axis) of the variance over everything else."""
    return torch.var(values.flatten(0, -2), dim=0).mean()
