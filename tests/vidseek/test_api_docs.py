"""docs/reference/python-api.md: every example runs as written, and every public name is there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from colour_videos import write_colours

import vidseek

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python-api.md"
ERRORS = PAGE.with_name("errors.md")
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_example_runs_as_written(tmp_path: Path, monkeypatch, capsys) -> None:
    for name, colours in {
        "a.mp4": ["red", "green"],
        "b.mp4": ["blue", "white", "pink"],
        "c.mp4": ["yellow"],
    }.items():
        write_colours(tmp_path / "Movies" / name, colours)
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "example"}
    for match in EXAMPLE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        # Padded, so that a traceback names the line of the page.
        code = compile("\n" * line + match[1], str(PAGE), "exec")
        exec(code, namespace)
    printed = capsys.readouterr().out
    assert "3 indexed, 0 unchanged" in printed
    assert "1 forgotten" in printed
    assert "query is empty" in printed


@pytest.mark.parametrize("name", [name for name in vidseek.__all__ if name != "__version__"])
def test_every_public_name_exists_and_is_on_the_page(name: str) -> None:
    assert getattr(vidseek, name) is not None
    text = PAGE.read_text(encoding="utf-8") + ERRORS.read_text(encoding="utf-8")
    assert re.search(rf"`[^`\n]*\b{name}\b|vidseek\.{name}\b", text)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (owner, name)
        for owner in (vidseek.Library, vidseek.LibraryModels)
        for name in dir(owner)
        if not name.startswith("_")
    ],
)
def test_every_method_and_option_is_on_the_page(owner: type, name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert re.search(rf"library\.{name}\b|`{name}\b|Library\.{name}\b|vidseek\.{name}\b", text)
    member = inspect.getattr_static(owner, name)
    if isinstance(member, property):
        return
    for option in inspect.signature(getattr(owner, name)).parameters:
        if option not in ("self", "path", "paths", "text", "file", "old", "new"):
            assert re.search(rf"\b{option}\b", text), f"{name}: {option}"


def test_nothing_public_is_made_up() -> None:
    assert vidseek.__all__[1:] == sorted(vidseek.__all__[1:])
    assert set(vidseek.__all__) <= set(dir(vidseek))
    with pytest.raises(AttributeError, match="no_such_name"):
        vidseek.no_such_name  # noqa: B018
