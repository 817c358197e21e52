"""Running vidseek from a checkout, also with missing links or package data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_a_checkout_whose_links_are_text_files_says_what_to_do(tmp_path: Path) -> None:
    package = tmp_path / "vidseek"
    shutil.copytree(ROOT / "vidseek", package, symlinks=True)
    for link in list(package.iterdir()):
        if link.is_symlink():
            target = str(link.readlink())
            link.unlink()
            link.write_text(target)
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import vidseek"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode != 0
    assert "ImportError" in done.stderr
    assert str(package / "core") in done.stderr
    assert "pip install ." in done.stderr


@pytest.mark.full
def test_training_names_the_configuration_that_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "builtin.toml"
    command = [sys.executable, "-m", "vidseek.training.lab", "train", "--config", missing]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, cwd=tmp_path, env=_with_checkout()
    )
    assert done.returncode == 1
    assert str(missing) in done.stderr
    assert "Traceback" not in done.stderr


def _with_checkout() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
