"""three.js, which draws the cloud, as the installed package k3d carries it."""

from __future__ import annotations

import importlib.util
import zlib
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from interflow.errors import MissingPackageError

PACKAGE, BUNDLE = "k3d", "static/standalone.js"
CREDIT = "Drawn with three.js (MIT) from the bundle of K3D-jupyter (MIT); the licences are in the source of this page."


@cache
def bundle() -> bytes:
    """The script that defines three.js, compressed by zlib.

    Raises:
        MissingPackageError: if k3d is not installed, or has no such script.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingPackageError(PACKAGE, extra="page", needed_for="The browser page")
    file = Path(found.origin).parent / BUNDLE
    try:
        return zlib.compress(file.read_bytes(), 9)
    except OSError:
        raise MissingPackageError(f"{PACKAGE}'s {BUNDLE}", extra="page", needed_for="The browser page") from None


def licences() -> str:
    """The licence texts of the bundle and of what is in it."""
    bundle()
    notices = Path(str(distribution(PACKAGE).locate_file(f"{PACKAGE}/{BUNDLE}.LICENSE.txt"))).read_text(
        encoding="utf-8"
    )
    files = distribution(PACKAGE).files or []
    texts = [file.read_text(encoding="utf-8") for file in files if file.name.upper().startswith("LICENSE")]
    return "\n\n".join([f"{PACKAGE} {distribution(PACKAGE).version}", *texts, notices])
