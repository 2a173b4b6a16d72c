"""What is installed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("interflow-particles", "torch", "pykeops", "numpy", "pydantic", "matplotlib")


def versions() -> dict[str, str]:
    """The version of Python and of each package that a run depends on."""
    return {"python": platform.python_version(), **{package: _version(package) for package in PACKAGES}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
