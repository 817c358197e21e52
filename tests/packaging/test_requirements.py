"""Every dependency has bounds, and both ends of them are pinned in a file that the tests use."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    *PROJECT["dependencies"],
    *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
]
PARSED = sorted({Requirement(each) for each in REQUIREMENTS}, key=str)


def pins(name: str) -> dict[str, Version]:
    lines = (ROOT / name).read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {normalised(package): Version(version) for package, version in pairs}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def bounds(requirement: Requirement) -> dict[str, Version]:
    return {each.operator: Version(each.version) for each in requirement.specifier}


@pytest.mark.parametrize("requirement", PARSED, ids=str)
def test_bounds_are_tried_versions_and_the_next_major(requirement: Requirement) -> None:
    name = normalised(requirement.name)
    newest = pins("constraints.txt")[name]
    oldest = pins("constraints-oldest.txt").get(name, newest)
    assert set(bounds(requirement)) == {">=", "<"}
    assert requirement.specifier.contains(newest)
    assert requirement.specifier.contains(oldest)
    # The lower bound names the oldest version, without the parts that are too fine.
    lower = bounds(requirement)[">="].release
    assert oldest.release[: len(lower)] == lower
    upper = bounds(requirement)["<"].release
    assert len(upper) == (2 if newest.major == 0 else 1)


def test_one_package_has_the_same_bounds_in_every_extra() -> None:
    seen: dict[str, str] = {}
    for requirement in PARSED:
        name = normalised(requirement.name)
        assert seen.setdefault(name, str(requirement.specifier)) == str(requirement.specifier)


def test_each_oldest_version_is_of_a_dependency() -> None:
    known = {normalised(requirement.name) for requirement in PARSED}
    assert set(pins("constraints-oldest.txt")) <= known
