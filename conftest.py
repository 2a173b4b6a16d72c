"""Options of the test run: what is left out, and why."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "Agg")  # figures are files; no test opens a window
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER:  # the processes share the cores, rather than each taking all of them
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the whole matrix, as before a release")
    parser.addoption("--faults", action="store_true", help="run the whole campaign of kills and damage: minutes")


def pytest_configure(config: pytest.Config) -> None:
    """Draws the same examples in every run, so that what fails once fails again; new ones with --full.

    None is too slow: on a machine that is busy, times say nothing about the law. KeOps writes the programs that it
    compiles where another process may read half of one, so that processes side by side have a folder each.
    """
    if WORKER:
        os.environ["KEOPS_CACHE_FOLDER"] = str(config.cache.mkdir(f"keops-{WORKER}"))
    slow = [HealthCheck.too_slow]
    repeatable = not config.getoption("--full")
    settings.register_profile("interflow", derandomize=repeatable, deadline=None, suppress_health_check=slow)
    settings.load_profile("interflow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _skip_cuda_where_there_is_none(items)
    for option in ("full", "faults"):
        if not config.getoption(f"--{option}"):
            _deselect(option, config, items)


def _skip_cuda_where_there_is_none(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device: torch.cuda.is_available() is False"))


def _deselect(marker: str, config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker(marker)]
    if marked:
        config.hook.pytest_deselected(items=marked)
        items[:] = [item for item in items if not item.get_closest_marker(marker)]
