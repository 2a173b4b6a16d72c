"""``python -m benchmarks [QUESTION ...]``: print the tables that answer some questions, as Markdown."""

from __future__ import annotations

import argparse
import atexit
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, TextIO

from benchmarks.tables import Table

QUESTIONS = (
    "field",
    "energy_distance",
    "gradients",
    "memory",
    "agreement",
    "small",
    "sorted",
    "startup",
    "tour",
    "storage",
    "page",
    "training",
    "two_sample",
    "kid",
    "fitting",
    "large_fits",
    "series",
    "costs",
)
DEFAULT = ("field", "energy_distance")
HOW = (
    "Times are medians of six, or of two where a call takes over 5 s; compile seconds are those of the first call; "
    "peak MB is memory above what was in use before the call."
)
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def main() -> None:
    """Measure with compile caches of our own, so that compile seconds do not depend on what ran before."""
    arguments = _arguments()
    if arguments.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # KeOps would take CPU tensors to a GPU
    _use_caches_of_our_own()
    text, tables = _measure(arguments.questions or DEFAULT, arguments.sizes, arguments.device)
    if arguments.into is not None:
        replace_between_markers(arguments.into, text)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({**_origin(), "tables": tables}, indent=1) + "\n", encoding="utf-8")


def _use_caches_of_our_own() -> None:
    caches = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, caches, ignore_errors=True)  # after KeOps, which writes to its cache at exit
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{caches}/inductor"
    os.environ["KEOPS_CACHE_FOLDER"] = f"{caches}/keops"
    Path(os.environ["KEOPS_CACHE_FOLDER"]).mkdir()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="numbers of points instead of each one's own")
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    parser.add_argument("--into", type=Path, metavar="FILE", help="also write the tables between FILE's markers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows, machine, versions and commit")
    arguments = parser.parse_args()
    for unknown in sorted(set(arguments.questions) - set(QUESTIONS)):
        parser.error(f"no question {unknown!r}; there are {', '.join(QUESTIONS)}")
    return arguments


def _measure(
    questions: Sequence[str], sizes: Sequence[int] | None, device_name: str
) -> tuple[str, list[dict[str, Any]]]:
    """Print each row as soon as it is there; libraries that print meanwhile do so to the standard error."""
    printed: list[str] = []
    tables: list[dict[str, Any]] = []

    def show(line: str, out: TextIO = sys.stdout) -> None:
        print(line, file=out, flush=True)
        printed.append(line)

    with redirect_stdout(sys.stderr):
        import pykeops
        import torch

        pykeops.set_verbose(False)
        device = torch.device(device_name)
        show(_machine(device))
        for question in questions:
            module = import_module(f"benchmarks.{question}")
            print(question, file=sys.stderr, flush=True)
            table: Table = module.table(sizes or module.SIZES, device)
            rows: list[Sequence[str]] = []
            for line in table.lines(rows):
                show(line)
            tables.append({"question": question, "headers": list(table.headers), "rows": rows})
    return "\n".join(printed), tables


def _origin() -> dict[str, str]:
    """Where and of what the figures are."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {"machine": _processor(), "versions": _versions(), "commit": commit.stdout.strip()}


def _versions() -> str:
    return ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "pykeops", "geomloss"))


def _machine(device: object) -> str:
    import torch

    versions = _versions()
    where = (
        torch.cuda.get_device_name() if str(device) != "cpu" else f"{torch.get_num_threads()} threads of {_processor()}"
    )
    return f"Measured on {where}; {versions}, Python {platform.python_version()}. {HOW}\n"


def _processor() -> str:
    description = Path("/proc/cpuinfo")
    if not description.exists():
        return platform.processor()
    lines = description.read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def replace_between_markers(path: Path, text: str) -> None:
    """Put a text in the place that a file keeps for it."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path} lacks the markers {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
