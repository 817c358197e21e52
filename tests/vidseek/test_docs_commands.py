from __future__ import annotations

import functools
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import invoke_vidseek

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "index",
    "search",
    "similar",
    "related",
    "summary",
    "outliers",
    "oneshot",
    "open",
    "explain",
    "check",
    "classify",
    "describe",
    "ask",
    "duplicates",
    "calibrate",
    "evaluate",
    "export",
    "list",
    "info",
    "failed",
    "remove",
    "relocate",
    "models",
    "train",
    "serve",
    "mcp",
    "doctor",
)
MODEL_COMMANDS = ("add", "switch", "drop", "list")
LABEL_COMMANDS = ("add", "remove", "train", "list")
SECTIONS = (
    *COMMANDS,
    *(f"model {command}" for command in MODEL_COMMANDS),
    *(f"label {command}" for command in LABEL_COMMANDS),
)


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")


@functools.cache
def help_of(*command: str) -> str:
    answer = invoke_vidseek([*command, "--help"])
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def section(page: str, command: str) -> str:
    found = re.search(rf"^## vidseek {command}$(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    assert found, f"docs/reference/commands.md has no section on {command}"
    return found[1]


def test_every_command_has_a_section(page: str) -> None:
    assert listed_in(help_of()) == (*COMMANDS, "model", "label")
    assert listed_in(help_of("model")) == MODEL_COMMANDS
    assert listed_in(help_of("label")) == LABEL_COMMANDS
    assert tuple(re.findall(r"^## vidseek ([\w ]+)$", page, re.MULTILINE)) == SECTIONS


@pytest.mark.parametrize("group", [(), ("model",), ("label",)])
def test_no_command_is_listed_with_half_a_sentence(group: tuple[str, ...]) -> None:
    assert "...\n" not in help_of(*group).partition("Commands:")[2] + "\n"


@pytest.mark.parametrize("command", SECTIONS)
def test_usage_has_one_pair_of_brackets_around_an_argument(command: str) -> None:
    assert "[[" not in help_of(*command.split()).strip().splitlines()[0]


def listed_in(text: str) -> tuple[str, ...]:
    found = re.findall(r"^  (\w+) {2,}\S", text.partition("Commands:")[2], re.MULTILINE)
    return tuple(found)


@pytest.mark.parametrize("command", SECTIONS)
def test_every_option_in_help_is_documented_and_no_other(page: str, command: str) -> None:
    text = help_of(*command.split())
    offered = set(re.findall(r"^  (-\S+?)[, \n]", text, re.MULTILINE)) - {"-h"}
    table = re.search(r"<!-- options: .*?<!-- end -->", section(page, command), re.DOTALL)
    assert table
    assert set(re.findall(r"^\| `(-[^ `,]+)", table[0], re.MULTILINE)) == offered
    assert "Example:" in text


def test_the_tables_are_up_to_date() -> None:
    check = [sys.executable, ROOT / "docs" / "refresh_commands.py", "--check"]
    answer = subprocess.run(check, timeout=60)
    assert answer.returncode == 0, "run python docs/refresh_commands.py"


def commands_shown() -> list[tuple[str, list[str]]]:
    """Every `$ vidseek ...` line of a console block, with its page, split into words."""
    shown = []
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for block in re.findall(
            r"^```console\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.M
        ):
            for line in re.findall(r"^\$ (vidseek .+)$", block, re.MULTILINE):
                words = [*shlex.split(line, comments=True), "|"]
                while words:  # each command of a pipeline
                    end = words.index("|")
                    if words[0] == "vidseek":
                        shown.append((path.name, words[1:end]))
                    del words[: end + 1]
    return shown


def commands_named() -> list[tuple[str, list[str]]]:
    """Every `vidseek ...` within the text of a page or a hint, with its page, split into words."""
    pages = [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    named = []
    for path in [*pages, ROOT / "vidseek" / "cli" / "hints.py"]:
        text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for line in re.findall(r"`(vidseek [a-z][^`]*)`", text):
            named.append((path.name, shlex.split(line.partition("|")[0])[1:]))
    return named


def test_every_command_shown_or_named_exists_with_its_options() -> None:
    shown, named = commands_shown(), commands_named()
    assert min(len(shown), len(named)) > 50
    for page, words in shown + named:
        names = [word for word in words if not word.startswith("-")]
        is_in_group = names[0] in ("model", "label")
        command = names[:2] if is_in_group else names[:1]
        if is_in_group and len(names) == 1:
            continue
        assert " ".join(command) in SECTIONS, f"{page}: {words}"
        options = {"-", *re.findall(r"(?<!\S)--?[a-z][a-z-]*", help_of(*command))}
        for word in words:
            if word.startswith("-"):
                assert word in options, f"{page}: {words}"


def test_programs_and_targets_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        text = page.read_text("utf-8")
        for name in re.findall(r"python\s+-m\s+((?:benchmarks|vidseek)[\w.]*)", text):
            assert importlib.util.find_spec(name.rstrip(".")), f"{page.name}: {name}"
        for name in re.findall(r"(?:^\$ |`)make\s+([a-z-]+)", text, re.MULTILINE):
            assert name in targets or name in ("test-latest", "test-constraints"), page.name


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_start_page_links_every_guide_and_reference() -> None:
    docs = ROOT / "docs"
    linked = set(re.findall(r"\]\(([^)#]+)", (docs / "index.md").read_text("utf-8")))
    for part in ("tutorial", "how-to", "reference", "explanation"):
        for page in (docs / part).glob("*.md"):
            assert page.relative_to(docs).as_posix() in linked


def test_every_code_of_a_refused_request_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "http-api.md").read_text("utf-8")
    codes = set()
    for file in (ROOT / "vidseek" / "web").rglob("*.py"):
        codes |= set(re.findall(r"ProblemError\(\s*\d+,\s*\"(\w+)\"", file.read_text("utf-8")))
    assert "busy" in codes
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []
