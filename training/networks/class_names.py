"""Names of things in a frame: the untouched stem's classes, in the words of the text encoder.

    names = ClassNames(classes=1000, dimension=384)
    frame_vectors = normalize(frame_vectors + names(fine))     # fine: (N, 120, 17, 17)

Tuning on a few thousand pictures made the stem forget some of the thousand classes that it was
trained on. Their names' vectors, weighted by the probabilities of the classes, say what the frame
shows (ConSE, Norouzi et al., ICLR 2014). The first blocks of the stem were never tuned, so only the
later ones are there twice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidseek.training.networks.stem import (
    COARSE_CHANNELS,
    FINE_BLOCKS,
    LITE2_STAGES,
    POOLED_CHANNELS,
    ConvNorm,
    Stem,
    make_blocks,
)

TOP_CLASSES = 10
"""Only the most probable classes count; the tail of a thousand small ones is noise."""


class ClassNames(nn.Module):
    """Maps the stem's fine map to a weighted mean of class names' vectors; never trained."""

    vectors: Tensor

    def __init__(self, *, classes: int, dimension: int) -> None:
        super().__init__()
        self.blocks = make_blocks(LITE2_STAGES)[FINE_BLOCKS:]
        self.last = ConvNorm(COARSE_CHANNELS, POOLED_CHANNELS, kernel=1)
        self.classes = nn.Linear(POOLED_CHANNELS, classes)
        self.register_buffer("vectors", torch.zeros(classes, dimension))
        self.requires_grad_(False)

    @classmethod
    def from_stem(cls, stem: Stem, vectors: Tensor) -> ClassNames:
        """The later blocks and the classes of an untouched stem.

        Args:
            stem: with its ImageNet weights.
            vectors: (classes, D) vectors of the classes' names, times the weight that a sure class
                has beside a frame vector of length 1.
        """
        names = cls(classes=vectors.shape[0], dimension=vectors.shape[1])
        names.blocks.load_state_dict(stem.blocks[FINE_BLOCKS:].state_dict())
        names.last.load_state_dict(stem.last.state_dict())
        names.classes.load_state_dict(stem.classes.state_dict())
        names.vectors.copy_(vectors)
        return names.eval()

    def logits(self, fine: Tensor) -> Tensor:
        """(N, 120, H, W) fine maps to (N, classes)."""
        for block in self.blocks:
            fine = block(fine)
        logits: Tensor = self.classes(functional.relu6(self.last(fine)).mean((2, 3)))
        return logits

    def forward(self, fine: Tensor) -> Tensor:
        """(N, 120, H, W) fine maps to (N, D); shorter where no class is probable."""
        probabilities = self.logits(fine).float().softmax(1)
        least = probabilities.topk(TOP_CLASSES, 1).values[:, -1:]
        return torch.where(probabilities >= least, probabilities, 0.0) @ self.vectors
