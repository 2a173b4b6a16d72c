"""Losses under ``torch.autocast``: computed in float32 and returned in float32, as PyTorch's own losses are."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

ForwardT = TypeVar("ForwardT", bound=Callable[..., Tensor])


def in_single_precision(forward: ForwardT) -> ForwardT:
    """A discrepancy's ``forward`` that under autocast takes half types as float32, and switches autocast off inside.

    Example:
        >>> from interflow import MMD, GaussianKernel
        >>> features = torch.zeros(4, 2, dtype=torch.bfloat16)
        >>> with torch.autocast("cpu"):
        ...     MMD(GaussianKernel(sigma=1.0))(features, torch.ones(3, 2)).dtype
        torch.float32
    """

    @wraps(forward)
    def guarded(self: Any, x: Any, y: Any, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        if not isinstance(x, Tensor):  # an array of NumPy has a device too, which is text; it is refused inside
            return forward(self, x, y, x_weights, y_weights)
        device = x.device.type
        if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
            return forward(self, x, y, x_weights, y_weights)
        with torch.autocast(device, enabled=False):
            return forward(self, _single(x), _single(y), _optional(x_weights), _optional(y_weights))

    return cast(ForwardT, guarded)


def _single(tensor: Any) -> Any:
    half = isinstance(tensor, Tensor) and tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.float() if half else tensor


def _optional(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else _single(tensor)
