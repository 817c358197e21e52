"""Draw groups of duplicates: a bar per video, with the shared parts coloured by the other video.

plot_groups(Path("duplicates.png"), groups, matches)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from vidseek.core.errors import FileAccessError, PathNotFoundError
from vidseek.core.types import CopyMatch, DuplicateGroup

WIDTH, ROW, MARGIN, NAMES = 1100, 26, 16, 320
BAR = 14
COLOURS = ("#3b6fb6", "#d9822b", "#4f9d54", "#b6443b", "#7b5ea7", "#8c6d46", "#cf6fa9", "#5f8a8b")
MAX_ROWS = 1500
"""Further rows are left out; a last row says how many."""


def plot_groups(path: Path, groups: Sequence[DuplicateGroup], matches: Sequence[CopyMatch]) -> None:
    """Draw groups into a PNG.

    Args:
        path: the PNG file to write.
        groups: groups to draw.
        matches: matching parts of the videos.

    Raises:
        PathNotFoundError: its folder does not exist.
        FileAccessError: the file cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows: list[tuple[str, DuplicateGroup | None, int]] = []
    for number, group in enumerate(groups, 1):
        kept = "video that contains the others" if group.kind == "contains" else group.why
        rows.append((f"{number}. {group.kind}: keep the {kept}", None, 0))
        rows += [
            (member.video.path.name, group, place) for place, member in enumerate(group.members)
        ]
    if not rows:
        rows = [("no duplicates", None, 0)]
    if len(rows) > MAX_ROWS:
        rows = [*rows[:MAX_ROWS], (f"... and {len(rows) - MAX_ROWS} more rows", None, 0)]
    picture = Image.new("RGB", (WIDTH, 2 * MARGIN + ROW * len(rows)), "white")
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    matches_of: dict[int, list[CopyMatch]] = defaultdict(list)
    for match in matches:
        matches_of[match.video_id].append(match)
        matches_of[match.other_id].append(match)
    for row, (text, row_group, place) in enumerate(rows):
        top = MARGIN + row * ROW
        shown = text if len(text) <= 44 else f"{text[:20]}...{text[-21:]}"
        # The font covers Latin-1 only; drawing other letters would fail.
        shown = shown.encode("latin-1", "replace").decode("latin-1")
        pen.text((MARGIN if row_group is None else 2 * MARGIN, top), shown, "#222222", font)
        if row_group is None:
            continue
        length = max(member.video.duration_seconds for member in row_group.members)
        scale = (WIDTH - NAMES - MARGIN) / max(length, 1e-6)
        video = row_group.members[place].video
        left = NAMES
        pen.rectangle(
            (left, top, left + video.duration_seconds * scale, top + BAR), "#e4e4e4", "#bbbbbb"
        )
        places = {member.video.id: at for at, member in enumerate(row_group.members)}
        for match in matches_of[video.id]:
            pair = (
                (match.video_id, match.other_id, match.span),
                (match.other_id, match.video_id, match.other_span),
            )
            for here, there, span in pair:
                # The video to keep has a row per copy, in that copy's colour. A copy has one row.
                if here == video.id and there in places and (place == 0 or places[there] == 0):
                    colour = COLOURS[places[there] % len(COLOURS)]
                    height = BAR / max(1, len(places) - 1) if place == 0 else BAR
                    bar_top = top + (places[there] - 1) * height if place == 0 else top
                    pen.rectangle(
                        (
                            left + span.start_seconds * scale,
                            bar_top,
                            left + span.end_seconds * scale,
                            bar_top + height,
                        ),
                        colour,
                    )
    try:
        picture.save(path, "PNG")
    except (FileNotFoundError, NotADirectoryError):
        raise PathNotFoundError(f"{path.parent} does not exist", path=path) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileAccessError(f"{path} cannot be written: {reason}", path=path) from error
