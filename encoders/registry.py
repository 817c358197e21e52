"""Encoders by name.

encoder = create_encoder("builtin")
"""

from __future__ import annotations

from collections.abc import Callable

from vidseek.encoders.base import Encoder
from vidseek.storage.errors import UnknownEncoderError


def _builtin(threads: int | None) -> Encoder:
    from vidseek.encoders.builtin import BuiltinEncoder

    return BuiltinEncoder(threads=threads)


_FACTORIES: dict[str, Callable[[int | None], Encoder]] = {"builtin": _builtin}


def encoder_names() -> list[str]:
    """The names that ``create_encoder`` knows, sorted."""
    return sorted(_FACTORIES)


def create_encoder(name: str = "builtin", *, threads: int | None = None) -> Encoder:
    """Make an encoder.

    Args:
        name: which one; see ``encoder_names()``.
        threads: processor threads it may use; all cores if None.

    Raises:
        UnknownEncoderError: there is none of that name.
        WeightsError: its weights are missing or damaged.
    """
    factory = _FACTORIES.get(name)
    if factory is None:
        known = ", ".join(encoder_names())
        raise UnknownEncoderError(f"no encoder is called {name!r}; there is: {known}")
    return factory(threads)
