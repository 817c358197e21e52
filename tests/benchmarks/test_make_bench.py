"""What `make bench` runs needs no options."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"


@pytest.mark.parametrize("name", ["hubness", "indexing", "moments", "shots"])
def test_a_benchmark_without_options_asks_for_nothing_but_its_data(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"-m benchmarks.{name}\n" in MAKEFILE.read_text(encoding="utf-8")
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(module, "DATA", tmp_path / "nowhere")
    monkeypatch.setattr("sys.argv", [name])
    with pytest.raises(SystemExit):
        module.main()
    assert f"{tmp_path / 'nowhere'} is missing" in capsys.readouterr().err
