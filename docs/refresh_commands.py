"""Generate the option tables of docs/reference/commands.md from the commands.

python docs/refresh_commands.py            rewrite the tables
python docs/refresh_commands.py --check    exit with 1 if they are out of date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import typer

from vidseek.cli.app import app

PAGE = Path(__file__).with_name("reference") / "commands.md"
_BLOCK = re.compile(r"<!-- options: (?P<command>[^>]+) -->\n.*?<!-- end -->", re.DOTALL)
_PATTERN = re.compile(r"'[^' ]*\*[^' ]*'")


def refreshed(page: str) -> str:
    """Return the page with every table regenerated."""
    group: Any = typer.main.get_command(app)
    commands = {"vidseek": group, **group.commands}
    for kind in ("model", "label"):
        for name, command in commands[kind].commands.items():
            commands[f"{kind} {name}"] = command
    return _BLOCK.sub(lambda block: _block(commands, block["command"]), page)


def _block(commands: dict[str, Any], name: str) -> str:
    lines = [f"<!-- options: {name} -->", "| | |", "| --- | --- |"]
    for param in commands[name].params:
        if param.param_type_name == "argument":
            shown, text = param.metavar, param.help
        else:
            metavar = "" if param.is_flag else f" {param.metavar}"
            shown, text = (
                ", ".join(sorted([*param.opts, *param.secondary_opts], key=len)) + metavar,
                param.help,
            )
            if shown.endswith("-completion"):
                continue  # typer's own, described on the page
            if param.default not in (None, ()) and not param.is_flag:
                text += f" Default: {param.default}."
        text = _PATTERN.sub(r"`\g<0>`", text)
        shown = shown.replace("|", "\\|")
        lines.append(f"| `{shown}` | {text} |")
    return "\n".join([*lines, "<!-- end -->"])


def main() -> int:
    """Rewrite the page, or check it with ``--check``."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = refreshed(page)
    if "--check" in sys.argv[1:]:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
