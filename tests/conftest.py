"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures and videos beside the checkout; skips where it is missing."""
    folder = Path(
        os.environ.get("VIDSEEK_SHARED_DATA")
        or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    if not folder.is_dir():
        pytest.skip(f"needs real data: {folder} is missing (set VIDSEEK_SHARED_DATA)")
    return folder
