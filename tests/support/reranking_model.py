"""A model with a re-ranking head, which the model in the package lacks; needs torch."""

from __future__ import annotations

import shutil
from pathlib import Path

from vidseek.encoders.manifest import (
    FILES,
    HEAD,
    PARTS,
    WEIGHTS_FOLDER,
    read_manifest,
    write_manifest,
)


def add_head(folder: Path) -> Path:
    """Write the shipped weights and an untrained head that changes scores into a folder."""
    import torch

    from vidseek.training.networks.configuration import CrossModalConfig
    from vidseek.training.networks.cross_modal import CrossModal
    from vidseek.training.networks.export import export_cross_modal

    folder.mkdir(parents=True, exist_ok=True)
    known = read_manifest()
    for part in known.parts.values():
        shutil.copyfile(WEIGHTS_FOLDER / part.file, folder / part.file)
    torch.manual_seed(0)
    head = CrossModal(CrossModalConfig()).eval()
    torch.nn.init.normal_(head.score_output.weight, std=1.0)
    export_cross_modal(head, folder / FILES[HEAD])
    spec = known.spec.to_document()
    del spec["vision_hash"]
    revisions = dict.fromkeys((*PARTS, HEAD), known.spec.revision)
    write_manifest(folder, spec=spec | {"name": "reranking"}, revisions=revisions, rerank=True)
    return folder
