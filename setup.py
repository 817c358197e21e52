"""Build vidseek from its rooms at the top of the tree; all else is in pyproject.toml.

The links in ``vidseek/`` serve tools that read the checkout (mypy, import-linter, editors).
Building does not use them: a checkout without symbolic links (Windows, some archives) builds the
same wheel.
"""

from setuptools import find_packages, setup

ROOMS = ("core", "encoders", "indexer", "search", "storage", "training", "video")

front_door = [
    name
    for name in find_packages(include=["vidseek", "vidseek.*"])
    if name.partition(".")[2].partition(".")[0] not in ROOMS
]
rooms = [f"vidseek.{name}" for room in ROOMS for name in find_packages(include=[room, f"{room}.*"])]

setup(
    packages=[*front_door, *rooms],
    package_dir={"": ".", **{f"vidseek.{room}": room for room in ROOMS}},
)
