"""``interflow doctor``: installed versions, and backends that work."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import click

from interflow.cli.common import versions


@click.command()
def command() -> None:
    """Say what is installed, and which backends work here, by running a small sum on each."""
    for name, version in versions().items():
        _print_row(name, version)
    _print_row("compiler", _compiler())
    import torch

    _print_row("threads", f"{torch.get_num_threads()} of {os.cpu_count()} processors")
    _print_row("cuda", _devices() or "none")
    from interflow.sums.backends import BACKENDS

    for name in BACKENDS:
        _print_row(f"backend {name}", _try_backend(name))


def _print_row(what: str, answer: str) -> None:
    click.echo(f"{what:<20} {answer}")


def _compiler() -> str:
    """Return the version line of the C++ compiler that compiled backends use."""
    name = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), None)
    if name is None or shutil.which(name) is None:
        return f"{name or 'c++'} not found; compiled backends need one, such as g++"
    answer = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    return answer.stdout.splitlines()[0] if answer.stdout else f"{name}, which does not tell its version"


def _devices() -> str:
    import torch

    return ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def _try_backend(backend: str) -> str:
    """Compare a field with that of the dense backend; return the verdict and the seconds."""
    import torch

    from interflow import sums
    from interflow.kernels import GaussianKernel

    x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    start = time.perf_counter()
    try:
        field = sums.field(GaussianKernel(sigma=0.1), x, x, backend=backend)
    except Exception as error:  # whatever stops a backend here is what was asked for
        return f"no: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    seconds = time.perf_counter() - start
    difference = (field - sums.field(GaussianKernel(sigma=0.1), x, x, backend="dense")).abs().max().item()
    verdict = "works" if difference <= 1e-5 * field.abs().max().item() else f"WRONG by {difference:.1g}"
    return f"{verdict}; first field in {seconds:.2g} s"
