"""The wheel that users install: complete, the same from every checkout, and working when installed.

Needs minutes and a package index; ``make test-package`` runs it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from pythons import VERSIONS, find_python, install

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "encoders", "indexer", "search", "storage", "training", "video")

pytestmark = [pytest.mark.package, pytest.mark.timeout(900)]


FOUND_PYTHONS = [version for version in VERSIONS if find_python(version)]


def build(checkout: Path, out: Path) -> tuple[Path, Path]:
    """The sdist of a checkout, and the wheel built from that sdist."""
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def contents(wheel: Path) -> dict[str, str]:
    """SHA-256 of every file but the metadata, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if ".dist-info/" not in name
        }


def tracked(*folders: str) -> set[str]:
    """Files that git tracks below some folders."""
    command = ["git", "ls-files", "--", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, uncommitted changes of tracked files included."""
    clone = tmp_path_factory.mktemp("clone") / "vidseek"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    for name in tracked():
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    return clone


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(checkout, tmp_path_factory.mktemp("dist"))


def test_the_wheel_holds_every_module_and_data_file(built: tuple[Path, Path]) -> None:
    _, wheel = built
    expected = {
        name if name.startswith("vidseek/") else f"vidseek/{name}"
        for name in tracked(*ROOMS, "vidseek")
        if not (ROOT / name).is_symlink() and not name.endswith(".md")
    }
    assert set(contents(wheel)) == expected


def test_the_sdist_holds_tests_docs_and_changelog(built: tuple[Path, Path]) -> None:
    sdist, _ = built
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = {name for name in tracked() if not (ROOT / name).is_symlink()} - names
    assert missing <= {".gitattributes", ".gitignore"}


def test_a_checkout_whose_links_are_text_files_builds_the_same_wheel(
    checkout: Path, built: tuple[Path, Path], tmp_path: Path
) -> None:
    windows = tmp_path / "vidseek"
    shutil.copytree(checkout, windows, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for room in ROOMS:
        link = windows / "vidseek" / room
        target = str(link.readlink())
        link.unlink()
        link.write_text(target)
    _, wheel = build(windows, tmp_path / "dist")
    assert contents(wheel) == contents(built[1])


@pytest.mark.parametrize("version", FOUND_PYTHONS)
def test_a_plain_install_indexes_searches_and_checks(
    version: str, built: tuple[Path, Path], tmp_path: Path
) -> None:
    """With the newest versions that pyproject.toml allows, as users get them."""
    python = find_python(version)
    assert python is not None
    requirement = f"vidseek[cpu] @ {built[1].as_uri()}"
    installed = install(python, tmp_path / "environment", requirement, constrained=False)
    script = ROOT / "tests" / "support" / "try_installed_vidseek.py"
    folder = tmp_path / "work"
    folder.mkdir()
    done = subprocess.run(
        [str(installed), "-I", str(script), str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["indexed"], answer["hits"], answer["verdict"]) == (1, 1, "exact")
    assert answer["healthy"]
    assert answer["modules"] > 120
    if version == VERSIONS[0]:
        names = [installed.with_name("vidseek"), "--help"]
        assert subprocess.run(names, capture_output=True, cwd=folder).returncode == 0
    shutil.rmtree(tmp_path / "environment")
