"""Encoders by name; ``encoders.model_ref`` lists the forms of a name.

encoder = create_encoder("builtin")
encoder = create_encoder("~/models/my-clips")
encoder = create_encoder("hf:openai/clip-vit-base-patch16", confirm_download=ask)
"""

from __future__ import annotations

from collections.abc import Callable

from vidseek.core import arguments
from vidseek.core.errors import WeightsError
from vidseek.encoders.base import Encoder
from vidseek.encoders.model_ref import ModelRef


def create_encoder(
    name: str = "builtin",
    *,
    threads: int | None = None,
    confirm_download: Callable[[str, int], bool] | None = None,
    create_base: Callable[[str], Encoder] | None = None,
) -> Encoder:
    """Make an encoder.

    Args:
        name: ``builtin``; the folder of a fine-tuned model, or of a head for a third-party model;
            a third-party model as ``hf:ORG/NAME``, ``open_clip:ARCHITECTURE/PRETRAINED``, a folder
            or a short name of the catalogue.
        threads: processor threads it may use; all cores if None.
        confirm_download: asked with a repository and a size in bytes before a model is downloaded;
            without it nothing is downloaded.
        create_base: makes the third-party model that a head was trained on; ``create_encoder`` with
            the other arguments if None.

    Raises:
        UnknownEncoderError: no model has that name, or the folder contains none.
        WeightsError: its weights are missing or damaged.
        EncoderError: it cannot be fetched or used; the subclass says why.
        ValueError: ``threads`` is under 1.
    """
    ref = ModelRef.parse(arguments.text(name, "name"))
    if threads is not None and arguments.whole_number(threads, "threads") < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    arguments.function(confirm_download, "confirm_download")
    arguments.function(create_base, "create_base")
    match ref.kind:
        case "builtin" | "trained":
            from vidseek.encoders.builtin.encoder import BuiltinEncoder
            from vidseek.encoders.manifest import WEIGHTS_FOLDER

            return BuiltinEncoder(ref.folder or WEIGHTS_FOLDER, threads=threads)
        case "head":
            from vidseek.encoders.hub.xpool import create_attending_encoder

            def create(base: str) -> Encoder:
                # A head of a head could be its own base, which would recurse without end.
                if ModelRef.parse(base).kind == "head":
                    raise WeightsError(f"{ref.folder} is a head for {base}, which is a head itself")
                if create_base is not None:
                    return create_base(base)
                return create_encoder(base, threads=threads, confirm_download=confirm_download)

            assert ref.folder is not None
            return create_attending_encoder(ref.folder, create)
        case "third-party":
            from vidseek.encoders.hub.encoder import create_hub_encoder

            return create_hub_encoder(ref, threads=threads, confirm_download=confirm_download)
        case "unknown":
            raise ref.not_found()
