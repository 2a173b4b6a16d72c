"""Parts shared by verbs: plugins, log, signals, versions, folders, and figures that cannot be drawn."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import os
import platform
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, ModuleType

import click

from interflow.errors import ArgumentError
from interflow.versions import installed_version

FAILED = 1
"""Exit code if only a figure is missing."""
PACKAGES = ("interflow-particles", "torch", "pykeops", "numpy", "pydantic", "matplotlib")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTICE = b"\nStopping after this step, and saving. A second signal (Ctrl-C) leaves at once.\n"


def load_plugin(name: str) -> ModuleType:
    """Import a module by its name, or from a ``.py`` file by its path.

    Raises:
        ArgumentError: if there is no such module or file.
    """
    if name.endswith(".py"):
        return _from_file(Path(name))
    remedy = "A file is given by its path, such as ./ring.py."
    refusal = ArgumentError("plugin", came=name or "nothing", wanted="a module that can be imported", remedy=remedy)
    if not all(part.isidentifier() for part in name.split(".")):
        raise refusal
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # the plugin is there, and what it imports is not
        raise refusal from None


def _from_file(file: Path) -> ModuleType:
    # under its own name it would take the place of any other module of that name, such as json
    name = f"interflow_plugin_{file.stem}_{hashlib.sha256(os.fsencode(file.resolve())).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if not os.path.isfile(file) or spec is None or spec.loader is None:
        raise ArgumentError("plugin", came=str(file), wanted="a Python file that exists")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class _Announcements(logging.Handler):
    """A log handler that writes above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Log to the standard error stream from INFO on during the block."""
    logger, handler = logging.getLogger("interflow"), _Announcements()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@dataclass
class StopRequest:
    """Whether SIGINT (Ctrl-C) or SIGTERM has asked for an end, and which: the first ends a run after its step."""

    received: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.received is not None

    def take(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; end the process by the second, as if it were not handled."""
        if self.received is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = signal.Signals(number)
        os.write(2, NOTICE)  # print() may be what the signal interrupts


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Handle signals during the block, if it runs in the main thread."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.take) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def versions() -> dict[str, str]:
    """Return the versions of Python and of each package that a run depends on."""
    return {"python": platform.python_version(), **{package: installed_version(package) for package in PACKAGES}}


def default_folder(parent: str, source: Path) -> Path:
    """Return the path of a folder named after a file and the time."""
    return Path(parent) / f"{source.stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def drawn(write: Callable[[], object], failure: str, *, unless: type[Exception] | tuple[()] = ()) -> bool:
    """Draw and write a figure, and return whether that worked; an error is printed in one line and costs nothing else.

    Args:
        write: draws it and writes it.
        failure: what the line begins with.
        unless: an error that is raised all the same.
    """
    try:
        write()
    except unless:
        raise
    except Exception as error:  # of matplotlib, its settings, its fonts and its files, which can raise anything
        if click.get_current_context().find_root().params.get("debug"):
            traceback.print_exc()
        click.echo(f"{failure}: {type(error).__name__}: {' '.join(str(error).split())}", err=True)
        return False
    return True
