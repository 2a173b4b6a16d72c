"""How far a fit is, on one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

from interflow.fitting import FitSettings
from interflow.fitting.settings import Record

_LAYOUT = "{percentage:3.0f} %|{bar:20}| {elapsed}, {remaining} left{postfix}"


@contextmanager
def progress(settings: FitSettings, quiet: bool) -> Iterator[Callable[[Record, float], None]]:
    """A bar that shows the loss, the held-out distance and the time left until the last step or second."""
    with tqdm(total=1.0, bar_format=_LAYOUT, disable=True if quiet else None) as bar:

        def show(record: Record, distance: float) -> None:  # NaN where nothing is held out
            parts = [record.step / max(settings.steps, 1), record.seconds / (settings.seconds or math.inf)]
            bar.update(min(max(parts), 1.0) - bar.n)
            made = f"step {record.step} of {settings.steps}"
            judged = "" if math.isnan(distance) else f", held-out sliced W₂ {distance:.3g}"
            bar.set_postfix_str(f"{made}, loss {record.loss:.3g}{judged}")

        yield show
