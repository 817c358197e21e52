"""What a server is started with: the library, the media roots, the address and the limits."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class UploadLimits:
    """What a file that is sent to the server may be."""

    max_bytes: int = 4096 * MEBIBYTE
    """Size of a video or picture."""
    min_free_bytes: int = 1024 * MEBIBYTE
    """Space that an upload leaves free on the disk of temporary files."""
    max_duration_seconds: float = 6 * 3600.0
    max_pixels: int = 8192 * 4320
    """Pixels of a frame."""
    max_receive_seconds: float = 3600.0
    """Time for receiving a file."""
    max_work_seconds: float = 600.0
    """Time for checking a file after it was received."""
    max_concurrent: int = 8
    """Files being received at once; further uploads are refused until one of them has ended."""


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What one request, and all requests together, may take."""

    max_body_bytes: int = 256 * 1024
    """Size of a request body that is not an upload."""
    max_header_seconds: float = 10.0
    """Time from the first byte of a connection to the end of the request's headers."""
    max_idle_seconds: float = 15.0
    """Time between two pieces of a request body."""
    max_connections: int = 2048
    """Fewer if the process may not have that many files open."""
    max_waiting: int = 512
    """Quick requests, such as searches, that wait for a thread; more are refused."""
    max_waiting_heavy: int = 16
    """The same for work that decodes video."""
    search_threads: int = 2
    heavy_threads: int = 2
    shutdown_seconds: int = 10
    """Time for open requests to end when the server stops."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """The settings of one server."""

    library: Path
    """Folder of the library."""
    roots: tuple[Path, ...] = ()
    """Folders of media. Files outside them are not indexed, read or named. Empty for the folders of
    the videos that the library has when the server starts."""
    uploads: Path | None = None
    """Folder below one of the roots for accepted uploads; None if uploads are checked only."""
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    """Secret that every request must bring; None for no secret, on a loopback address only."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, besides those of the address, by which browsers may reach the server."""
    read_only: bool = False
    """Refuse every request that changes the library."""
    upload_limits: UploadLimits = field(default_factory=UploadLimits)
    captioner: str | None = None
    """Model that writes captions and answers questions, ``hf:ORG/NAME`` or a folder. It is loaded,
    never downloaded, when the server starts."""
    request_limits: RequestLimits = field(default_factory=RequestLimits)

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and loopback addresses.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
