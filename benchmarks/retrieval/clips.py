"""Captions of real clips as queries, end to end: index, then search."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

import vidseek
from benchmarks.retrieval.tables import recall_head, recall_row
from vidseek.encoders.builtin.encoder import BuiltinEncoder

MOST = 1_000_000


def clips(encoder: BuiltinEncoder, data: Path) -> None:
    """Print recall of each caption's video, ranked by its best moment."""
    captions: dict[str, str] = json.loads(
        (data / "videos" / "captions.json").read_text(encoding="utf-8")
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        vidseek.open(Path(folder) / "library", encoder=encoder) as library,
    ):
        report = library.index([data / "videos" / "clips"])
        recall_head()
        for rerank in (False, True):
            rank = []
            for name, caption in captions.items():
                hits = library.search(caption, k=report.indexed, per_video=1, rerank=rerank)
                found = [hit.video.path.name for hit in hits]
                rank.append(found.index(name) if name in found else MOST)
            title = f"captions of {report.indexed} clips, {len(captions)} queries"
            stage = "in a search" if rerank else "first stage alone"
            recall_row(f"{title}, {stage}", np.array(rank))
