"""The Pythons of this machine, and environments with vidseek in them.

    python tests/support/pythons.py constraints [PYTEST OPTIONS]
    python tests/support/pythons.py latest [PYTEST OPTIONS]

runs the base tests on every supported Python that is found, with the versions of
constraints.txt or the newest ones that pyproject.toml allows. Environments are kept in
.venv-NAME-VERSION and made again when pyproject.toml changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
BASE_TESTS = "not full and not long and not package"


def find_python(version: str) -> str | None:
    """An interpreter of that version on this machine, from PATH or pyenv."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        shutil.which(f"python{version}"),
        *map(str, folder.glob(f"{version}.*/bin/python")),
    ]
    for candidate in filter(None, candidates):
        asked = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return candidate
    return None


def install(python: str, environment: Path, *requirements: str, constrained: bool) -> Path:
    """Make an environment and install into it. Returns its interpreter."""
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    installed = environment / "bin" / "python"
    # Compiling modules that are never imported takes longer than installing them.
    command = [installed, "-m", "pip", "install", "--quiet", "--no-compile"]
    command += ["-c", ROOT / "constraints.txt"] if constrained else []
    subprocess.run([*map(str, command), *requirements], check=True)
    return installed


def main(versions: str, *options: str) -> int:
    """Run the base tests on every Python. Returns the number of Pythons on which they fail."""
    failures = 0
    for version in VERSIONS:
        python = find_python(version)
        if python is None:
            print(f"Python {version} is not installed here", file=sys.stderr)
            continue
        environment = ROOT / f".venv-{versions}-{version}"
        ready = environment / ".ready"
        described = "".join(
            (ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt")
        )
        if not ready.exists() or ready.read_text() != described:
            shutil.rmtree(environment, ignore_errors=True)
            constrained = versions == "constraints"
            vidseek = [
                "--config-settings",
                "editable_mode=compat",
                "-e",
                f"{ROOT}[cpu,web,demo,dev]",
            ]
            install(python, environment, *vidseek, constrained=constrained)
            ready.write_text(described)
        print(f"Python {version}, {versions}", flush=True)
        command = [environment / "bin" / "python", "-m", "pytest", "-n", "2", "-m", BASE_TESTS]
        done = subprocess.run(
            [*map(str, command), *options], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        failures += done.returncode != 0
    return failures


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("constraints", "latest"):
        raise SystemExit(__doc__)
    raise SystemExit(main(*sys.argv[1:]))
