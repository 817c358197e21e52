"""The demo: ``python -m vidseek.demo``, or ``make demo``.

It makes a dozen clips from photographs, indexes them, searches by text, by picture and by video,
checks uploads for copies, labels, summarises and recommends, and writes a contact sheet of the
hits. With ``--videos DIR`` it searches your own folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import vidseek
from vidseek.cli import output
from vidseek.cli.duplicates import print_groups
from vidseek.cli.hints import with_hint
from vidseek.cli.jobs import ShellJob, describe_indexing
from vidseek.core.errors import VidseekError
from vidseek.core.paths import absolute_path
from vidseek.demo import clips
from vidseek.demo.understanding import show_understanding
from vidseek.exports.contact_sheet import SheetRow, write_contact_sheet
from vidseek.search.moments.confidence import filter_confident

if TYPE_CHECKING:
    from vidseek.core.types import SearchHit
    from vidseek.library import Library

QUESTIONS = {
    "a cat": "chelsea.png",
    "a cup of coffee on a table": "coffee.png",
    "a red motorcycle": "motorcycle_left.png",
    "an astronaut in an orange suit": "astronaut.png",
    "a rocket at night": "rocket.jpg",
    "a man with a camera on a tripod": "camera.png",
}
"""Query -> the photograph that it describes."""

MIN_RIGHT = 4

OWN_QUESTIONS = (
    "a person talking",
    "people outdoors",
    "a dog",
    "a car on a road",
    "food on a table",
    "water and sky",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Returns:
        The exit code: 0, or 1 if the demo failed or found too little.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vidseek.demo", description="Show what vidseek does."
    )
    parser.add_argument("--videos", type=Path, metavar="DIR", help="a folder of your own videos")
    parser.add_argument(
        "--library",
        type=Path,
        metavar="DIR",
        help="where to keep the index (default: ./demo-library)",
    )
    parser.add_argument(
        "--clips",
        type=Path,
        metavar="DIR",
        default=Path("demo-videos"),
        help="where to put the clips of the demo (default: ./demo-videos)",
    )
    chosen = parser.parse_args(arguments)
    try:
        if chosen.videos is None:
            return show_samples(chosen.library or Path("demo-library"), chosen.clips)
        videos = absolute_path(chosen.videos)
        return show_own_videos(videos, chosen.library or own_library_folder(videos))
    except (VidseekError, OSError) as error:
        hint = error.hint if isinstance(error, VidseekError) else None
        say(f"vidseek: {with_hint(str(error), hint)}", to_stderr=True)
        return 1
    except KeyboardInterrupt:
        say("vidseek: interrupted; run it again to continue", to_stderr=True)
        return 130


def show_samples(library_folder: Path, folder: Path) -> int:
    """Run the demo on clips made from photographs."""
    started = time.monotonic()
    title("1. Making a dozen clips from the photographs of scikit-image")
    films = clips.make_clips(folder)
    picture, video = make_queries(folder / "queries")
    say(f"   {len(films)} clips in {folder}, {seconds_since(started)}")

    with vidseek.open(library_folder) as library:
        if not index(library, films):
            return 130
        title("3. Searching by text")
        rows, right = [], 0
        for text, photograph in QUESTIONS.items():
            hits = library.search(text, k=6)
            found = bool(hits) and shows(hits[0], photograph)
            right += found
            verdict = "right" if found else f"wrong: expected {clip_of(photograph)}"
            describe(f'"{text}"', hits, verdict)
            rows.append(SheetRow(text, hits, f"by text, first hit {verdict}"))
        say(f"   {right} of {len(QUESTIONS)} right at rank 1")

        title("4. Searching by a picture and by a video")
        for what, path, photograph in (
            ("the motorcycle from another side", picture, "motorcycle_left.png"),
            ("another clip of the coffee, mirrored", video, "coffee.png"),
        ):
            hits = library.similar(path, k=6)
            found = bool(hits) and shows(hits[0], photograph)
            verdict = "right" if found else f"wrong: expected {clip_of(photograph)}"
            describe(what, hits, verdict)
            note = f"{path.name}, first hit {verdict}"
            rows.append(SheetRow(what, hits, note, preview(path, photograph)))

        title("5. Checking uploads for copies")
        caught = check_uploads(library, folder)

        title("6. Labels, a summary, unusual moments, what to watch next, a sequence")
        show_understanding(library, films, say)
    sheet = library_folder / "contact-sheet.html"
    write_contact_sheet(
        sheet,
        title="vidseek demo",
        subtitle=f"{right} of {len(QUESTIONS)} text queries found their photograph first.",
        rows=rows,
    )
    close(sheet, library_folder, started)
    say("   on your own videos:      make demo VIDEOS=~/Movies")
    if right < MIN_RIGHT:
        say(f"vidseek: fewer than {MIN_RIGHT} text queries were right", to_stderr=True)
    if not caught:
        say("vidseek: an upload got the wrong verdict", to_stderr=True)
    return 0 if right >= MIN_RIGHT and caught else 1


def check_uploads(library: Library, folder: Path) -> bool:
    """Check a re-upload, an excerpt and a new video; True if every verdict is right."""
    reupload, excerpt, new = make_uploads(folder)
    all_right = True
    for what, path, name, kinds in (
        ("a re-upload: cropped, darker, with bars", reupload, "odds-and-ends.mp4", ("duplicate",)),
        ("4 s of the rocket in another video", excerpt, "launch-pad.mp4", ("partial", "contains")),
        ("an unrelated video", new, None, ("new",)),
    ):
        verdict = library.check(path)
        best = verdict.matches[0] if verdict.matches else None
        found = None if best is None else best.video.path.name
        right = found == name and verdict.kind in kinds
        all_right &= right
        line = f"   {what:<37} {verdict.kind}"
        if best is not None:
            here, there = (
                output.span_clock(span.start_seconds, span.end_seconds)
                for span in (best.query_span, best.library_span)
            )
            line += f": {here} shows {there} of {found}"
        say(f"{line}  {'right' if right else 'wrong'}")
    return all_right


def make_uploads(folder: Path) -> tuple[Path, Path, Path]:
    """Make a re-upload of a clip, an excerpt of another inside a new video, and a new video."""
    queries = folder / "queries"
    queries.mkdir(parents=True, exist_ok=True)
    reupload, excerpt, new = (queries / name for name in ("reupload.mp4", "excerpt.mp4", "new.mp4"))
    if not reupload.exists():
        clips.make_reupload(reupload, folder / "odds-and-ends.mp4")
    if not excerpt.exists():
        clips.make_excerpt(excerpt, folder / "launch-pad.mp4", 1.5, 5.5)
    if not new.exists():
        clips.make_clip(new, [clips.Scene("microaneurysms.png", 5, clips.WIDE)])
    return reupload, excerpt, new


def own_library_folder(videos: Path) -> Path:
    """A library for each folder: hits of another folder would confuse."""
    digest = hashlib.sha256(os.fsencode(videos)).hexdigest()
    return Path("demo-library-own") / f"{videos.name}-{digest[:8]}"


def show_own_videos(videos: Path, library_folder: Path) -> int:
    """Run the demo on the user's own folder; nothing is written into it."""
    started = time.monotonic()
    title(f"1. Your videos in {videos}")
    with vidseek.open(library_folder) as library:
        if not index(library, [videos]):
            return 130
        known = [video for video in library.videos() if video.state.value == "indexed"]
        if not known:
            say(f"vidseek: no readable video in {videos}", to_stderr=True)
            return 1
        title("3. Searching by text")
        rows = []
        for text in OWN_QUESTIONS:
            hits = filter_confident(library.search(text, k=8, per_video=2))
            describe(f'"{text}"', hits)
            rows.append(SheetRow(text, hits))
        title("4. Searching by a video")
        longest = max(known, key=lambda video: video.duration_seconds)
        others = library.similar(longest.path, k=8, per_video=1, exclude_itself=True)
        describe(f"like {output.shorten(output.printable(longest.path.name), 30)}", others)
        rows.append(SheetRow(f"like {longest.path.name}", others))
        title("5. Looking for duplicates")
        print_groups(library.duplicates())
    sheet = library_folder / "contact-sheet.html"
    total = output.amount_of_time(sum(video.duration_seconds for video in known))
    subtitle = f"{output.counted(len(known), 'video')}, {total}"
    write_contact_sheet(sheet, title=f"vidseek in {videos.name}", subtitle=subtitle, rows=rows)
    close(sheet, library_folder, started)
    return 0


