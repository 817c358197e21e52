"""Every benchmark has a --help, and `make bench` needs only its data."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(
    path.stem if path.name != "__main__.py" else f"{path.parent.name}.__main__"
    for path in (ROOT / "benchmarks").glob("**/*.py")
    if "def main()" in path.read_text(encoding="utf-8")
)
NEED_TORCH = {"ablations", "training_runs"}
BESIDE_MAKE_BENCH = NEED_TORCH | {"code_size", "compare_versions", "copies", "memory"}
"""Run by hand: to design a network, compare releases or systems, look for a leak, count code."""


def bench_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"-m benchmarks\.(\w+)$", makefile, re.MULTILINE))


def test_make_bench_runs_every_benchmark() -> None:
    names = {name.removesuffix(".__main__") for name in BENCHMARKS}
    assert bench_targets() == names - BESIDE_MAKE_BENCH


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.full) if name in NEED_TORCH else name
        for name in BENCHMARKS
    ],
)
def test_a_benchmark_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main()
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["confidence.__main__", "hubness", "indexing", "moments.__main__", "pointing", "shots"]
)
def test_a_benchmark_without_its_data_says_what_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    folder = "DATA" if hasattr(module, "DATA") else "VIDEOS"
    monkeypatch.setattr(module, folder, tmp_path / "nowhere")
    monkeypatch.setattr("sys.argv", [name])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert f"{tmp_path / 'nowhere'} is missing" in capsys.readouterr().err
