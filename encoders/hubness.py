"""Hubness correction: lowers the scores of hubs, clips that are similar to every query.

    hubness = HubnessCorrection.from_bytes(manifest.read("hubness"))
    scores = clips @ query + hubness.corrections(clips)

In a shared space of text and video some clips are close to every sentence and displace the right
answers from the top. A bank of sentences that nobody searched for shows which clips are hubs:
nearest neighbour normalisation (NNN, Chowdhury et al., EMNLP 2024) subtracts from a clip's score a
share of its mean similarity to the nearest sentences of the bank, whatever the query.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1024
"""Clips compared with the bank at once: a few megabytes."""


@dataclass(frozen=True)
class HubnessCorrection:
    """A bank of sentence vectors and the parameters of the correction."""

    bank: NDArray[np.float32]
    """(B, D) L2-normalised vectors of sentences, none of them a query."""
    neighbours: int
    """How many of the bank's sentences nearest to a clip are averaged."""
    weight: float
    """Share of that mean that is subtracted; 0 changes nothing."""
    usual: float
    """That mean for a typical clip, added back so that scores stay on the scale of cosines."""

    def similarities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(K, D) clip vectors to (K,) mean similarities to their nearest sentences of the bank."""
        count = min(self.neighbours, len(self.bank))
        found = np.empty(len(vectors), np.float32)
        for start in range(0, len(vectors), AT_ONCE):
            cosines = vectors[start : start + AT_ONCE] @ self.bank.T
            nearest = np.partition(cosines, -count, axis=1)[:, -count:]
            found[start : start + AT_ONCE] = nearest.mean(1)
        return found

    def corrections(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(K, D) clip vectors to (K,) float32, to be added to any query's cosines with them."""
        return np.float32(self.weight) * (np.float32(self.usual) - self.similarities(vectors))

    def without(self, row: int) -> HubnessCorrection:
        """A copy of this correction that lacks one sentence of the bank."""
        return replace(self, bank=np.delete(self.bank, row, axis=0))

    def to_bytes(self) -> bytes:
        """As ``from_bytes`` reads it; the bank is rounded to eight bits."""
        steps = self.bank * (127.0 / np.abs(self.bank).max(1, keepdims=True))
        buffer = io.BytesIO()
        np.savez(
            buffer,
            bank=np.round(steps).astype(np.int8),
            neighbours=np.int64(self.neighbours),
            weight=np.float64(self.weight),
            usual=np.float64(self.usual),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, blob: bytes) -> HubnessCorrection:
        """Read the result of ``to_bytes``.

        Raises:
            ValueError: it is something else.
        """
        try:
            with np.load(io.BytesIO(blob), allow_pickle=False) as arrays:
                bank = arrays["bank"].astype(np.float32)
                bank /= np.linalg.norm(bank, axis=1, keepdims=True)
                return cls(
                    bank,
                    neighbours=int(arrays["neighbours"]),
                    weight=float(arrays["weight"]),
                    usual=float(arrays["usual"]),
                )
        except (KeyError, OSError, EOFError, ValueError, BadZipFile) as error:
            raise ValueError(f"no bank of sentences: {error}") from error
