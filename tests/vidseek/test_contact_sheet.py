from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vidseek.core.types import SearchHit, TimeSpan, Video
from vidseek.exports.contact_sheet import SheetRow, render_contact_sheet, write_contact_sheet


def hit(path: Path, *, thumbnail: Path | None = None, confidence: float | None = 0.5) -> SearchHit:
    video = Video(
        id=1,
        path=path,
        content_hash="0" * 64,
        size_bytes=1,
        modified_ns=0,
        duration_seconds=10,
        frame_rate=25,
        width=640,
        height=360,
        codec="h264",
    )
    return SearchHit(video, TimeSpan(61, 65.5), 0.4, confidence, (), thumbnail)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(page)
    return parser.tags


def test_pictures_are_inside_the_page(tmp_path: Path) -> None:
    thumbnail = tmp_path / "t.jpg"
    thumbnail.write_bytes(b"\xff\xd8jpeg")
    page = render_contact_sheet(
        title="Mine", rows=[SheetRow("a dog", [hit(Path("/v/a.mp4"), thumbnail=thumbnail)])]
    )
    (source,) = [attributes["src"] for tag, attributes in tags(page) if tag == "img"]
    assert source is not None
    assert base64.b64decode(source.removeprefix("data:image/jpeg;base64,")) == b"\xff\xd8jpeg"


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = render_contact_sheet(title="Mine", rows=[SheetRow("a dog", [hit(Path("/v/a.mp4"))])])
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    links = [attributes.get("href") for tag, attributes in tags(page) if tag == "a"]
    assert links == ["file:///v/a.mp4#t=61.00,65.50"]


def test_what_users_and_file_names_say_is_escaped() -> None:
    evil = '<img src=x onerror="alert(1)">'
    rows = [SheetRow(evil, [hit(Path(f"/v/{evil}.mp4"))], note=evil)]
    page = render_contact_sheet(title=evil, subtitle=evil, rows=rows)
    assert "<img src=x" not in page
    assert not [tag for tag, _ in tags(page) if tag == "img"]


def test_a_query_without_hits_says_so() -> None:
    assert "No confident match" in render_contact_sheet(
        title="Mine", rows=[SheetRow("a unicorn", [])]
    )


def test_a_thumbnail_that_is_gone_leaves_its_place_empty(tmp_path: Path) -> None:
    rows = [SheetRow("a dog", [hit(Path("/v/a.mp4"), thumbnail=tmp_path / "gone.jpg")])]
    page = render_contact_sheet(title="Mine", rows=rows)
    assert "no picture" in page


def test_the_page_replaces_an_older_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sheet.html"
    write_contact_sheet(path, title="One", rows=[])
    write_contact_sheet(path, title="Two", rows=[SheetRow("bad \udcff", [])])
    assert "<h1>Two</h1>" in path.read_text(encoding="utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "sheet.html"
    target.mkdir()
    with pytest.raises(IsADirectoryError):
        write_contact_sheet(target, title="One", rows=[])
    assert list(tmp_path.iterdir()) == [target]
