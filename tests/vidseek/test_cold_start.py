"""What a text query from the shell may not cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import environment

HEAVY = [
    "torch",
    "transformers",
    "openvino",
    "av",
    "decord",
    "alembic",
    "scenedetect",
    "rich",
    "PIL",
    "scipy",
]

SCRIPT = f"""
import json, sys
from vidseek.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["search", "a cat", "--json"], ["list"], ["--help"]])
def test_no_heavy_module_is_imported(library: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=environment(library),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stderr.splitlines()[-1]) == []
    assert done.stdout


def test_help_needs_no_numpy_and_no_database() -> None:
    check = (
        "import sys, vidseek.cli; "
        "print([m for m in ('numpy', 'sqlalchemy', 'platformdirs') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
