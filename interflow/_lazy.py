"""Public names of a package, imported when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_LINE = re.compile(r"^from \.([\w.]*) import (\w+) as \2$", re.MULTILINE)


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], Iterable[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose stub lists its public names.

    Args:
        package: its ``__name__``. A line of its ``__init__.pyi`` is ``from .module import name as name``; no name may
            be that of a module beside the stub, which would take its place as soon as it is imported.
    """
    namespace = vars(sys.modules[package])
    stub = Path(namespace["__file__"]).with_suffix(".pyi").read_text(encoding="utf-8")
    modules = {name: f"{package}.{module}" if module else package for module, name in _LINE.findall(stub)}

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        module = modules[name]
        if module == package:
            return importlib.import_module(f"{package}.{name}")
        namespace[name] = getattr(importlib.import_module(module), name)
        return namespace[name]

    public = sorted(name for name in modules if not name.startswith("_"))
    return load, modules.keys, public
