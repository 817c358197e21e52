"""Exports of hits: tables, playlists, edit lists that match the files to the frame, and clips."""

from __future__ import annotations

import csv
import io
import json
import sys
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from vidseek.core.errors import ExportError, Hint, MissingExtraError
from vidseek.exports import FORMATS, Moment, export_hits, parse_moments
from vidseek.exports.cutting import cut_clips
from vidseek.exports.files import write_atomically
from vidseek.exports.media import counting_rate, frames_of_timecode, probe_media

NTSC_FILM, NTSC = Fraction(24_000, 1001), Fraction(30_000, 1001)
TIMELINES = ("otio", "edl", "fcpxml", "fcp7")


def make_film(
    path: Path, rate: Fraction, *, timecode: str = "", milliseconds: list[int] | None = None
) -> Path:
    """A hundred frames that get brighter by 2; at times of their own if these are given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = 25
        time_base = 1 / rate
        if milliseconds:
            time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if timecode:
            container.metadata["timecode"] = timecode
        for number in range(100):
            picture = np.full((48, 64, 3), 2 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = milliseconds[number] if milliseconds else number
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def uneven() -> list[int]:
    return np.cumsum(np.random.default_rng(1).integers(20, 60, 100)).tolist()


FILMS = {
    "23.976": (NTSC_FILM, "", None),
    "25 with timecode": (Fraction(25), "10:00:00:00", None),
    "29.97 drop frame": (NTSC, "00:59:59;00", None),
    "29.97 non-drop": (NTSC, "01:00:00:00", None),
    "variable": (Fraction(30), "", uneven()),
}


@pytest.fixture(params=FILMS)
def film(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    rate, timecode, milliseconds = FILMS[request.param]
    return make_film(tmp_path / "film.mov", rate, timecode=timecode, milliseconds=milliseconds)


def moments(film: Path) -> list[Moment]:
    return [Moment(film, 0.5, 1.5, 0.31, 0.9), Moment(film, 2.02, 2.9, 0.3, 0.8)]


def wanted_frames(film: Path, handles: float = 0.0) -> list[tuple[int, int]]:
    """Source frames of the moments by the file's timecode, from a calculation of its own."""
    media = probe_media(film)
    spans = [(0.5, 1.5), (2.02, 2.9)]
    return [
        tuple(
            media.start_frame + int((seconds + shift) * media.rate + Fraction(1, 2))
            for seconds, shift in ((start, -handles), (end, handles))
        )
        for start, end in spans
    ]


def test_a_file_is_counted_in_its_standard_rate(tmp_path: Path) -> None:
    assert counting_rate(Fraction(24)) == (24, 1)
    assert counting_rate(Fraction(2997, 125)) == (NTSC_FILM, 1)  # Matroska rounds
    assert counting_rate(Fraction(15)) == (30, 2)
    assert counting_rate(Fraction(2713, 100), Fraction(30)) == (30, 1)
    assert counting_rate(Fraction(2713, 100), Fraction(90_000)) == (NTSC, 1)
    assert counting_rate(Fraction(240))[0] == 60
    media = probe_media(make_film(tmp_path / "a.mov", Fraction(15), timecode="00:00:10:00"))
    assert (media.rate, media.start_frame) == (30, 300)


def test_timecode_is_a_frame_number() -> None:
    assert frames_of_timecode("01:00:00:00", Fraction(25)) == (90_000, False)
    assert frames_of_timecode("01:00:00;00", NTSC) == (107_892, True)
    assert frames_of_timecode("00:01:00;02", NTSC) == (1800, True)
    assert frames_of_timecode("01:00:00:00", NTSC) == (108_000, False)
    assert frames_of_timecode("00:00:00:25", Fraction(25)) is None
    assert frames_of_timecode("noon", Fraction(25)) is None


