"""A page as one HTML document, and in notebooks."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from interflow.errors import needed_package
from interflow.solution import Solution
from interflow.storage.outputs import output_file
from interflow.views.page.scene import Scene, bundle, licences, scene

SCRIPTS: Final = ("decoding.js", "colours.js", "stage.js", "curve.js", "viewer.js", "sources.js")
STYLE: Final = "page.css"
MEGABYTES: Final = 25.0
POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src {connect}"
)
"""Content security policy: the page may run its own scripts and load nothing."""


def write_page(
    solution: Solution,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    summary: Mapping[str, Any] | None = None,
    config: str = "",
    megabytes: float = MEGABYTES,
) -> Path:
    """Write a run as one HTML file, to be scrubbed through in any browser; it needs no network.

    Positions are rounded to 1/16 384 of the box in the plane, and 1/4 096 in space. Where the file would be too large,
    they are rounded to less, then frames are left out; the page says so. Of more than three axes the first three are
    drawn, and of more than a million particles a million.

    Args:
        solution: the run, in memory or from `fl.open_run`.
        path: of the file; an old one is replaced.
        title: what to call the run.
        summary: how it went, as ``interflow run`` writes it.
        config: of the run, as text, to be shown.
        megabytes: the largest size of the file, in units of 10⁶ bytes.

    Raises:
        ArgumentError: if the file cannot be written, the size is too small for one frame, or a position is not finite.
        MissingPackageError: without the package k3d, which brings three.js.
    """
    empty = html_page({}, "")
    room = 1e6 * megabytes - len(empty) - 2 * len(config) - 200 * len(solution) - 100_000
    shown = scene(solution, 0.75 * room, title=title, summary=summary, config=config)
    text = html_page(shown.about, "".join(_tags(shown)))
    file = Path(path)
    with output_file(file, "path") as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return file


def html_page(about: Mapping[str, Any], frames: str, *, entry_point: str = "showPage", connect: str = "'none'") -> str:
    """Return the page as text: its interface first, then the library and the frames.

    Args:
        about: what it is told.
        frames: script tags with the bytes of frames.
        begin: the function of the scripts that fills it.
        connect: where it may ask for more, as a content security policy says it.
    """
    first, *others = frames.split("\n", 1) if frames else ("",)
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        f"<!--\n{_in_comment(licences())}\n-->",
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(connect=connect)}">',
        '<link rel="icon" href="data:,">',
        f"<title>{html.escape(str(about.get('title', '')))}</title>",
        f"<style>body {{ margin: 0; }}\n{asset(STYLE)}</style></head>",
        '<body><div id="view"></div>',
        f'<script type="application/json" id="about">{in_script(about)}</script>',
        tag("library", bundle()),
        first,
        f'<script>"use strict";\n{scripts()}\n({entry_point})(document.getElementById("view"));</script>',
        *others,
        "</body></html>\n",
    ]
    return "\n".join(parts)


def scripts() -> str:
    """Return the page's own scripts, concatenated."""
    text = "\n".join(map(asset, SCRIPTS))
    if "</script" in text.lower():
        raise AssertionError("a script that would end its own tag")
    return text


def asset(name: str) -> str:
    """Read an asset as text."""
    return (files("interflow.views.page") / "assets" / name).read_text(encoding="utf-8")


def tag(name: str, data: bytes) -> str:
    """Return a tag with bytes that a script finds by a name."""
    return f'<script type="text/plain" id="{name}">{base64.b64encode(data).decode()}</script>'


def in_script(value: object) -> str:
    """Return JSON that cannot end its script tag, whatever text it holds."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _tags(shown: Scene) -> Iterator[str]:
    """Yield a line of tags for each frame."""
    for index, frame in enumerate(shown.frames):
        column = tag(f"column-{index}", shown.column[index]) if shown.column else ""
        yield tag(f"frame-{index}", frame) + column + "\n"


def _in_comment(text: str) -> str:
    return text.replace("--", "‐‐")


if TYPE_CHECKING:
    from anywidget import AnyWidget


def widget(
    solution: Solution,
    *,
    title: str = "",
    summary: Mapping[str, Any] | None = None,
    config: str = "",
    megabytes: float = MEGABYTES,
) -> AnyWidget:
    """Return the page of a run as a widget, for JupyterLab and other notebooks that show anywidgets.

    Args:
        solution: the run, in memory or from `fl.open_run`.
        title: what to call the run.
        summary: how it went, as ``interflow run`` writes it.
        config: of the run, as text, to be shown.
        megabytes: the most that is sent to the browser, in units of 10⁶ bytes.

    Raises:
        ArgumentError: if the size is too small for one frame, or a position is not finite.
        MissingPackageError: without the packages anywidget and k3d.
    """
    with needed_package("anywidget", extra="page", needed_for="The view in a notebook"):
        import anywidget
        import traitlets

    class View(anywidget.AnyWidget):
        _esm = f"{scripts()}\nexport default {{ render }};"
        _css = asset(STYLE)
        about = traitlets.Dict().tag(sync=True)
        library = traitlets.Bytes().tag(sync=True)
        frames: Any = traitlets.List().tag(sync=True)
        column: Any = traitlets.List().tag(sync=True)

    library = bundle()
    shown = scene(solution, 1e6 * megabytes - len(library), title=title, summary=summary, config=config)
    return View(about=dict(shown.about), library=library, frames=list(shown.frames), column=list(shown.column))
