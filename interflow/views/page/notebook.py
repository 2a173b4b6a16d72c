"""The view of a run in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interflow.errors import MissingPackageError
from interflow.solution import Solution
from interflow.views.page.document import MEGABYTES, STYLE, asset, scripts
from interflow.views.page.library import bundle
from interflow.views.page.scene import scene

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
    """The page of a run as a widget, for JupyterLab and other notebooks that show anywidgets.

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
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise MissingPackageError("anywidget", extra="page", needed_for="The view in a notebook") from None

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
