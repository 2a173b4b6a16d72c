"""What is installed."""

from __future__ import annotations

import platform

from interflow.versions import installed_version

PACKAGES = ("interflow-particles", "torch", "pykeops", "numpy", "pydantic", "matplotlib")


def versions() -> dict[str, str]:
    """The version of Python and of each package that a run depends on."""
    return {"python": platform.python_version(), **{package: installed_version(package) for package in PACKAGES}}