@pytest.mark.full
@pytest.mark.parametrize("handles", [0.0, 0.4])
def test_an_edl_read_back_has_the_same_frames(film: Path, handles: float) -> None:
    otio = pytest.importorskip("opentimelineio")
    pytest.importorskip("otio_cmx3600_adapter")
    text = export_hits(moments(film), "edl", handles_seconds=handles).content.decode()
    media = probe_media(film)
    assert ("FCM: DROP FRAME" in text) == media.drop_frame
    is_labelled_at_30 = media.rate == NTSC and not media.drop_frame
    rate = 30.0 if is_labelled_at_30 else float(media.rate)
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=rate)
    clips = list(timeline.find_clips())
    ranges = [clip.source_range for clip in clips]
    assert [
        (each.start_time.to_frames(), each.end_time_exclusive().to_frames()) for each in ranges
    ] == wanted_frames(film, handles)
    assert [clip.name for clip in clips] == ["film.mov"] * 2
    assert clips[0].media_reference.target_url == film.as_uri()


@pytest.mark.parametrize("handles", [0.0, 0.4])
def test_an_fcpxml_has_the_same_frames_as_exact_fractions(film: Path, handles: float) -> None:
    text = export_hits(moments(film), "fcpxml", handles_seconds=handles).content.decode()
    document = ElementTree.fromstring(text)
    rate = probe_media(film).rate
    asset = document.find("./resources/asset")
    spans, position = [], Fraction(0)
    for clip in document.iter("asset-clip"):
        start, length = fraction(clip.get("start")), fraction(clip.get("duration"))
        assert fraction(clip.get("offset")) == position
        assert clip.get("ref") == asset.get("id")
        position += length
        spans.append((start * rate, (start + length) * rate))
    assert spans == wanted_frames(film, handles)
    assert fraction(document.find(".//sequence").get("duration")) == position
    assert asset.get("src") == film.as_uri()
    assert fraction(asset.get("start")) * rate == probe_media(film).start_frame
    assert fraction(document.find("./resources/format").get("frameDuration")) == 1 / rate


def fraction(text: str) -> Fraction:
    assert text.endswith("s")
    return Fraction(text[:-1])


@pytest.mark.full
def test_opentimelineio_reads_the_fcpxml_back(tmp_path: Path) -> None:
    otio = pytest.importorskip("opentimelineio")
    pytest.importorskip("otio_fcpx_xml_adapter")
    film = make_film(tmp_path / "film.mov", Fraction(25), timecode="10:00:00:00")
    text = export_hits(moments(film), "fcpxml").content.decode()
    timeline = otio.adapters.read_from_string(text, "fcpx_xml")
    ranges = [clip.source_range for clip in timeline.find_clips()]
    frames = [(r.start_time.to_frames(), r.end_time_exclusive().to_frames()) for r in ranges]
    # The adapter's reader (1.0.0) rounds times down as floating-point numbers.
    np.testing.assert_allclose(frames, wanted_frames(film), rtol=0, atol=1)


@pytest.mark.full
@pytest.mark.parametrize("name", ["otio", "fcp7"])
def test_other_timelines_read_back_have_the_same_frames(film: Path, name: str) -> None:
    otio = pytest.importorskip("opentimelineio")
    pytest.importorskip("otio_fcp_adapter")
    text = export_hits(moments(film), name).content.decode()
    adapter = {"otio": "otio_json", "fcp7": "fcp_xml"}[name]
    timeline = otio.adapters.read_from_string(text, adapter)
    ranges = [clip.source_range for clip in timeline.find_clips()]
    frames = [(r.start_time.to_frames(), r.end_time_exclusive().to_frames()) for r in ranges]
    assert frames == wanted_frames(film)


@pytest.mark.full
def test_an_edl_of_several_rates_says_what_it_rounds(tmp_path: Path) -> None:
    pytest.importorskip("otio_cmx3600_adapter")
    slow = make_film(tmp_path / "slow clip.mov", Fraction(25))
    fast = make_film(tmp_path / "fast.mov", Fraction(50))
    exported = export_hits([*moments(slow), Moment(fast, 0.5, 1)], "edl")
    assert [note.path for note in exported.notes] == [fast]
    assert b"00:00:00:12" in exported.content or b"00:00:00:13" in exported.content


