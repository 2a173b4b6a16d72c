"""The kernel norm of a difference of measures, where a backend has it in one piece."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.backends import Backend
from interflow.sums.preparation import Options, Prepared, prepare
from interflow.sums.sorted import difference


def difference_form(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
    *,
    boundary: Boundary | None = None,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
) -> Tensor | None:
    """``‖Σ aᵢ δ_{xᵢ} − Σ bⱼ δ_{yⱼ}‖²`` in the norm of a symmetric kernel: a form of both clouds, y with negative mass.

    Arguments as of `interflow.sums.bilinear`.

    Returns:
        A scalar or ``(B,)``; None where the chosen backend has no form of its own, and pairs of three kinds are summed.
    """
    points, masses = difference(x, y, x_weights, y_weights)
    data = prepare(kernel, points, points, masses, Options(boundary, True, backend, tolerance))
    approximation = data.approximation(order=int(points.requires_grad))
    form: Callable[[Prepared], Tensor] | None = getattr(approximation, "form", None)
    if form is None:
        return None
    return form(data) if data.batched else form(data)[0]
