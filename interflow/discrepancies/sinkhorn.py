"""The Sinkhorn divergence, computed by GeomLoss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, final, get_args

import torch
from torch import Tensor

from interflow.discrepancies.autocast import in_single_precision
from interflow.discrepancies.base import Discrepancy
from interflow.discrepancies.geomloss import samples_loss
from interflow.discrepancies.mmd import Reduction
from interflow.errors import ArgumentError, BackendError
from interflow.validation import check_choice

Solver = Literal["auto", "tensorized", "online", "multiscale"]

_SMALL: Final = 5000**2


@final
class SinkhornDivergence(Discrepancy):
    """``S = OT_ε(α, β) − ½ OT_ε(α, α) − ½ OT_ε(β, β)`` of the cost ``|x − y|ᵖ`` (Feydy et al., 2019), by GeomLoss.

    ``OT_ε = min_π Σ π |x − y|ᵖ + pε KL(π | α ⊗ β)`` with ``ε = blurᵖ``. As the blur goes to 0, S tends to ``W_pᵖ``: it
    is squared for p = 2, without a factor ½, as an MMD is. GeomLoss returns ``S / p``.

    The gradient by points and weights is that of converged potentials, which are not themselves differentiated; a
    second derivative is refused.

    Args:
        blur: the length ``ε^(1/p)``, in units of the positions, below which detail is not resolved.
        p: the exponent of the cost, 1 or 2.
        scaling: the ratio of the blurs of successive iterations, between 0 and 1; nearer to 1 is more precise.
        solver: ``"tensorized"`` holds the cost matrix in memory; ``"online"`` recomputes it by KeOps; ``"multiscale"``
            does so by blocks of near points, for one cloud of d ≤ 3; ``"auto"`` chooses by size.
        reduction: what is made of a batch: its ``"mean"``, its ``"sum"``, or ``"none"`` for all ``(B,)`` values.

    Raises:
        ArgumentError: at construction for arguments out of range; in a call for shapes, dtypes or devices that do not
            fit, an empty cloud, or a negative weight.
        BackendError: in a call, if the package geomloss is missing, or if a second derivative is asked for.

    Example:
        >>> import torch
        >>> round(SinkhornDivergence(blur=0.01)(torch.zeros(1, 2), torch.ones(1, 2)).item(), 4)
        2.0
    """

    def __init__(
        self,
        *,
        blur: float = 0.05,
        p: int = 2,
        scaling: float = 0.5,
        solver: Solver = "auto",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_choice("solver", solver, get_args(Solver))
        check_choice("reduction", reduction, get_args(Reduction))
        if not 0.0 < blur < float("inf"):
            raise ArgumentError("blur", came=repr(blur), wanted="a positive number")
        if p not in (1, 2):
            raise ArgumentError("p", came=repr(p), wanted="1 or 2")
        if not 0.0 < scaling < 1.0:
            raise ArgumentError("scaling", came=repr(scaling), wanted="a number between 0 and 1")
        self.blur = float(blur)
        self.p = p
        self.scaling = float(scaling)
        self.solver = solver
        self.reduction = reduction

    @in_single_precision
    def forward(self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        self.check(x, y, x_weights, y_weights)
        masses = [_masses(x, x_weights), _masses(y, y_weights)]
        batch = [tensor if x.ndim == 3 else tensor[None] for tensor in (masses[0], x, masses[1], y)]
        value: Tensor = self.p * _Converged.apply(self._solve(*batch), *batch)  # type: ignore[no-untyped-call]
        if self.reduction == "none":
            return value if x.ndim == 3 else value[0]
        return value.mean() if self.reduction == "mean" else value.sum()

    def _solve(self, a: Tensor, x: Tensor, b: Tensor, y: Tensor) -> Callable[..., Tensor]:
        """GeomLoss for batches ``(B, N)``, ``(B, N, d)``, ``(B, M)``, ``(B, M, d)``; it returns ``(B,)``."""
        loss = samples_loss()(
            "sinkhorn", p=self.p, blur=self.blur, scaling=self.scaling, backend=self._chosen(x, y), debias=True
        )
        if loss.backend != "multiscale":
            return loss  # type: ignore[no-any-return]
        return lambda *clouds: torch.stack([loss(*(part[0] for part in clouds))])

    def _chosen(self, x: Tensor, y: Tensor) -> str:
        batch, count, dimension = x.shape
        if self.solver == "multiscale" and (batch > 1 or dimension > 3):
            came = f"'multiscale' with {batch} clouds in dimension {dimension}"
            raise ArgumentError("solver", came=came, wanted="one cloud of at most 3 dimensions, or another solver")
        if self.solver != "auto":
            return self.solver
        if count * y.shape[1] <= _SMALL:
            return "tensorized"
        return "multiscale" if batch == 1 and dimension <= 3 and self.p == 2 else "online"


class _Converged(torch.autograd.Function):
    """The value ``(B,)`` with the gradient that GeomLoss gives at converged potentials."""

    @staticmethod
    def forward(ctx: Any, solve: Callable[..., Tensor], *clouds: Tensor) -> Tensor:
        needed = [index for index, need in enumerate(ctx.needs_input_grad[1:]) if need]
        inputs = [cloud.detach().requires_grad_(index in needed) for index, cloud in enumerate(clouds)]
        with torch.enable_grad():  # restores the mode, which GeomLoss leaves switched on
            value = solve(*inputs)
            gradients = torch.autograd.grad(value.sum(), [inputs[index] for index in needed]) if needed else ()
        ctx.needed = needed
        ctx.save_for_backward(*clouds, *gradients)
        return value.detach()

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        clouds, gradients = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
        result: list[Tensor | None] = [None] * 5
        for index, gradient in zip(ctx.needed, gradients, strict=True):
            factor = cotangent.view(-1, *(1,) * (gradient.ndim - 1))
            result[1 + index] = factor * _Fixed.apply(gradient, *clouds)  # type: ignore[no-untyped-call]
        return tuple(result)


class _Fixed(torch.autograd.Function):
    """A gradient that depends on the clouds in a way that is not known."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *clouds: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        raise BackendError(
            "SinkhornDivergence is differentiated once: GeomLoss takes its potentials for constants. "
            "Take an MMD where second derivatives are needed."
        )


def _masses(points: Tensor, weights: Tensor | None) -> Tensor:
    return points.new_full(points.shape[:-1], 1.0 / points.shape[-2]) if weights is None else weights
