"""The next step after an error or a warning, as a shell command.

The rooms below attach a ``Hint``: an action and its values. This table words every action for the
command line; a test checks that it has all that the code uses.
"""

from __future__ import annotations

from vidseek.core.errors import Hint

HINTS: dict[str, str] = {
    "add_model": "Run `vidseek model add {model}`.",
    "caption_more_videos": "Caption more videos.",
    "index": "Run `vidseek index FOLDER`.",
}


def shell_hint(hint: Hint | None) -> str | None:
    """The sentence that tells a shell user what to do next; None if there is no hint."""
    return None if hint is None else HINTS[hint.action].format_map(dict(hint.values))
