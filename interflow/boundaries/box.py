"""Corners and side lengths of boxes: one number for all axes, or one for each."""

from __future__ import annotations

from torch import Tensor

from interflow.errors import ArgumentError
from interflow.parameters import finite


def corner(name: str, value: float | Tensor) -> Tensor:
    """The value as a float64 tensor of shape ``()`` or ``(d,)``; raises `ArgumentError` naming the argument."""
    tensor = finite(name, value)
    if tensor.ndim > 1:
        came = f"a tensor of shape {tuple(tensor.shape)}"
        raise ArgumentError(name, came=came, wanted="a number, or one number an axis")
    return tensor


def on_axes(value: Tensor, dimension: int) -> Tensor:
    """A corner as numbers to keep: ``(d,)`` in float64, on the CPU."""
    return value.detach().double().cpu().expand(dimension).clone()


def check_same_axes(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Raise `ArgumentError` naming the first argument if the two have different numbers of axes."""
    if value.ndim == other.ndim == 1 and value.numel() != other.numel():
        wanted = f"{other.numel()}, as many as `{other_name}` has, or one number"
        raise ArgumentError(name, came=f"{value.numel()} numbers", wanted=wanted)
