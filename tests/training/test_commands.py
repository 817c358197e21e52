"""The commands of `vidseek.training` explain themselves, and their default files exist."""

from __future__ import annotations

import importlib
from importlib.resources import files

import pytest


@pytest.mark.full
@pytest.mark.parametrize("name", ["attention_maps", "lab.__main__", "lab.copies.__main__"])
def test_a_command_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"vidseek.training.{name}").main()
    assert ended.value.code == 0
    assert f"python -m vidseek.training.{name.removesuffix('.__main__')}" in capsys.readouterr().out


def test_the_default_configurations_are_part_of_the_package() -> None:
    lab = files("vidseek.training.lab")
    assert lab.joinpath("builtin.toml").is_file()
    assert lab.joinpath("copies", "copies.toml").is_file()
