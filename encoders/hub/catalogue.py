"""Recommended models by short name.

>>> find_model("clip-large").repository
'openai/clip-vit-large-patch14'

Any other repository works as ``hf:ORG/NAME``. Sizes are those of the weights in the precision that
their makers publish, rounded; before a download the exact size is asked of the hub.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CatalogueModel:
    """A model that can be downloaded."""

    name: str
    """Short name."""
    repository: str
    """``ORG/NAME`` on the hub."""
    family: str
    """One of ``families.FAMILIES``, or open_clip."""
    download_bytes: int
    """Approximate size of the download."""
    dimension: int
    """Length of its vectors."""
    licence: str
    """Licence of the weights, as their authors state it."""
    good_for: str
    """When to choose it, on a line."""
    frames_per_second: float
    """Encoded by two cores of an EPYC with AVX2, by `python -m benchmarks.hub_throughput
    --catalogue`: random weights of the same shape, decoding excluded. A video model sees each frame
    once more, in its clip."""


CATALOGUE = (
    CatalogueModel(
        "clip-base",
        "openai/clip-vit-base-patch16",
        "clip",
        600_000_000,
        512,
        "MIT",
        "English, on a processor",
        2.0,
    ),
    CatalogueModel(
        "clip-large",
        "openai/clip-vit-large-patch14",
        "clip",
        1_710_000_000,
        768,
        "MIT",
        "English, more exact and much slower than clip-base; wants a GPU",
        0.58,
    ),
    CatalogueModel(
        "siglip2-base",
        "google/siglip2-base-patch16-224",
        "siglip",
        1_500_000_000,
        768,
        "Apache-2.0",
        "many languages, on a processor",
        2.3,
    ),
    CatalogueModel(
        "siglip2-large",
        "google/siglip2-so400m-patch14-384",
        "siglip",
        4_540_000_000,
        1152,
        "Apache-2.0",
        "many languages, fine detail; wants a GPU",
        0.11,
    ),
    CatalogueModel(
        "siglip2-naflex",
        "google/siglip2-base-patch16-naflex",
        "siglip2",
        1_500_000_000,
        768,
        "Apache-2.0",
        "many languages; keeps the shape of the picture, for wide and upright video",
        2.0,
    ),
    CatalogueModel(
        "videoprism-base",
        "google/videoprism-lvt-base-f16r288",
        "videoprism",
        990_000_000,
        768,
        "see its page",
        "English; sees the frames of a clip together; wants a GPU",
        1.0,
    ),
    # The sizes of these two models are computed from open_clip's architectures, as float32.
    CatalogueModel(
        "mobileclip2-small",
        "timm/MobileCLIP2-S0-OpenCLIP",
        "open_clip",
        300_000_000,
        512,
        "Apple's, for research only: see its page",
        "English, on a processor; the smallest here; wants open_clip",
        8.6,
    ),
    CatalogueModel(
        "pe-core-base",
        "timm/PE-Core-B-16",
        "open_clip",
        1_790_000_000,
        1024,
        "Apache-2.0",
        "English; a small visual tower with a large text tower; wants open_clip",
        2.4,
    ),
)


def find_model(name: str) -> CatalogueModel | None:
    """The model of a short name, or None."""
    return next((model for model in CATALOGUE if model.name == name), None)
