"""The torchvision names that open_clip and timm import, if torchvision is not installed.

There is no build of it for every torch that these tests run with. Both packages import its
transforms and layers, and use them only to train and to prepare pictures, which vidseek does
itself: towers, vocabulary and configurations, which the tests are about, are theirs.
"""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Any


class _Names(type):
    """A class that has every attribute, each its own name: members of InterpolationMode."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Module(types.ModuleType):
    __path__: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Names(name, (), {})


class _Finder:
    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        ours = name.split(".")[0] == "torchvision"
        return ModuleSpec(name, self, is_package=True) if ours else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def import_open_clip() -> Any:
    """The package open_clip, imported with the names in place if they must be."""
    if "open_clip" not in sys.modules and find_spec("torchvision") is None:
        import transformers

        # It remembers what it finds, and must not find this: it would prepare pictures with it.
        assert not transformers.utils.is_torchvision_available()
        finder = _Finder()
        sys.meta_path.append(finder)
        try:
            import open_clip
        finally:
            sys.meta_path.remove(finder)
            for name in [each for each in sys.modules if each.split(".")[0] == "torchvision"]:
                del sys.modules[name]
    import open_clip

    return open_clip
