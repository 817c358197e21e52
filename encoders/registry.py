"""Encoders by name.

encoder = create_encoder("builtin")
encoder = create_encoder("hf:openai/clip-vit-base-patch16", confirm_download=ask)
"""

from __future__ import annotations

from collections.abc import Callable

from vidseek.encoders.base import Encoder
from vidseek.storage.errors import UnknownEncoderError
from vidseek.storage.types import EncoderSpec


def _builtin(threads: int | None) -> Encoder:
    from vidseek.encoders.builtin import BuiltinEncoder

    return BuiltinEncoder(threads=threads)


_FACTORIES: dict[str, Callable[[int | None], Encoder]] = {"builtin": _builtin}


def encoder_names() -> list[str]:
    """The names that ``create_encoder`` knows, sorted."""
    return sorted(_FACTORIES)


def name_of(spec: EncoderSpec) -> str:
    """What ``create_encoder`` makes the encoder of a spec from.

    A model of others is known by where it lies, which is no part of what its vectors depend on.
    """
    return spec.revision if spec.name.startswith("hub:") else spec.name


def create_encoder(
    name: str = "builtin",
    *,
    threads: int | None = None,
    confirm_download: Callable[[str, int], bool] | None = None,
) -> Encoder:
    """Make an encoder.

    Args:
        name: one of ``encoder_names()``; or a model of others: ``hf:ORG/NAME``, a folder, a short
            name of ``vidseek models``.
        threads: processor threads it may use; all cores if None.
        confirm_download: asked with a repository and a size in bytes before a model is downloaded;
            without it nothing is.

    Raises:
        UnknownEncoderError: there is none of that name.
        WeightsError: its weights are missing or damaged.
        EncoderError: it cannot be fetched or used; the subclass says why.
    """
    factory = _FACTORIES.get(name)
    if factory is not None:
        return factory(threads)
    from vidseek.encoders.hub.source import is_model_source

    if is_model_source(name):
        from vidseek.encoders.hub.encoder import create_hub_encoder

        return create_hub_encoder(name, threads=threads, confirm_download=confirm_download)
    known = ", ".join(encoder_names())
    raise UnknownEncoderError(
        f"no encoder is called {name!r}; there is: {known}. `vidseek models` lists models to "
        "download; hf:ORG/NAME or a folder names any other"
    )
