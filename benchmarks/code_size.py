"""Count the code: files and lines of each room, the largest file, long parameter lists.

python -m benchmarks.code_size [--root CHECKOUT]

Reads any checkout of vidseek, including earlier versions, and prints Markdown. Lines include
comments and blank lines; parameters exclude ``self`` and ``cls``.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

MAX_PARAMETERS = 6
SKIPPED = {"tests", "benchmarks", "docs", "build"}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path.cwd(), metavar="CHECKOUT")
    root = parser.parse_args().root.resolve()
    rooms: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*.py")):
        room = path.relative_to(root).parts[0]
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        linked = any(parent.is_symlink() for parent in path.parents)
        if room not in SKIPPED and not hidden and not linked and path.parent != root:
            rooms.setdefault(room, []).append(path)
    print("| room | files | lines | largest file | functions with over 6 parameters |")
    print("| --- | --- | --- | --- | --- |")
    for room, paths in rooms.items():
        lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
        largest = max(paths, key=lambda path: lines[path])
        long = sum(len(list(long_signatures(path))) for path in paths)
        shown = f"{largest.relative_to(root / room)} ({lines[largest]})"
        print(f"| {room} | {len(paths)} | {sum(lines.values())} | {shown} | {long} |")
    print("\n| class | public methods and properties |")
    print("| --- | --- |")
    for paths in rooms.values():
        for path in paths:
            for name, count in public_methods(path):
                if name in ("Library", "LibraryModels", "LibraryStore", "Database"):
                    print(f"| {name} ({path.relative_to(root)}) | {count} |")


def long_signatures(path: Path) -> Iterator[str]:
    """Names of the functions of a file that take more than ``MAX_PARAMETERS``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            named = [argument for argument in arguments if argument.arg not in ("self", "cls")]
            if len(named) > MAX_PARAMETERS:
                yield node.name


def public_methods(path: Path) -> Iterator[tuple[str, int]]:
    """Every class of a file, and how many public methods and properties it defines."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            yield node.name, sum(not method.name.startswith("_") for method in methods)


if __name__ == "__main__":
    main()
