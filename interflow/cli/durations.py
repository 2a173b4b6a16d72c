"""Times as people write them: ``90``, ``45m``, ``1h30m``."""

from __future__ import annotations

import re

import click

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = r"(\d+(?:\.\d+)?)([dhms])"


def duration(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """The seconds of an option's text: a number of them, or parts with units."""
    if text is None:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(f"({_PART})+", text):
        raise click.BadParameter(f"got {text!r}, wanted a time such as 90s, 45m or 1h30m.")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))
