"""What the demo shows beyond search and copies: labels, a summary, the unusual, and more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vidseek.cli import output

if TYPE_CHECKING:
    from vidseek.library import Library

LABELS = ("a cat", "a cup of coffee", "a motorcycle", "a rocket", "the moon", "a page of text")
LABELLED = ("whiskers.mp4", "garage.mp4")
SUMMARISED = "underfoot.mp4"
LIKED = "collection.mp4"
STEPS = ("a black horse", "purple cells under a microscope")


def show_understanding(library: Library, paths: Sequence[Path], say: Callable[[str], None]) -> None:
    """Print a line or two for each, on the videos of the demo."""
    by_name = {path.name: path for path in paths}
    for name in LABELLED:
        (moment,) = library.classify([by_name[name]], LABELS)
        labels = ", ".join(f"{each.label} {each.confidence:.0%}" for each in moment.labels)
        _line(say, f"labels of {name}", labels)
    frames = library.summary(by_name[SUMMARISED], frames=3)
    times = ", ".join(output.clock(frame.seconds) for frame in frames)
    _line(say, f"summary of {SUMMARISED}", f"key frames at {times}")
    for unusual in library.outliers(k=1):
        span = output.span_clock(unusual.span.start_seconds, unusual.span.end_seconds)
        _line(say, "most unlike the rest", f"{unusual.video.path.name} {span}")
        _line(say, "", f"the nearest is {unusual.nearest.video.path.name}")
    for related in library.related(by_name[LIKED], k=2):
        span = output.span_clock(
            related.because.span.start_seconds, related.because.span.end_seconds
        )
        _line(say, f"next after {LIKED}", f"{related.video.path.name}, because of {span}")
    first, second = STEPS
    for hit in library.search(first, 1, then=[second]):
        steps = ", ".join(
            output.span_clock(step.start_seconds, step.end_seconds) for step in hit.steps
        )
        _line(say, f'"{first}", then', f"{hit.video.path.name}: {steps}")
        _line(say, f'  "{second}"', "")


def _line(say: Callable[[str], None], what: str, found: str) -> None:
    say(f"   {what:<36}  {found}".rstrip())
