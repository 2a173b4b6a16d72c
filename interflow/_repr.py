"""Short texts of objects that hold arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

MAX_TEXT = 60
"""Characters of a value."""


class ShortRepr:
    """Gives a dataclass, made with ``repr=False``, a representation that tells of arrays their dtypes and shapes."""

    def __repr__(self) -> str:
        fields: Any = dataclasses.fields(self)  # type: ignore[arg-type]  # of the subclass
        values = ", ".join(f"{field.name}={short(getattr(self, field.name))}" for field in fields)
        return f"{type(self).__name__}({values})"


def short(value: Any) -> str:
    """A value in one line of at most `MAX_TEXT` characters.

    Example:
        >>> import torch
        >>> short(torch.zeros(3, 2)), short(0.123456789), short({"steps": 3})
        ('<float32 (3, 2)>', '0.123457', '{steps: 3}')
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}>"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{name}: {short(entry)}" for name, entry in value.items()) + "}"
        return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 2]}…}}"
    text = repr(value)
    if len(text) <= MAX_TEXT:
        return text
    if isinstance(value, str):
        return f"{text[: MAX_TEXT - 2]}…'"
    return f"<{len(value)} items>" if isinstance(value, Sequence) else f"<{type(value).__name__}>"
