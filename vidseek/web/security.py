"""What every request passes before it is answered.

A web page that the user visits can send requests to this machine, and can make its own host name
point to it (DNS rebinding). So the ``Host`` must be a name of this server, and a request that
changes something, or costs work, must not come from another site. Beyond this machine's own
addresses every request also needs the token.

Bodies are limited in size and in the time between two pieces, because FastAPI reads a JSON body in
full before it looks at it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidseek.web.problems import ProblemError, problem_response
from vidseek.web.settings import RequestLimits, ServerSettings, is_loopback

TOKEN_COOKIE = "vidseek_session"
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
MAX_NEXT = 8_192
"""Longest address that a client is sent back to after it gave the token."""
OPEN_PATHS = ("/login", "/static/")
"""Paths that need no token: the page that asks for it, and what that page loads."""
UPLOAD_PATHS = ("/api/v1/check", "/api/v1/similar")
"""Paths that take files; they limit the body themselves."""

LINGER_SECONDS = 1.0
"""How long the body of a refused request is read and thrown away."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def session_of(token: str) -> str:
    """What the browser keeps instead of the token."""
    return hashlib.sha256(f"vidseek session: {token}".encode()).hexdigest()


def is_token(given: str, token: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


class HostNames:
    """The names by which a server may be addressed."""

    def __init__(self, settings: ServerSettings) -> None:
        self._names = {name.lower() for name in settings.allowed_hosts}
        self._names.add("localhost")
        self._any_address = False
        if not settings.is_loopback:
            # A rebinding attack needs a name: an address in digits is no attacker's.
            self._any_address = True
            self._names.add(settings.host.lower())
            self._names.add(socket.gethostname().lower())

    def allow(self, host: str) -> bool:
        """True if ``host``, with or without a port, is a name of this server."""
        name = host_name(host)
        if name is None:
            return False
        if name in self._names or is_loopback(name):
            return True
        if not self._any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def host_name(host: str) -> str | None:
    """The name in a ``Host`` header, lower case and without the port; None if it is malformed.

    >>> host_name("LocalHost:8765"), host_name("[::1]:80"), host_name("a/b")
    ('localhost', '::1', None)
    """
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?", host)
    return None if found is None else found[1].strip("[]").lower().rstrip(".")


class Security:
    """ASGI middleware: host, origin, token, size and pace of the body, ids and headers."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._token = settings.token
        self._hosts = HostNames(settings)
        self._limits = settings.request_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope["vidseek.request_id"] = request_id

        body = _Body(receive, self._limits, is_upload=scope["path"] in UPLOAD_PATHS)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                if not body.is_complete and _has_body(headers):
                    # The rest of the body is not read, so the next request cannot be either.
                    answered["Connection"] = "close"
                answered["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    answered.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    answered.setdefault("Cache-Control", "no-store")
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and not body.is_complete and _has_body(headers):
                await send({**message, "more_body": True})
                await body.drain()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            self._check_token(scope, headers)
            body.check_length(headers)
        except ProblemError as problem:
            wants_page = problem.status_code == 401 and _is_navigation(headers)
            answer = (
                RedirectResponse(_login_for(scope), status_code=303)
                if wants_page
                else problem_response(problem, request_id)
            )
            await answer(scope, receive, send_with_headers)
            return
        await self._app(scope, body.receive, send_with_headers)

    def _check_host(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.allow(hosts[0]):
            raise ProblemError(421, "wrong_host", "this server is not known by that host name")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        is_safe = scope["method"] in SAFE_METHODS
        site = headers.get("sec-fetch-site")
        is_foreign = site is not None and site not in ("same-origin", "none")
        # Links from other sites to a page are harmless.
        if is_foreign and not (is_safe and _is_navigation(headers)):
            raise ProblemError(403, "wrong_origin", "requests of other sites are refused")
        origin = headers.get("origin")
        if origin is None:
            return
        if not _same_origin(origin, headers["host"]):
            raise ProblemError(403, "wrong_origin", "requests of other origins are refused")

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        if self._token is None or _is_open(scope["path"]):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_token(given.strip(), self._token):
            return
        if is_token(_cookie(headers), session_of(self._token)):
            return
        raise ProblemError(
            401,
            "token_needed",
            "this server needs its token, as `Authorization: Bearer TOKEN`",
            headers={"WWW-Authenticate": 'Bearer realm="vidseek"'},
        )


def _is_open(path: str) -> bool:
    return any(
        path == each or (each.endswith("/") and path.startswith(each)) for each in OPEN_PATHS
    )


def local_address(address: str) -> str:
    """An address of this server to go on to; ``/`` for any that could lead elsewhere."""
    is_local = re.fullmatch(r"/(?![/\\])[^\x00-\x20\x7f\\]*", address) is not None
    return address if is_local and len(address) <= MAX_NEXT else "/"


def _login_for(scope: Scope) -> str:
    """The page that asks for the token, and then leads to what was asked for."""
    query = scope["query_string"].decode("latin-1")
    wanted = local_address(quote(scope["path"]) + (f"?{query}" if query else ""))
    return "/login" if wanted == "/" else f"/login?next={quote(wanted, safe='')}"


def _is_navigation(headers: Headers) -> bool:
    mode = headers.get("sec-fetch-mode")
    if mode is not None:
        return bool(mode == "navigate" and headers.get("sec-fetch-dest") == "document")
    return "text/html" in str(headers.get("accept", ""))


def _same_origin(origin: str, host: str) -> bool:
    """Whether an origin is that of a page of this server, also behind a proxy that adds TLS."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def _cookie(headers: Headers) -> str:
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[TOKEN_COOKIE].value if TOKEN_COOKIE in cookies else ""


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


class _Body:
    """A request body that is limited in size and pace."""

    def __init__(self, receive: Receive, limits: RequestLimits, *, is_upload: bool) -> None:
        self._receive = receive
        self._limits = limits
        self._is_upload = is_upload
        self._received = 0
        self.is_complete = False
        """True once all of it was read, or the client has gone."""

    async def drain(self) -> None:
        """Let a client that is still sending see the answer: it would lose it in a reset."""
        deadline = asyncio.get_running_loop().time() + LINGER_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while not self.is_complete:
                    message = await self._receive()
                    self.is_complete = not message.get("more_body", False)

    def check_length(self, headers: Headers) -> None:
        """Refuse a body that says that it is too large, before any of it is read."""
        length = headers.get("content-length", "0")
        if not self._is_upload and length.isdecimal() and int(length) > self._limits.max_body_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next piece of the body; after the last, whatever comes from below."""
        if self.is_complete:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.max_idle_seconds)
        except TimeoutError:
            raise ProblemError(408, "too_slow", "the request body came too slowly") from None
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
            if not self._is_upload and self._received > self._limits.max_body_bytes:
                raise self._too_large()
        else:
            self.is_complete = True
        return message

    def _too_large(self) -> ProblemError:
        limit = self._limits.max_body_bytes
        return ProblemError(413, "too_large", f"the request body has more than {limit} bytes")
