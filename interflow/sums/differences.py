"""The kernel norm of a difference of measures, where a backend has it in one piece."""

from __future__ import annotations

from torch import Tensor

from interflow.boundaries import Boundary
from interflow.kernels import Kernel
from interflow.sums.api import row_weights
from interflow.sums.backends import Auto, Backend, Options, Sorted, backend_key, backend_of
from interflow.sums.preparation import MANY_COORDINATES, approximation_of, prepare
from interflow.sums.radial_differences import RadialDifference
from interflow.sums.sorted import difference, terms_of


def difference_form(
    kernel: Kernel,
    x: Tensor,
    y: Tensor,
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
    *,
    factors: tuple[float, float] = (1.0, 1.0),
    self_pairs: bool = True,
    boundary: Boundary | None = None,
    backend: str | Backend = "auto",
    tolerance: float | None = None,
) -> Tensor | None:
    """``‖Σ aᵢ δ_{xᵢ} − Σ bⱼ δ_{yⱼ}‖²`` in the norm of a symmetric kernel: a form of both clouds, y with negative mass.

    Arguments as of `interflow.sums.bilinear`; the sums within x and within y are multiplied by the factors, and leave
    out i = j without `self_pairs`.

    Returns:
        A scalar or ``(B,)``; None where the chosen backend has no form of its own, and pairs of three kinds are summed.
    """
    options = Options(boundary, True, backend, tolerance)
    if x.shape[-1] >= MANY_COORDINATES:
        data = prepare(kernel, x, y, y_weights, options, weights_name="y_weights")
        masses = row_weights(data, x, x_weights)
        value = RadialDifference(data, factors, self_pairs).value(masses[:, 0])
        return value if value is None or data.batched else value[0]
    if not self_pairs or not _may_have_form(backend, kernel, x.shape[-1]):
        return None
    points, masses = difference(x, y, x_weights, y_weights)
    data = prepare(kernel, points, points, masses, options)
    order = int(data.differentiated)
    approximation = approximation_of(data, order, highest=order)
    if not isinstance(approximation, Sorted):
        return None
    value = approximation.form(data)
    return value if data.batched else value[0]


def _may_have_form(backend: str | Backend, kernel: Kernel, dimension: int) -> bool:
    """Whether it is worth asking: a cheap look before the clouds are put together."""
    chosen = backend_of(backend_key(backend))
    if isinstance(chosen, Auto):
        return (
            dimension == 1 and terms_of(kernel) is not None
        )  # in more, `auto` keeps no discrepancy within a tolerance
    return isinstance(chosen, Sorted)
