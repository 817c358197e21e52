"""The server: which tools it offers, and its run over standard input and output or over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, ToolAnnotations

import vidseek
from vidseek.library import Library
from vidseek.mcp.captions import CaptionTools
from vidseek.mcp.documents import WordHint
from vidseek.web.captioner import ServerCaptioner
from vidseek.web.listening import address_of, listen, run_app
from vidseek.web.roots import MediaRoots, topmost
from vidseek.web.security import Security
from vidseek.web.settings import ServerSettings

HTTP_PATH = "/mcp"

INSTRUCTIONS = (
    "Search a library of videos on this machine by what can be seen in them. Times are seconds "
    "from the start of a video. Quote the path and the time of a moment in answers."
)


def serve_stdio(settings: ServerSettings, *, allow_write: bool, word_hint: WordHint) -> None:
    """Serve a library over standard input and output until the input ends.

    While it runs, whatever else writes to standard output goes to standard error.

    Args:
        settings: the library, its media roots and the captioner.
        allow_write: offer the tools that write.
        word_hint: words hints for the user.

    Raises:
        LibraryError: there is no library in the folder, or it cannot be opened.
        PathNotFoundError: a root is not a folder.
    """
    with _open_tools(settings, word_hint) as tools:
        anyio.run(create_server(tools, allow_write=allow_write).run_stdio_async)


def serve_http(
    settings: ServerSettings,
    *,
    allow_write: bool,
    word_hint: WordHint,
    on_ready: Callable[[str], None],
) -> None:
    """Serve a library over streamable HTTP until SIGINT or SIGTERM.

    Requests pass the checks of the web page's server: host, origin, token, size and pace.

    Args:
        settings: the library, its media roots, the captioner, the address and the token.
        allow_write: offer the tools that write.
        word_hint: words hints for the user.
        on_ready: called with the address for clients once the port is open.

    Raises:
        ServerError: the address cannot be used.
        LibraryError: there is no library in the folder, or it cannot be opened.
        PathNotFoundError: a root is not a folder.
    """
    with (
        listen(settings.host, settings.port) as listener,
        _open_tools(settings, word_hint) as tools,
    ):
        app = create_server(tools, allow_write=allow_write).streamable_http_app(
            streamable_http_path=HTTP_PATH,
            # Security knows which hosts are allowed.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        address = address_of(settings.host, listener.getsockname()[1])
        on_ready(address.rstrip("/") + HTTP_PATH)
        run_app(Security(app, settings), settings, listener, on_stop=tools.cancel)


@contextmanager
def _open_tools(settings: ServerSettings, word_hint: WordHint) -> Iterator[CaptionTools]:
    with vidseek.open(settings.library, create=False) as library:
        media = MediaRoots(settings.roots or _folders_of_videos(library))
        captioner = ServerCaptioner(library, settings.captioner)
        tools = CaptionTools(library, media, word_hint, captioner)
        try:
            yield tools
        finally:
            tools.close()


def create_server(tools: CaptionTools, *, allow_write: bool) -> MCPServer[object]:
    """A server with the tools that its captioner allows; those that write only if it may."""
    server: MCPServer[object] = MCPServer(
        "vidseek", instructions=INSTRUCTIONS, version=vidseek.__version__, log_level="WARNING"
    )
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    offered: list[Callable[..., Awaitable[CallToolResult]]] = [
        tools.search,
        tools.similar,
        tools.check,
        tools.video_info,
        tools.duplicates,
        tools.classify,
        tools.labels,
        tools.summary,
        tools.outliers,
        tools.related,
        tools.explain,
        tools.describe,
        tools.search_captions,
    ]
    if tools.captioner.answers_questions:
        offered.append(tools.ask)
    for tool in offered:
        server.add_tool(tool, annotations=reads, structured_output=False)
    if allow_write:
        writes = ToolAnnotations(
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        )
        server.add_tool(tools.index, annotations=writes, structured_output=False)
        if tools.captioner.writes_captions:
            server.add_tool(tools.write_captions, annotations=writes, structured_output=False)
    return server


def _folders_of_videos(library: Library) -> list[Path]:
    folders = topmost(video.path.parent for video in library.videos())
    return [folder for folder in folders if folder.is_dir()]
