"""Modules of the user's that register kinds."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from interflow.errors import ArgumentError


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
