"""Clouds and weights to test with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
import torch
from torch import Tensor

from interflow.errors import BackendError

DTYPES: Final = [torch.float32, torch.float64]


def cloud(count: int, dimension: int, seed: int, scale: float = 1.0) -> Tensor:
    """Points of a cube of side ``scale``, float64."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.rand(count, dimension, dtype=torch.float64, generator=generator)


def scattered(count: int, dimension: int, seed: int, scale: float = 10.0) -> Tensor:
    """Points around the origin, float64, most of them outside of a unit cube."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, dimension, dtype=torch.float64, generator=generator)


def signed_weights(count: int, seed: int) -> Tensor:
    """Weights of both signs, float64."""
    return scattered(count, 1, seed, scale=1.0)[:, 0]


@contextmanager
def skipped_if_unable() -> Iterator[None]:
    """Skip a test, with the reason, where the backend that it names cannot run."""
    try:
        yield
    except BackendError as error:
        pytest.skip(str(error))
