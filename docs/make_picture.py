"""Photograph the demo's contact sheet for the README.

make demo                          writes demo-library/contact-sheet.html
python docs/make_picture.py        writes docs/images/contact-sheet.png

Needs Chromium. The photographs on the sheet come from scikit-image.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

SHEET = Path("demo-library/contact-sheet.html")
PICTURE = Path(__file__).with_name("images") / "contact-sheet.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1240, 950
"""Pixels: six hits side by side, and the first three queries."""
COLOURS = 256


def main(sheet: Path = SHEET) -> None:
    """Render the sheet and write the picture.

    Raises:
        SystemExit: the sheet is missing, or no browser is installed.
    """
    if not sheet.is_file():
        raise SystemExit(f"{sheet} is missing: run `make demo` first")
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"no browser found; looked for {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        screenshot = Path(folder) / "sheet.png"
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--hide-scrollbars",
                f"--user-data-dir={folder}/profile",
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={screenshot}",
                sheet.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        with Image.open(screenshot) as picture:
            # A palette takes a third of the bytes and costs nothing visible at this size.
            small = picture.convert("RGB").quantize(COLOURS)
    PICTURE.parent.mkdir(exist_ok=True)
    small.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
