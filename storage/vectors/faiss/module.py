"""Import of ``faiss``, which is in an extra: faiss-cpu or faiss-gpu."""

from __future__ import annotations

import importlib
from typing import Any

from vidseek.core.errors import Hint, LibraryError


def load_faiss() -> Any:
    """Import faiss, untyped: its annotations lag behind what SWIG and its wrappers add.

    Raises:
        LibraryError: it is not installed.
    """
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise LibraryError(
            "Searching needs FAISS, which is not installed",
            hint=Hint("install_extra", {"extra": "cpu"}),
        ) from error
