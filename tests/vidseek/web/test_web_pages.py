"""The pages in a real browser, on a real server and a real library."""

from __future__ import annotations

import json
import re
import shutil
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from caption_checkpoints import make_caption_checkpoint
from web_server import RunningServer, running

import vidseek
from vidseek.demo.clips import Scene, make_clip

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(600),
]
TIMEOUT_MS = 60_000
PAGES = ("/", "/?q=a+cat", "/?q=a+cat&group=1", "/video/1?q=a+cat", "/duplicates", "/check")

SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
SIZES = {"wide": (1280, 860), "phone": (390, 844)}


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page-footage")
    make_clip(folder / "cat.mp4", [Scene("chelsea.png", 3)])
    make_clip(folder / "errands.mp4", [Scene("motorcycle_left.png", 3), Scene("page.png", 3)])
    make_clip(folder / "<b>cup.mp4", [Scene("coffee.png", 2)])
    shutil.copy(folder / "cat.mp4", folder / "cat again.mp4")
    (folder / "notes.mp4").write_text("dear diary")
    with wave.open(str(folder / "hum.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8_000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    return folder


@pytest.fixture(scope="module")
def server(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("page-library") / "library"
    with vidseek.open(folder) as library:
        library.index([footage])
    with running(folder, footage) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium on the path")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, server: RunningServer) -> Iterator[Any]:
    """A page that may only ask this server, and reports no error."""
    with opened_page(browser, server) as page:
        yield page


@contextmanager
def opened_page(browser: Any, server: RunningServer) -> Iterator[Any]:
    address = f"http://127.0.0.1:{server.port}"
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    errors: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on(
        "console",
        lambda message: (
            errors.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    yield page
    context.close()
    assert errors == []
    assert hosts <= {f"127.0.0.1:{server.port}", ""}


def wait_until(page: Any, expression: str) -> None:
    """Wait for an expression to be true; the page's policy forbids playwright's own way."""
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def test_words_find_a_moment_that_plays_at_its_second(page: Any) -> None:
    page.goto("/")
    page.fill("#query", "a page of text")
    page.press("#query", "Enter")
    page.wait_for_url(re.compile(r"\?q=a\+page\+of\+text"))
    first = page.locator(".card .picture").first
    first.wait_for()
    first.click()
    film = page.locator("dialog.player video")
    film.wait_for()
    wait_until(page, "document.querySelector('dialog.player video').readyState >= 1")
    source = film.get_attribute("src")
    start = float(source.partition("#t=")[2])
    wait_until(page, f"document.querySelector('dialog.player video').currentTime >= {start - 0.1}")
    assert page.locator("dialog.player .mark").count() >= 1
    page.keyboard.press("Escape")
    page.locator("dialog.player").wait_for(state="detached")


def test_heat_maps_show_where_a_moment_matches(page: Any) -> None:
    page.goto("/?q=a+cat")
    page.locator(".card .picture").first.click()
    button = page.get_by_role("button", name="Where it looks")
    button.focus()
    page.keyboard.press("Enter")
    page.locator("dialog.player .explanation img").wait_for()
    wait_until(page, "document.querySelector('.explanation img').naturalWidth > 500")
    assert button.get_attribute("aria-expanded") == "true"
    page.keyboard.press("w")
    wait_until(page, "document.querySelector('.explanation').hidden")
    assert button.get_attribute("aria-expanded") == "false"
    page.keyboard.press("Escape")
    page.locator("dialog.player").wait_for(state="detached")


def test_heat_maps_explain_the_frame_shown_on_the_page_of_a_video(
    page: Any, server: RunningServer
) -> None:
    hit = server.post("/search", {"text": "a cat", "k": 1}).json["hits"][0]
    page.goto(f"/video/{hit['video_id']}?t=0.5")
    words = page.get_by_role("searchbox", name="Find in this video")
    words.wait_for()
    button = page.get_by_role("button", name="Where it looks")
    button.click()
    assert button.get_attribute("aria-expanded") == "false"  # nothing to look for
    words.fill("a cat")
    wait_until(page, "document.querySelector('.stage video').readyState >= 1")
    with page.expect_request(lambda request: "explain.png" in request.url) as asked:
        button.click()
    query = parse_qs(urlsplit(asked.value.url).query)
    assert query["text"] == ["a cat"]
    assert float(query["at"][0]) == pytest.approx(0.5, abs=0.3)
    page.locator(".explanation img").wait_for()
    wait_until(page, "document.querySelector('.explanation img').naturalWidth > 500")
    assert button.get_attribute("aria-expanded") == "true"
    page.locator("h1").click()
    page.keyboard.press("w")
    wait_until(page, "document.querySelector('.explanation').hidden")


def test_captions_are_written_read_and_searched(
    browser: Any, server: RunningServer, footage: Path, tmp_path: Path
) -> None:
    errands = next(
        video["id"]
        for video in server.get("/videos").json["videos"]
        if Path(video["path"]).name == "errands.mp4"
    )
    model = make_caption_checkpoint("llava", tmp_path / "model")
    copy = Path(shutil.copytree(server.service.library.folder, tmp_path / "library"))
    with (
        running(copy, footage, captioner=str(model)) as talker,
        opened_page(browser, talker) as page,
    ):
        page.goto(f"/video/{errands}")
        page.get_by_role("button", name="Captions").click()
        page.get_by_role("button", name="Write captions").click()
        page.locator("#captions .clip-row").first.wait_for()
        captions = talker.get(f"/videos/{errands}/describe?labels=0").json["captions"]
        assert page.locator("#captions .clip-row").count() == len(captions) > 0
        assert captions[0]["text"] in page.locator("#captions").inner_text()
        question = page.get_by_role("textbox", name="Ask about this video")
        question.fill("how many dog ?")
        question.press("Enter")
        page.locator(".answer .chip").first.wait_for()
        page.locator(".answer .chip").first.click()
        page.goto(f"/?{urlencode({'q': captions[0]['text'], 'captions': '1'})}")
        page.locator(".card .picture").first.wait_for()
        assert page.locator("#filters [name=captions]").is_checked()


def test_questions_are_offered_only_where_a_model_answers(page: Any, server: RunningServer) -> None:
    page.goto("/video/1")
    page.get_by_role("button", name="Captions").click()
    page.get_by_text("No captions were written").wait_for()
    assert page.get_by_role("button", name="Write captions").count() == 0
    assert page.get_by_role("textbox", name="Ask about this video").count() == 0


def test_a_moment_like_another_has_no_words_to_look_for(page: Any, server: RunningServer) -> None:
    hit = server.post("/search", {"text": "a cat", "k": 1}).json["hits"][0]
    page.goto(f"/?like={hit['video_id']},{hit['start_seconds']},{hit['end_seconds']}")
    page.locator(".card .picture").first.click()
    page.locator("dialog.player video").wait_for()
    assert page.get_by_role("button", name="Where it looks").count() == 0


def test_a_label_without_words_lists_its_clips(
    browser: Any, server: RunningServer, footage: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    copy = Path(shutil.copytree(server.service.library.folder, tmp_path / "library"))
    with vidseek.open(copy) as library:
        library.labels.add("pets", [footage / "cat.mp4"])
        library.labels.train()
        listed = len(library.labels.clips("pets"))
    with running(copy, footage) as labelled, opened_page(browser, labelled) as page:
        page.goto("/?min=1")
        page.get_by_text("Filters narrow a search").wait_for()
        page.get_by_role("button", name="Filters").click()
        page.locator("#filters [name=label]").fill("pets")
        page.locator("#filters [name=label]").press("Tab")
        page.locator(".card .picture").first.wait_for()
        assert page.locator(".card").count() == listed > 0
        page.locator(".card .picture").first.click()
        page.locator("dialog.player video").wait_for()
        page.keyboard.press("Escape")
        page.goto("/?label=nothing")
        page.get_by_text("The library has no label").wait_for()


def test_every_hit_of_a_long_page_gets_a_card(page: Any, server: RunningServer) -> None:
    answer = server.post("/search", {"text": "a cat", "k": 1}).json
    (hit,) = answer["hits"]
    many = [{**hit, "start_seconds": place / 100, "confidence": 0.9} for place in range(60)]
    page.route(
        "**/api/v1/search",
        lambda route: route.fulfill(json={**answer, "hits": many, "next_cursor": None}),
    )
    page.goto("/?q=a+cat")
    wait_until(page, "document.querySelectorAll('.card').length === 60")
    links = page.locator(".card .card-title").evaluate_all(
        "cards => cards.map((each) => Number(new URL(each.href).searchParams.get('t')))"
    )
    assert links == [each["start_seconds"] for each in many]
    page.get_by_text("Group by video").click()
    wait_until(page, "document.querySelectorAll('.grid').length === 1")
    assert page.locator(".card").count() == 60


def test_a_moment_that_is_not_meant_is_left_out(page: Any) -> None:
    page.goto("/?q=a+cat")
    title = page.locator(".card .card-title").first.text_content()
    page.locator(".card .picture").first.focus()
    page.keyboard.press("n")
    page.wait_for_url(re.compile(r"unlike=\d+"))
    page.locator("#query-chip").get_by_text(f"Not like {title}").wait_for()
    first = "document.querySelector('.card .card-title').textContent"
    wait_until(page, f"{first} !== {json.dumps(title)}")
    page.locator(".card .picture").first.click()
    page.get_by_role("button", name="Not this").last.wait_for()
    page.keyboard.press("Escape")
    page.locator("#query-chip").get_by_role("button", name="Remove").click()
    wait_until(page, f"{first} === {json.dumps(title)}")


def test_the_search_works_by_keyboard_alone(page: Any) -> None:
    page.goto("/?q=a+cat")
    page.locator(".card").nth(1).wait_for()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert (
        page.evaluate(
            "[...document.querySelectorAll('.card .picture')].indexOf(document.activeElement)"
        )
        == 1
    )
    page.keyboard.press("b")
    assert page.locator("#basket-count").inner_text() == "1"
    page.keyboard.press("Enter")
    page.locator("dialog.player").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.locator("dialog[open] dl.keys").wait_for()


def test_a_picture_finds_the_video_that_shows_it(page: Any, server: RunningServer) -> None:
    hit = server.post("/search", {"text": "a cup of coffee", "k": 1}).json["hits"][0]
    picture = server.request("GET", hit["thumbnail_url"]).body
    page.goto("/")
    upload = {"name": "cup.jpg", "mimeType": "image/jpeg", "buffer": picture}
    page.set_input_files("#query-file", files=[upload])
    page.locator(".card .card-title").first.wait_for()
    # A name is shown as text, never as HTML.
    assert page.locator(".card .card-title").first.text_content() == "<b>cup"


def test_a_video_shows_its_summary_its_labels_and_what_to_watch_next(
    page: Any, server: RunningServer
) -> None:
    videos = server.get("/videos?state=indexed").json["videos"]
    errands = next(each["id"] for each in videos if each["path"].endswith("errands.mp4"))
    page.goto(f"/video/{errands}")
    page.locator("#next .card-title").first.wait_for()
    assert "errands" not in page.locator("#next").inner_text()
    page.get_by_role("button", name="Summary").click()
    page.locator("#summary img").nth(1).wait_for()
    page.locator("#summary button").nth(1).click()
    wait_until(page, "document.querySelector('.stage video').currentTime > 2")
    page.get_by_role("button", name="Unusual").click()
    wait_until(page, "!document.querySelector('#unusual').hidden")
    wait_until(page, "document.querySelector('#summary').hidden")
    assert page.get_by_role("button", name="What does it show?").is_enabled()


def test_a_label_leads_to_the_other_videos_that_have_it(page: Any, server: RunningServer) -> None:
    pytest.importorskip("sklearn")
    videos = server.get("/videos?state=indexed").json["videos"]
    ids = {each["title"]: each["id"] for each in videos}
    examples = [{"video_id": ids[title]} for title in ("errands", "<b>cup")]
    assert server.post("/labels/examples", {"name": "chores", "examples": examples}).status == 200
    assert server.post("/labels/train", {}).status == 200
    labelled = {
        title for title, id in ids.items() if "chores" in server.get(f"/videos/{id}").json["labels"]
    }
    assert labelled >= {"errands", "<b>cup"}
    page.goto(f"/video/{ids['errands']}")
    page.get_by_role("link", name="chores").click()
    page.wait_for_url(re.compile("label=chores"))
    page.locator(".card .card-title").first.wait_for()
    shown = set(page.locator(".card .card-title").all_text_contents())
    assert "<b>cup" in shown
    assert shown <= labelled


def test_what_follows_is_asked_for(page: Any) -> None:
    page.goto("/?q=a+motorcycle")
    page.locator(".card").first.wait_for()
    page.click("#then-open")
    page.keyboard.type("a page of text")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"then=a\+page\+of\+text"))
    wait_until(page, "document.querySelector('#results').getAttribute('aria-busy') === 'false'")
    assert page.locator(".card .card-title").first.text_content() == "errands"


def test_duplicates_play_together_and_a_dismissal_is_remembered(
    page: Any, server: RunningServer
) -> None:
    page.goto("/duplicates")
    page.locator("#groups .pair").wait_for()
    page.locator(".play-both").click()
    wait_until(
        page, "[...document.querySelectorAll('.pair video')].every(film => film.currentTime > 0.3)"
    )
    times = page.evaluate("[...document.querySelectorAll('.pair video')].map(f => f.currentTime)")
    assert abs(times[0] - times[1]) < 1.0
    page.get_by_role("button", name="Not a duplicate").click()
    page.locator("#groups .empty").wait_for()
    assert server.get("/duplicates").json["total"] == 0


def test_a_check_shows_the_video_that_the_file_copies(page: Any, footage: Path) -> None:
    page.goto("/check")
    page.set_input_files("#file", str(footage / "cat.mp4"))
    page.locator("#verdict .pair").first.wait_for()
    assert page.locator("#verdict .verdict.is-copy").count() == 1
    assert page.locator("#verdict .pair video").count() >= 2


def test_the_library_names_failures_and_indexes_again(page: Any) -> None:
    page.goto("/library")
    page.locator("#failed tr").wait_for()
    assert "notes.mp4" in page.locator("#failed").inner_text()
    page.locator("#videos tr").first.wait_for()
    listed = set(page.locator("#videos .video-cell").all_inner_texts())
    assert listed == {"cat", "cat again", "errands", "<b>cup"}  # no hum, which is sound only
    page.click("#retry")
    page.locator("#jobs .badge", has_text="done").wait_for()


def test_a_basket_is_exported(page: Any) -> None:
    page.goto("/?q=a+cat")
    page.locator(".card").nth(1).wait_for()
    for number in range(2):
        page.locator(".card .keep").nth(number).dispatch_event("click")
    page.click("#basket-open")
    page.locator(".basket li").nth(1).wait_for()
    with page.expect_download() as given:
        page.click("[data-format=json]")
    exported = json.loads(Path(given.value.path()).read_text())
    assert len(exported["hits"] if isinstance(exported, dict) else exported) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(page: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for address in (*PAGES, "/library"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        found = axe.Axe().run(page).response["violations"]
        serious = [
            (address, each["id"], [node["html"][:120] for node in each["nodes"][:3]])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_screen(page: Any, scheme: str, size: str) -> None:
    """Nothing sticks out at the side. The screenshots are there to be looked at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for address in (*PAGES, "/library", "/login"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        name = re.sub(r"[^a-z0-9]+", "-", address).strip("-") or "start"
        page.screenshot(path=SCREENSHOTS / f"{name}-{size}-{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
