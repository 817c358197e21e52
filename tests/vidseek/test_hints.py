"""Every hint that the package uses is worded for the shell, and no unused hint exists."""

from __future__ import annotations

import ast
import re
import shlex
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import invoke_vidseek

from vidseek.cli.exit_codes import EXIT_USAGE
from vidseek.cli.hints import HINTS, shell_hint
from vidseek.core.errors import Hint

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "video", "encoders", "storage", "training", "indexer", "search", "vidseek")


def hints_in_the_code() -> Iterator[tuple[str, set[str]]]:
    """Action and names of the values of every ``Hint(...)`` call."""
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Hint":
                    action, *values = node.args
                    names = {ast.literal_eval(key) for value in values for key in value.keys}
                    is_choice = isinstance(action, ast.IfExp)
                    choices = (action.body, action.orelse) if is_choice else (action,)
                    # A variable passes on a hint that is written out elsewhere.
                    for choice in choices:
                        if isinstance(choice, ast.Constant):
                            yield choice.value, names


def test_the_table_has_every_action_of_the_code_and_no_other() -> None:
    assert set(HINTS) == {action for action, _ in hints_in_the_code()}
    assert list(HINTS) == sorted(HINTS)


def test_every_hint_is_given_the_values_that_its_words_name() -> None:
    for action, values in hints_in_the_code():
        named = {name for _, name, _, _ in string.Formatter().parse(HINTS[action]) if name}
        assert named <= values, action


@pytest.mark.parametrize("action", HINTS)
def test_a_hint_is_one_sentence_or_more(action: str) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(HINTS[action]) if name}
    text = shell_hint(Hint(action, dict.fromkeys(names, "x")))
    assert text is not None
    assert text.endswith((".", "!"))
    assert "{" not in text


def test_a_value_in_a_command_is_quoted() -> None:
    step = shell_hint(Hint("remove_label", {"label": "a goal"}))
    assert step is not None
    command = step.split("`")[1]
    assert shlex.split(command) == ["vidseek", "label", "remove", "a goal"]


def commands_of_the_hints() -> Iterator[str]:
    for words in HINTS.values():
        yield from re.findall(r"`(vidseek [^`]*)`", words)


@pytest.mark.parametrize("line", sorted(set(commands_of_the_hints())))
def test_a_command_of_a_hint_is_no_usage_error(line: str, tmp_path: Path) -> None:
    named = line.replace("{model}", "builtin").replace("{folder}", ".").replace("{path}", "x.mp4")
    _, *words = shlex.split(named)
    # The library does not exist, so no command gets further than its arguments.
    answer = invoke_vidseek(words, library=tmp_path / "none", cwd=tmp_path)
    assert answer.returncode != EXIT_USAGE, answer.stderr


def test_no_hint_names_the_registry_for_vidseek() -> None:
    assert not [
        words for words in HINTS.values() if re.search(r"pip install[^`]* \W*vidseek", words)
    ]


def test_no_hint_is_no_text() -> None:
    assert shell_hint(None) is None


@pytest.mark.parametrize(("extra", "says"), [("train", True), ("hub", True), ("cpu", False)])
def test_the_cpu_build_of_torch_is_named_before_an_extra_that_needs_torch(extra, says) -> None:
    step = shell_hint(Hint("install_extra", {"extra": extra}))
    torch = step.find("CPU build of torch")
    assert (0 <= torch < step.index(f"[{extra}]")) == says
