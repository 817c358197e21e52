"""The demo's videos: a dozen short clips made from the photographs that come with scikit-image.

The photographs are read from the installed package when the demo runs; vidseek ships none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidseek.core.errors import VidseekError

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH, HEIGHT, FRAMES_PER_SECOND = 640, 360, 20


@dataclass(frozen=True)
class Scene:
    """A camera move over one photograph.

    ``start`` and ``end`` are the first and last view of the camera: its horizontal and vertical
    position, 0 to 1, and its width as a fraction of the widest view that fits.
    """

    photograph: str
    seconds: float
    start: tuple[float, float, float] = (0.5, 0.5, 1.0)
    end: tuple[float, float, float] = (0.5, 0.5, 0.7)
    mirrored: bool = False


LEFT, RIGHT = (0.0, 0.5, 0.85), (1.0, 0.5, 0.85)
TOP, BOTTOM = (0.5, 0.0, 1.0), (0.5, 1.0, 1.0)
WIDE, NEAR = (0.5, 0.5, 1.0), (0.5, 0.5, 0.6)

CLIPS: dict[str, tuple[Scene, ...]] = {
    "whiskers.mp4": (Scene("chelsea.png", 6, LEFT, RIGHT),),
    "breakfast.mp4": (Scene("coffee.png", 6, WIDE, NEAR),),
    "portrait.mp4": (Scene("astronaut.png", 6, (0.5, 0.1, 1.0), (0.5, 0.4, 0.9)),),
    "launch-pad.mp4": (Scene("rocket.jpg", 7, BOTTOM, TOP),),
    "garage.mp4": (Scene("motorcycle_left.png", 6, (0.3, 0.7, 0.85), (0.8, 0.8, 0.85)),),
    "in-the-park.mp4": (Scene("camera.png", 6, (0.4, 0.2, 1.0), (0.4, 0.4, 0.8)),),
    "collection.mp4": (Scene("coins.png", 5, TOP, BOTTOM),),
    "telescope.mp4": (Scene("hubble_deep_field.jpg", 6, WIDE, (0.3, 0.4, 0.5)),),
    "moon.mp4": (Scene("moon.png", 5, BOTTOM, TOP),),
    "underfoot.mp4": (
        Scene("gravel.png", 4, LEFT, RIGHT),
        Scene("grass.png", 4, RIGHT, LEFT),
        Scene("brick.png", 4, TOP, BOTTOM),
    ),
    "reading.mp4": (
        Scene("page.png", 5, WIDE, NEAR),
        Scene("text.png", 4, LEFT, RIGHT),
    ),
    "odds-and-ends.mp4": (
        Scene("retina.jpg", 4, WIDE, NEAR),
        Scene("horse.png", 4, WIDE, (0.5, 0.4, 0.9)),
        Scene("ihc.png", 4, TOP, BOTTOM),
    ),
}
"""File name -> its scenes, in order."""


def photograph_at(clip: str, seconds: float) -> str | None:
    """The photograph that a clip shows at a time; None past its end."""
    for scene in CLIPS.get(clip, ()):
        if seconds < scene.seconds:
            return scene.photograph
        seconds -= scene.seconds
    return None


def load_photograph(name: str) -> Image:
    """Load a photograph of scikit-image, in RGB.

    Raises:
        VidseekError: scikit-image is not installed, or lacks this photograph.
    """
    from PIL import Image

    try:
        import skimage
    except ImportError as error:
        raise VidseekError(
            'The demo needs the photographs of scikit-image: pip install ".[demo]" in the '
            "checkout, or give a folder of your own videos with --videos."
        ) from error
    path = Path(skimage.__file__).parent / "data" / name
    try:
        with Image.open(path) as picture:
            upright = picture.convert("RGBA")
    except OSError as error:
        raise VidseekError(
            f"{path}: scikit-image lacks this photograph; install version 0.24 or newer."
        ) from error
    paper = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(paper, upright).convert("RGB")


def make_clips(folder: Path) -> list[Path]:
    """Make the clips that do not exist yet.

    Returns:
        The paths of all clips.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in CLIPS]
    for path in paths:
        if not path.exists():
            make_clip(path, CLIPS[path.name])
    return paths


