"""Try a vidseek that is installed, not checked out: import every module, then run commands.

python -I try_installed_vidseek.py FOLDER

Prints as JSON how many modules were imported, which need an optional dependency, and the hits.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

OPTIONAL = {
    "decord",
    "faiss",
    "fastapi",
    "h11",
    "matplotlib",
    "mcp",
    "mcp_types",
    "onnx",
    "open_clip",
    "prometheus_client",
    "psycopg",
    "pyarrow",
    "pydantic",
    "python_multipart",
    "safetensors",
    "skimage",
    "starlette",
    "torch",
    "transformers",
    "uvicorn",
}


def import_all() -> tuple[int, list[str]]:
    """Import every module of the package; returns their number, and those that need an extra."""
    import vidseek

    imported, optional = 0, []
    for module in pkgutil.walk_packages(vidseek.__path__, "vidseek."):
        if module.name.endswith(".__main__") or ".migrations." in module.name:
            continue
        try:
            importlib.import_module(module.name)
            imported += 1
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in OPTIONAL:
                raise
            optional.append(module.name)
    return imported, optional


def main(folder: Path) -> None:
    """Import everything, then run the commands as a user would."""
    import av
    import numpy as np

    import vidseek

    imported, optional = import_all()
    footage = folder / "footage"
    footage.mkdir()
    with av.open(str(footage / "red.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        noise = np.random.default_rng(0).integers(0, 90, (96, 128, 3), dtype=np.uint8)
        for number in range(15):
            picture = np.roll(noise, number, axis=1) + np.array([150, 0, 0], np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())

    def command(*arguments: object) -> str:
        program = [sys.executable, "-I", "-m", "vidseek.cli", *map(str, arguments)]
        done = subprocess.run(program, capture_output=True, text=True, cwd=folder)
        if done.returncode not in (0, 10):
            raise SystemExit(f"{arguments} exited with {done.returncode}:\n{done.stderr}")
        return done.stdout

    library = ["--library", folder / "library"]
    command("--help")
    report = json.loads(command("index", footage, "--json", *library))
    hits = json.loads(command("search", "something red", "--json", *library))
    verdict = json.loads(command("check", footage / "red.mp4", "--json", *library))
    health = json.loads(command("doctor", "--json", *library))
    print(
        json.dumps(
            {
                "version": vidseek.__version__,
                "modules": imported,
                "optional": optional,
                "indexed": report["indexed"],
                "hits": len(hits),
                "verdict": verdict["verdict"],
                "healthy": health["healthy"],
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