def index(library: Library, paths: Sequence[Path]) -> bool:
    """Index with progress; False if it was stopped early."""
    title("2. Indexing")
    with ShellJob(describe_indexing) as job:
        report = library.index(paths, job=job)
    if report.indexed:
        speed = report.video_seconds / max(report.seconds, 1e-9)
        say(
            f"   {output.counted(report.indexed, 'video')}, "
            f"{output.amount_of_time(report.video_seconds)} of video in "
            f"{output.amount_of_time(report.seconds)}: {speed:.0f}x realtime"
        )
    if report.unchanged:
        say(f"   {output.counted(report.unchanged, 'video')} unchanged: nothing to do")
    for file in report.failed:
        say(f"   {output.short_path(file.path)}: {output.printable(file.reason)}")
    if report.interrupted:
        say("   stopped; run it again to continue")
    return not report.interrupted


def make_queries(folder: Path) -> tuple[Path, Path]:
    """Make a picture and a video to search with, neither of them in the library."""
    folder.mkdir(parents=True, exist_ok=True)
    picture, video = folder / "motorcycle.jpg", folder / "coffee.mp4"
    if not picture.exists():
        clips.load_photograph("motorcycle_right.png").save(picture, quality=85)
    if not video.exists():
        scene = clips.Scene("coffee.png", 3, (0.2, 0.6, 0.7), (0.6, 0.4, 0.8), mirrored=True)
        clips.make_clip(video, [scene])
    return picture, video


