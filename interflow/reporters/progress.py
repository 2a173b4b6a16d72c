"""A progress bar in the terminal and in notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from interflow.state import State


@contextmanager
def progress_bar(steps: int, shown: bool | None = None, made: int = 0) -> Iterator[Callable[[State], None]]:
    """A reporter that counts steps and shows how many are made a second; the bar closes with the block.

    Args:
        steps: how many there will be.
        shown: None shows it in notebooks, and where the standard error stream is a terminal.
        made: how many of them were made before.

    Example:
        >>> import torch
        >>> with progress_bar(steps=1, shown=False) as report:
        ...     report(State(torch.zeros(1, 2), torch.ones(1)))
    """
    from tqdm.auto import tqdm  # takes a moment to import, and only runs need it

    with tqdm(total=steps, initial=made, unit=" steps", disable=None if shown is None else not shown) as bar:

        def report(state: State) -> None:
            bar.update()

        yield report
