"""Load matplotlib for pictures in files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir


def load_pyplot() -> Any:
    """Import pyplot, which needs no display and keeps its list of fonts in vidseek's cache folder.

    By default matplotlib creates folders of its own in the home directory.
    """
    cache = Path(user_cache_dir("vidseek", appauthor=False)) / "matplotlib"
    os.environ.setdefault("MPLCONFIGDIR", str(cache))
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
