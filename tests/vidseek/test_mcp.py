"""``vidseek mcp``, asked by the client of the package `mcp`: over standard streams and HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from caption_checkpoints import make_caption_checkpoint
from cli_process import environment, run_vidseek

pytestmark = pytest.mark.full

JPEG = b"\xff\xd8\xff"


def ask(library: Path, use: Callable[[Any], Awaitable[Any]], *options: str) -> Any:
    """Start the command, let ``use`` talk to it, and stop it."""
    pytest.importorskip("mcp")
    from mcp import Client, StdioServerParameters

    async def talk() -> Any:
        command = StdioServerParameters(
            command=sys.executable,
            args=["-m", "vidseek.cli", "mcp", *options],
            env=environment(library),
        )
        async with Client(command, read_timeout_seconds=120) as client:
            return await use(client)

    return asyncio.run(talk())


def call(library: Path, name: str, *options: str, **arguments: object) -> Any:
    return ask(library, lambda client: client.call_tool(name, arguments), *options)


def error_of(answer: Any) -> Any:
    assert answer.is_error
    assert json.loads(answer.content[0].text) == answer.structured_content
    return answer.structured_content


def test_every_tool_answers(library: Path, footage_master: Path) -> None:
    cat = footage_master / "cat.mp4"

    async def use(client: Any) -> list[Any]:
        tools = await client.list_tools()
        return [
            {tool.name for tool in tools.tools},
            await client.call_tool("search", {"text": "a cat", "k": 2}),
            await client.call_tool("search", {"text": "a cat", "k": 1, "thumbnails": False}),
            await client.call_tool("similar", {"file": str(cat), "k": 1}),
            await client.call_tool("check", {"file": "cat.mp4"}),
            await client.call_tool("video_info", {"file": "cat.mp4"}),
            await client.call_tool("duplicates", {}),
        ]

    names, found, plain, similar, check, info, duplicates = ask(library, use)
    assert names == {
        *("search", "similar", "check", "video_info", "duplicates"),
        *("classify", "labels", "summary", "outliers", "related", "explain", "describe"),
        "search_captions",
    }
    for answer in (found, plain, similar, check, info, duplicates):
        assert not answer.is_error, answer
        assert json.loads(answer.content[0].text) == answer.structured_content
    assert found.structured_content["hits"][0]["path"] == str(cat)
    pictures = [block for block in found.content if block.type == "image"]
    assert len(pictures) == len(found.structured_content["hits"]) == 2
    assert base64.b64decode(pictures[0].data).startswith(JPEG)
    assert pictures[0].mime_type == "image/jpeg"
    assert len(plain.content) == 1
    assert similar.structured_content["hits"][0]["path"] != str(cat)
    assert check.structured_content["verdict"] == "exact"
    assert check.structured_content["matches"][0]["path"] == str(cat)
    assert info.structured_content["duration_seconds"] == pytest.approx(3, abs=0.2)
    assert info.structured_content["clip_count"] == len(info.structured_content["clips"]) > 0
    assert duplicates.structured_content == {"group_count": 0, "groups": []}


def test_tools_label_summarise_compare_and_recommend(library: Path, footage_master: Path) -> None:
    cat, errands = footage_master / "cat.mp4", footage_master / "errands.mp4"

    async def use(client: Any) -> list[Any]:
        return [
            await client.call_tool("classify", {"labels": ["a cat", "a motorcycle"]}),
            await client.call_tool("labels", {}),
            await client.call_tool("summary", {"file": "errands.mp4", "frames": 2}),
            await client.call_tool("outliers", {"k": 3}),
            await client.call_tool("related", {"liked": ["cat.mp4"]}),
            await client.call_tool("classify", {"file": "cat.mp4"}),
            await client.call_tool("summary", {"file": "/etc/passwd"}),
        ]

    classified, labels, summary, outliers, related, *refused = ask(library, use)
    for answer in (classified, labels, summary, outliers, related):
        assert not answer.is_error, answer
    moments = {each["path"]: each for each in classified.structured_content["moments"]}
    assert moments[str(cat)]["labels"][0]["label"] == "a cat"
    assert labels.structured_content == {"labels": []}
    seconds = [each["seconds"] for each in summary.structured_content["frames"]]
    assert seconds == sorted(seconds)
    assert len(seconds) == 2
    assert len(outliers.structured_content["moments"]) == 3
    recommended = related.structured_content["videos"]
    assert str(errands) in [each["path"] for each in recommended]
    assert {each["because"]["path"] for each in recommended} == {str(cat)}
    assert [error_of(answer)["code"] for answer in refused] == ["bad_query", "outside_roots"]


def test_tools_explain_and_describe(library: Path, footage_master: Path) -> None:
    question = {"text": "a cat on a sofa", "file": "cat.mp4", "at_seconds": 0.5}

    async def use(client: Any) -> list[Any]:
        return [
            await client.call_tool("explain", question),
            await client.call_tool("explain", {**question, "picture": False}),
            await client.call_tool("describe", {"file": "cat.mp4", "labels": 3}),
            await client.call_tool("explain", {**question, "text": " "}),
            await client.call_tool("explain", {**question, "at_seconds": 5000}),
            await client.call_tool("explain", {**question, "file": "/etc/passwd"}),
            await client.call_tool("describe", {"file": "cat.mp4", "start_seconds": 1}),
        ]

    explained, plain, described, *refused = ask(library, use)
    for answer in (explained, plain, described):
        assert not answer.is_error, answer
        assert answer.structured_content["path"] == str(footage_master / "cat.mp4")
    words = [each["word"] for each in explained.structured_content["maps"]]
    assert words == ["a cat on a sofa", "cat", "sofa"]
    (picture,) = [block for block in explained.content if block.type == "image"]
    assert picture.mime_type == "image/png"
    assert base64.b64decode(picture.data).startswith(b"\x89PNG")
    assert [block.type for block in plain.content] == ["text"]
    labels = described.structured_content["labels"]
    assert any("cat" in each["label"] for each in labels)
    assert described.structured_content["captions"] == []
    assert [error_of(answer)["code"] for answer in refused] == [
        *("bad_query", "bad_query", "outside_roots", "bad_query")
    ]


def test_a_model_named_at_the_start_writes_captions_and_answers(
    library: Path, footage_master: Path, tmp_path: Path
) -> None:
    model = make_caption_checkpoint("llava", tmp_path / "model")
    errands = footage_master / "errands.mp4"
    progress = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    async def use(client: Any) -> list[Any]:
        part = {"file": "errands.mp4", "start_seconds": 3.2, "end_seconds": 6}
        written = await client.call_tool("write_captions", part, progress_callback=note)
        text = written.structured_content["captions"][0]["text"]
        return [
            written,
            await client.call_tool("search_captions", {"text": text, "k": 1}),
            await client.call_tool("ask", {**part, "question": "how many dog ?", "frames": 2}),
            await client.call_tool("describe", part),
            await client.call_tool("ask", {"file": "/etc/passwd", "question": "what?"}),
            await client.call_tool("ask", {"file": "cat.mp4", "question": " "}),
        ]

    options = ("--allow-write", "--captioner", str(model))
    written, found, answer, described, *refused = ask(library, use, *options)
    for each in (written, found, answer, described):
        assert not each.is_error, each
    assert progress
    captions = written.structured_content["captions"]
    assert all(each["end_seconds"] > 3.2 for each in captions)
    assert described.structured_content["captions"] == captions
    assert [hit["path"] for hit in found.structured_content["hits"]] == [str(errands)]
    assert 1 <= len(answer.structured_content["frames"]) <= 2
    assert answer.structured_content["answer"]
    assert [error_of(each)["code"] for each in refused] == ["outside_roots", "bad_query"]


def test_tools_that_the_model_or_the_user_does_not_allow_are_not_offered(
    library: Path, tmp_path: Path
) -> None:
    model = make_caption_checkpoint("blip", tmp_path / "model")

    async def use(client: Any) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    talk = {"ask", "write_captions"}
    captioner = ("--captioner", str(model))
    assert ask(library, use, "--allow-write", *captioner) & talk == {"write_captions"}
    assert not ask(library, use, *captioner) & talk
    assert not ask(library, use, "--allow-write") & talk


def test_only_files_in_the_roots_are_read_and_named(
    library: Path, footage_master: Path, tmp_path: Path
) -> None:
    kitchen = footage_master / "kitchen"
    outside = tmp_path / "outside.mp4"
    shutil.copy(footage_master / "cat.mp4", outside)

    async def use(client: Any) -> list[Any]:
        return [
            await client.call_tool("search", {"text": "a cat", "k": 10}),
            *[
                await client.call_tool(tool, {"file": file})
                for tool in ("similar", "check", "video_info")
                for file in (str(outside), "../cat.mp4", "/etc/passwd", str(tmp_path / "no.mp4"))
            ],
        ]

    found, *refused = ask(library, use, "--root", str(kitchen))
    assert {Path(hit["path"]).parent for hit in found.structured_content["hits"]} == {kitchen}
    for answer in refused:
        assert error_of(answer)["code"] == "outside_roots"
        assert "--root" in error_of(answer)["hint"]


def test_errors_have_a_code(library: Path) -> None:
    async def use(client: Any) -> list[Any]:
        return [
            await client.call_tool("search", {"text": " "}),
            await client.call_tool("check", {"file": "nothing.mp4"}),
            await client.call_tool("check", {"file": "notes.mp4"}),
            await client.call_tool("similar", {"file": "cat.mp4", "start_seconds": 1}),
        ]

    codes = [error_of(answer)["code"] for answer in ask(library, use)]
    assert codes == ["bad_query", "path_not_found", "not_a_video", "bad_query"]


def test_index_adds_videos_if_it_may_write(
    library: Path, footage_master: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    shutil.copy(footage_master / "cat.mp4", folder / "copy.mp4")
    progress = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    async def use(client: Any) -> Any:
        return [
            await client.call_tool("index", {}, progress_callback=note),
            await client.call_tool("video_info", {"file": "copy.mp4"}),
            await client.call_tool("index", {"paths": [str(footage_master)]}),
        ]

    run, info, refused = ask(library, use, "--allow-write", "--root", str(folder))
    assert run.structured_content["indexed"] == 1, run
    assert info.structured_content["path"] == str(folder / "copy.mp4")
    assert error_of(refused)["code"] == "outside_roots"
    assert progress

    answer = call(library, "index")
    assert answer.is_error


TOKEN = "a-token-of-this-test"
HELLO = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()


@contextmanager
def serving_http(library: Path, *options: str) -> Iterator[int]:
    """The command with ``--http``; gives its port."""
    pytest.importorskip("mcp")
    command = [sys.executable, "-m", "vidseek.cli", "mcp", "--http", "--port", "0", *options]
    with subprocess.Popen(
        command, env=environment(library), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)/mcp$", process.stdout.readline())
            assert found is not None
            yield int(found[1])
        finally:
            process.terminate()
            process.wait(120)


def post(port: int, **headers: str) -> int:
    """Status of a request that a program without the package sends."""
    given = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/mcp", HELLO, given)
        return connection.getresponse().status
    finally:
        connection.close()


def test_several_clients_ask_over_http(library: Path, footage_master: Path) -> None:
    with serving_http(library) as port:
        from mcp import Client

        async def search(text: str) -> Any:
            async with Client(f"http://127.0.0.1:{port}/mcp", read_timeout_seconds=120) as client:
                return await client.call_tool("search", {"text": text, "k": 1})

        async def both() -> Any:
            return await asyncio.gather(search("a cat"), search("coffee in a kitchen"))

        cat, coffee = asyncio.run(both())
    assert cat.structured_content["hits"][0]["path"] == str(footage_master / "cat.mp4")
    assert coffee.structured_content["hits"][0]["path"] != str(footage_master / "cat.mp4")


def test_http_needs_the_token_and_a_host_and_origin_of_its_own(library: Path) -> None:
    with serving_http(library, "--token", TOKEN) as port:
        import httpx2
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        bearer = f"Bearer {TOKEN}"
        assert post(port) == 401
        assert post(port, Authorization="Bearer something-else") == 401
        assert post(port, Authorization=bearer, Host="evil.example") == 421
        assert post(port, Authorization=bearer, Origin="http://evil.example") == 403
        assert post(port, Authorization=bearer, Sec_Fetch_Site="cross-site") == 403

        async def names() -> set[str]:
            headers = {"Authorization": bearer}
            async with httpx2.AsyncClient(headers=headers, timeout=120) as http:
                transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)
                async with Client(transport, read_timeout_seconds=120) as client:
                    return {tool.name for tool in (await client.list_tools()).tools}

        assert "search" in asyncio.run(names())


@pytest.mark.parametrize("option", [("--port", "1234"), ("--token", TOKEN)])
def test_an_address_without_http_is_refused(library: Path, option: tuple[str, str]) -> None:
    assert run_vidseek(["mcp", *option], library=library).returncode == 2


def test_assistants_are_served_without_the_framework_of_the_page() -> None:
    program = "import sys; sys.modules['fastapi'] = None; import vidseek.mcp.server"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