def test_moments_without_a_usable_file_are_left_out_and_named(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mov", Fraction(25))
    text_file = tmp_path / "notes.mp4"
    text_file.write_text("dear diary")
    gone = tmp_path / "gone.mp4"
    given = [
        Moment(gone, 0, 1),
        Moment(text_file, 0, 1),
        Moment(film, 9, 10),
        Moment(film, 3.5, 9),
        Moment(film, 1, 1),
    ]
    exported = export_hits(given, "fcpxml")
    assert [note.path for note in exported.notes] == [gone, text_file, film, film]
    clips = list(ElementTree.fromstring(exported.content).iter("asset-clip"))
    lengths = [fraction(clip.get("duration")) * 25 for clip in clips]
    assert lengths == [100 - 88, 1]
    with pytest.raises(ExportError) as caught:
        export_hits([Moment(gone, 0, 1)], "fcpxml")
    assert caught.value.path == gone


def test_nothing_to_export_is_an_error() -> None:
    for name in FORMATS:
        with pytest.raises(ExportError):
            export_hits([], name)
    with pytest.raises(ExportError):
        export_hits([Moment(Path("/a.mp4"), 0, 1)], "vhs")


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch) -> None:
    film = make_film(tmp_path / "film.mov", Fraction(25))
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    for name in ("otio", "edl", "fcp7"):
        with pytest.raises(MissingExtraError) as caught:
            export_hits(moments(film), name)
        assert caught.value.hint == Hint("install_extra", {"extra": "export"})
    assert export_hits(moments(film), "fcpxml").content


EVIL = "=cmd|' /C calc'!A0 \"<img src=x onerror=alert(1)>\" \n# ü \udcff.mp4"


@pytest.mark.full
def test_a_name_of_any_characters_breaks_no_format(tmp_path: Path) -> None:
    film = make_film(tmp_path / "plain.mov", Fraction(25)).rename(tmp_path / EVIL.replace("/", "|"))
    for name in FORMATS:
        if name in TIMELINES and name != "fcpxml":
            pytest.importorskip("otio_cmx3600_adapter")
            pytest.importorskip("otio_fcp_adapter")
        content = export_hits(moments(film), name, title=EVIL).content
        text = content.decode("utf-8")
        if name in ("fcpxml", "fcp7"):
            ElementTree.fromstring(text)
        if name == "html":
            assert "<img src=x" not in text
        if name == "edl":
            assert sum(line.startswith("* FROM CLIP NAME") for line in text.splitlines()) == 2
        if name == "json":
            assert parse_moments(text) == moments(film)
        if name == "m3u":
            places = [line for line in text.splitlines() if not line.startswith("#")]
            assert places == [film.as_uri()] * 2


def test_a_table_holds_no_formulas() -> None:
    names = ["=1+1.mp4", "+1.mp4", "-1.mp4", "@a.mp4", "\t=1.mp4", " =1.mp4", "plain, name.mp4"]
    content = export_hits([Moment(Path(each), 61.5, 3600, -0.1) for each in names], "csv").content
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["name"] for row in rows] == [*(f"'{each}" for each in names[:-1]), names[-1]]
    assert rows[0]["path"] == "'=1+1.mp4"
    assert {(row["start"], row["end"], row["score"], row["confidence"]) for row in rows} == {
        ("0:01:01.500", "1:00:00.000", "-0.100000", "")
    }


def test_labels_are_kept() -> None:
    labelled = [Moment(Path("a.mp4"), 1, 2, labels=("=goal", "replay"))]
    table = export_hits(labelled, "csv").content.decode()
    assert [row["labels"] for row in csv.DictReader(io.StringIO(table))] == ["'=goal; replay"]
    assert parse_moments(export_hits(labelled, "json").content) == labelled