def make_clip(path: Path, scenes: Sequence[Scene]) -> None:
    """Render scenes into a video file: H.264 if this FFmpeg can encode it, else MPEG-4."""
    _write(path, (picture for scene in scenes for picture in film_scene(scene)))


def make_reupload(path: Path, clip: Path) -> None:
    """Make a re-upload of a clip: cropped, darker, with bars and a caption."""
    _write(path, (_edited(frame) for frame in _frames(clip)))


def make_excerpt(path: Path, clip: Path, start_seconds: float, end_seconds: float) -> None:
    """Make a video of other scenes with an excerpt of a clip in the middle."""
    first, last = (round(at * FRAMES_PER_SECOND) for at in (start_seconds, end_seconds))
    _write(
        path,
        chain(
            film_scene(Scene("clock_motion.png", 3)),
            islice(_frames(clip), first, last),
            film_scene(Scene("cell.png", 3, TOP, BOTTOM)),
        ),
    )


def _write(path: Path, pictures: Iterable[Image]) -> None:
    import av

    temporary = path.with_name(f".{path.name}.part")
    try:
        with av.open(str(temporary), "w", format="mp4") as container:
            stream = container.add_stream(_codec(), rate=FRAMES_PER_SECOND)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.time_base = Fraction(1, FRAMES_PER_SECOND)
            if stream.codec_context.name == "libx264":
                stream.options = {"preset": "veryfast", "crf": "23"}
            else:
                stream.bit_rate = 2_000_000
            for number, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _frames(clip: Path) -> Iterator[Image]:
    from PIL import Image

    from vidseek.video import open_video

    with open_video(clip) as video:
        for batch in video.frames(np.arange(len(video.packets()))):
            for frame in batch.data:
                yield Image.fromarray(frame)


def _edited(frame: Image) -> Image:
    from PIL import Image, ImageDraw, ImageEnhance

    inner = (0.1 * WIDTH, 0.08 * HEIGHT, 0.9 * WIDTH, 0.92 * HEIGHT)
    bar = HEIGHT // 8
    picture = frame.resize((WIDTH, HEIGHT - 2 * bar), Image.Resampling.BICUBIC, box=inner)
    canvas = Image.new("RGB", (WIDTH, HEIGHT))
    canvas.paste(ImageEnhance.Brightness(picture).enhance(0.75), (0, bar))
    ImageDraw.Draw(canvas).text((20, HEIGHT - bar + 8), "SUBSCRIBE for more", "white", font_size=24)
    return canvas


def _codec() -> str:
    import av

    for name in ("libx264", "libopenh264"):
        with contextlib.suppress(ValueError):
            return av.codec.Codec(name, "w").name
    return "mpeg4"


def film_scene(scene: Scene) -> Iterator[Image]:
    """Render the frames of a scene, evenly spaced in time."""
    from PIL import Image, ImageOps

    photograph = load_photograph(scene.photograph)
    if scene.mirrored:
        photograph = ImageOps.mirror(photograph)
    widest = min(photograph.width, photograph.height * WIDTH / HEIGHT)
    count = round(scene.seconds * FRAMES_PER_SECOND)
    for step in range(count):
        share = step / max(1, count - 1)
        x, y, zoom = (a + (b - a) * share for a, b in zip(scene.start, scene.end, strict=True))
        width = widest * zoom
        height = width * HEIGHT / WIDTH
        left, top = (photograph.width - width) * x, (photograph.height - height) * y
        yield photograph.resize(
            (WIDTH, HEIGHT),
            Image.Resampling.BICUBIC,
            box=(left, top, left + width, top + height),
        )
