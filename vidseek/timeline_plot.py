"""Groups of duplicates as a picture: one line a video, what it shares in the colour of the other.

plot_groups(Path("duplicates.png"), groups, matches)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vidseek.core.types import CopyMatch, DuplicateGroup

WIDTH, ROW, MARGIN, NAMES = 1100, 26, 16, 320
BAR = 14
COLOURS = ("#3b6fb6", "#d9822b", "#4f9d54", "#b6443b", "#7b5ea7", "#8c6d46", "#cf6fa9", "#5f8a8b")
MAX_ROWS = 1500
"""Of a larger picture, what is beyond is left out, and it says so."""


def plot_groups(path: Path, groups: Sequence[DuplicateGroup], matches: Sequence[CopyMatch]) -> None:
    """Draw groups into a PNG.

    Args:
        path: of the picture.
        groups: to draw.
        matches: what the videos share.

    Raises:
        OSError: it cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows: list[tuple[str, DuplicateGroup | None, int]] = []
    for number, found in enumerate(groups, 1):
        kept = "one that holds the others" if found.kind == "contains" else found.why
        rows.append((f"{number}. {found.kind}: keep the {kept}", None, 0))
        rows += [(one.video.path.name, found, place) for place, one in enumerate(found.members)]
    if not rows:
        rows = [("no duplicates", None, 0)]
    if len(rows) > MAX_ROWS:
        rows = [*rows[:MAX_ROWS], (f"... and {len(rows) - MAX_ROWS} lines more", None, 0)]
    picture = Image.new("RGB", (WIDTH, 2 * MARGIN + ROW * len(rows)), "white")
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    for line, (text, group, place) in enumerate(rows):
        top = MARGIN + line * ROW
        shown = text if len(text) <= 44 else f"{text[:20]}...{text[-21:]}"
        # The font lacks most alphabets; a name in another must not end the drawing.
        shown = shown.encode("latin-1", "replace").decode("latin-1")
        pen.text((MARGIN if group is None else 2 * MARGIN, top), shown, "#222222", font)
        if group is None:
            continue
        length = max(one.video.duration_seconds for one in group.members)
        scale = (WIDTH - NAMES - MARGIN) / max(length, 1e-6)
        video = group.members[place].video
        left = NAMES
        pen.rectangle(
            (left, top, left + video.duration_seconds * scale, top + BAR), "#e4e4e4", "#bbbbbb"
        )
        others = {one.video.id: at for at, one in enumerate(group.members)}
        for match in matches:
            pair = (
                (match.video_id, match.other_id, match.span),
                (match.other_id, match.video_id, match.other_span),
            )
            for here, there, span in pair:
                # The one to keep is shown in the others' colours, they in its own.
                if here == video.id and there in others and (place == 0 or others[there] == 0):
                    colour = COLOURS[others[there] % len(COLOURS)]
                    high = BAR / max(1, len(others) - 1) if place == 0 else BAR
                    low = top + (others[there] - 1) * high if place == 0 else top
                    pen.rectangle(
                        (
                            left + span.start_seconds * scale,
                            low,
                            left + span.end_seconds * scale,
                            low + high,
                        ),
                        colour,
                    )
    picture.save(path, "PNG")