def preview(path: Path, photograph: str) -> bytes:
    """A small JPEG of the query."""
    import io

    from PIL import Image, ImageOps

    if path.suffix == ".jpg":
        with Image.open(path) as file:
            picture = file.convert("RGB")
    else:
        picture = ImageOps.mirror(clips.load_photograph(photograph))
    picture.thumbnail((240, 160))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def shows(hit: SearchHit, photograph: str) -> bool:
    """True if the middle of a hit is a view of the photograph."""
    middle = (hit.span.start_seconds + hit.span.end_seconds) / 2
    return clips.photograph_at(hit.video.path.name, middle) == photograph


def clip_of(photograph: str) -> str:
    """Name of the clip that shows a photograph."""
    return next(
        name
        for name, scenes in clips.CLIPS.items()
        if any(scene.photograph == photograph for scene in scenes)
    )


def describe(query: str, hits: Sequence[SearchHit], verdict: str = "") -> None:
    """Print the query, its best hit, and whether that is right."""
    if not hits:
        say(f"   {query:<36}  no confident match")
        return
    best = hits[0]
    span = output.span_clock(best.span.start_seconds, best.span.end_seconds)
    sure = "" if best.confidence is None else f"{best.confidence:.0%}"
    name = output.shorten(output.printable(best.video.path.name), 18)
    short, _, explanation = verdict.partition(": ")
    say(f"   {query:<36}  {name:<18} {span:<10} {sure:>4}  {short}".rstrip())
    if explanation:
        say(f"   {'':<36}  {explanation}")


def close(sheet: Path, library_folder: Path, started: float) -> None:
    """Print where the result is and what to do next."""
    title(f"Done, {seconds_since(started)}")
    command = Path(sys.executable).with_name("vidseek")
    program = os.path.relpath(command) if command.exists() else "vidseek"
    say(f"   see the hits:            {sheet} (open it in a browser)")
    say(f'   search yourself:         {program} --library {library_folder} search "a horse"')
    say(f"   check for copies:        {program} --library {library_folder} check upload.mp4")
    say(f"   index a folder:          {program} index ~/Movies")


def seconds_since(started: float) -> str:
    """Elapsed time as text."""
    return output.amount_of_time(time.monotonic() - started)


def title(text: str) -> None:
    """Print a heading."""
    say(("\n" if text[0] != "1" else "") + output.styled(text, bold=True))


def say(text: str, *, to_stderr: bool = False) -> None:
    """Write a line and flush it."""
    stream = sys.stderr if to_stderr else sys.stdout
    stream.write(text + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
