"""What a verb does with a picture that cannot be drawn."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import click

FAILED = 1
"""The exit code where all is there but a picture."""


def drawn(write: Callable[[], object], failure: str, *, unless: type[Exception] | tuple[()] = ()) -> bool:
    """Whether a picture was written; whatever stopped it is told in one line, for it must not cost what else there is.

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
