"""Run a command under strace and list the sockets that it opens and the files that it writes.

strace sees what libraries in C++ do, which an audit hook of Python does not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

_TRACED = (
    "network,openat,open,creat,mkdir,mkdirat,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat"
)
_SOCKET = re.compile(r"\bsocket\((AF_\w+)")
_OPENED = re.compile(r'\b(?:openat\(\S+, |open\()"((?:[^"\\]|\\.)*)", (O_[A-Z_|]+)')
_MADE = re.compile(r'\b(?:creat|mkdir|mkdirat)\((?:\w+, )?"((?:[^"\\]|\\.)*)"')
_MOVED = re.compile(r'\b(?:rename|link|symlink)\w*\(.*"((?:[^"\\]|\\.)*)"')
_RESOLVER = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
"""The C library reads these to look up a host."""


@dataclass(frozen=True)
class Traced:
    """What a command did, with all processes that it started."""

    returncode: int
    stdout: str
    stderr: str
    sockets: tuple[str, ...]
    """Calls that made a socket which is not of this machine's own kind (AF_UNIX)."""
    lookups: tuple[str, ...]
    """Calls that read how hosts are looked up."""
    written: frozenset[Path]
    """Files and folders that were created, written to or renamed to."""

    def written_outside(self, *folders: Path) -> set[Path]:
        """Files written elsewhere than below some folders, devices and /proc."""
        allowed = (*folders, Path("/dev"), Path("/proc"))
        return {
            path for path in self.written if not any(path.is_relative_to(each) for each in allowed)
        }


def run_traced(
    command: Sequence[str | Path], *, log: Path, cwd: Path, env: Mapping[str, str]
) -> Traced:
    """Run a command under strace until it and its children end.

    Args:
        command: program and arguments.
        log: where strace writes; must not exist.
        cwd: the command's folder.
        env: its whole environment.
    """
    tracer = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={_TRACED}", "-o", str(log)]
    done = subprocess.run(
        [*tracer, *map(str, command)],
        cwd=cwd,
        env=dict(env),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=900,
    )
    lines = log.read_text(errors="replace").splitlines()
    return Traced(
        done.returncode,
        done.stdout,
        done.stderr,
        sockets=tuple(
            line for line in lines if (found := _SOCKET.search(line)) and found[1] != "AF_UNIX"
        ),
        lookups=tuple(line for line in lines if any(f'"{name}"' in line for name in _RESOLVER)),
        written=frozenset(cwd / name for line in lines for name in _names_written(line)),
    )


def _names_written(line: str) -> list[str]:
    if " = -1 " in line:
        return []
    if opened := _OPENED.search(line):
        flags = set(opened[2].split("|"))
        return [opened[1]] if flags & {"O_WRONLY", "O_RDWR", "O_CREAT"} else []
    made = _MADE.search(line) or _MOVED.search(line)
    return [made[1]] if made else []