def test_a_playlist_starts_and_stops_at_the_moment() -> None:
    content = export_hits([Moment(Path("/a b.mp4"), 1, 2.5)], "m3u", handles_seconds=2).content
    assert content.decode().splitlines()[2:] == [
        "#EXTINF:4,a b.mp4",
        "#EXTVLCOPT:start-time=0.000",
        "#EXTVLCOPT:stop-time=4.500",
        "/a b.mp4",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        '{"verdict": "new"}',
        "7",
        '[{"path": "/a"}]',
        '[{"path": "/a", "start_seconds": 5, "end_seconds": 1}]',
        '[{"path": "/a", "start_seconds": NaN, "end_seconds": 1}]',
        '[{"path": "/a", "start_seconds": true, "end_seconds": 1}]',
        '[{"path": "/a\\u0000", "start_seconds": 0, "end_seconds": 1}]',
        "[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_json_of_something_else_is_refused(text: str | bytes) -> None:
    with pytest.raises(ExportError):
        parse_moments(text)


def test_hits_of_the_api_are_read_too() -> None:
    hit = {"path": "/a.mp4", "start_seconds": 0, "end_seconds": 1.5, "score": 1, "more": []}
    expected = [Moment(Path("/a.mp4"), 0, 1.5, 1)]
    assert parse_moments(json.dumps({"hits": [hit], "next_cursor": None})) == expected


def pictures(file: Path) -> list[int]:
    """Which frames of ``make_film`` a file shows."""
    with av.open(str(file)) as container:
        means = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
    return [round(float(mean) / 2) for mean in means]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_copied_clip_covers_its_moment(tmp_path: Path, suffix: str) -> None:
    film = make_film(tmp_path / f"film{suffix}", Fraction(25))
    done = cut_clips([Moment(film, 1.4, 2.6)], tmp_path / "clips")
    (file,) = done.files
    assert (file.suffix, done.notes) == (suffix, ())
    shown = pictures(file)
    # Grey levels are rounded by a step or so.
    assert 20 <= min(shown) <= 36
    assert 63 <= max(shown) <= 67
    assert len(shown) >= 28


def test_an_exact_clip_is_its_moment(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv", Fraction(25))
    done = cut_clips([Moment(film, 1.4, 2.6)], tmp_path / "clips", exact=True, handles_seconds=0.2)
    (file,) = done.files
    assert file.suffix == ".mp4"
    shown = pictures(file)
    assert 39 <= len(shown) <= 41
    assert abs(shown[0] - 30) <= 1
    assert abs(shown[-1] - 69) <= 1


def test_clips_replace_nothing_and_name_what_failed(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a\n'\"<b>.mp4", Fraction(25))
    given = [Moment(film, 0, 1), Moment(tmp_path / "gone.mp4", 0, 1), Moment(film, 8, 9)]
    folder = tmp_path / "new" / "clips"
    first = cut_clips(given, folder)
    second = cut_clips(given, folder)
    assert [note.path.name for note in first.notes] == ["gone.mp4", film.name]
    assert first.files != second.files
    assert sorted(folder.iterdir()) == sorted([*first.files, *second.files])
    assert all(file.name.isprintable() and "<" not in file.name for file in first.files)
    with pytest.raises(ExportError):
        cut_clips(given[1:2], folder)


def test_files_with_the_longest_names_are_cut_and_written(tmp_path: Path) -> None:
    film = make_film(tmp_path / f"{'映' * 83}.mp4", Fraction(25))  # 253 bytes of at most 255
    (file,) = cut_clips([Moment(film, 0, 1)], tmp_path / "clips").files
    assert "映映映" in file.name
    written = tmp_path / f"{'画' * 83}.csv"
    write_atomically(written, b"table")
    write_atomically(written, b"another")
    assert written.read_bytes() == b"another"
    assert sorted(tmp_path.iterdir()) == sorted([film, tmp_path / "clips", written])
