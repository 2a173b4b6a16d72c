"""Analysis and synthesis at the points of a cloud, differentiable to any order.

Both are linear, and adjoint to each other as maps between real vectors. Their derivatives by the points,

    ``∂/∂xⱼ Re Σₖ gₖ exp(i ωₖ·xⱼ) = Re Σₖ i ωₖ gₖ exp(i ωₖ·xⱼ)``,

are syntheses. So two functions are closed under differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from torch import Tensor
from torch.autograd import Function

from interflow.sums.series.modes import Modes
from interflow.sums.series.settings import Limit
from interflow.sums.series.transform import Accuracy, Samples, Transform


@dataclass(frozen=True)
class Cloud:
    """Points on a torus, ready to be transformed. What a transform prepares for them is shared by all that is done.

    Attributes:
        points: ``(batch, d, N)``.
        modes: the modes.
        samples: the exponentials at the points.
        limit: to which order sums may be differentiated by points; None where nothing tells.
        order: how often what is summed was differentiated already.

    Example:
        >>> import torch
        >>> from interflow.sums.series import Modes, Phases
        >>> modes = Modes(lengths=(1.0,), widths=(1,), origin=(0.0,))
        >>> cloud = Cloud.of(torch.tensor([[[0.0, 0.5]]]), modes, Phases())
        >>> cloud.analysis(torch.ones(1, 1, 2)).real
        tensor([[[0., 2., 0.]]], dtype=torch.float64)
    """

    points: Tensor
    modes: Modes
    samples: Samples
    limit: Limit | None = None
    order: int = 0

    @classmethod
    def of(cls, points: Tensor, modes: Modes, transform: Transform, limit: Limit | None = None) -> Cloud:
        """The cloud of these points, ``(batch, d, N)``."""
        return cls(points, modes, transform.at(points.detach(), modes), limit)

    def moved_to(self, points: Tensor) -> Cloud:
        """The same for a tensor of the same values that stands elsewhere in a graph."""
        return replace(self, points=points)

    def differentiated(self) -> Cloud:
        """The same for sums that were differentiated once more."""
        return replace(self, order=self.order + 1)

    def check_derivative(self) -> None:
        """Raise `BackendError` unless what is summed may be differentiated once more."""
        if self.limit is not None:
            self.limit.check(self.order + 1)

    def analysis(self, weights: Tensor) -> Tensor:
        """``ŵₖ = Σⱼ wⱼ exp(−i ωₖ·xⱼ)``, from ``(batch, n, N)`` to complex128 ``(batch, n, *modes)``."""
        return cast(Tensor, _Analysis.apply(self._without_graph(), self.points, weights.double()))

    def synthesis(self, coefficients: Tensor, accuracy: Accuracy | None = None, real: bool = False) -> Tensor:
        """``uⱼ = Re Σₖ gₖ exp(i ωₖ·xⱼ)``, from complex128 ``(batch, n, *modes)`` to float64 ``(batch, n, N)``.

        Args:
            coefficients: g.
            accuracy: what is enough for the sum itself; its derivatives are as right as an analysis.
            real: whether the sum is known to be real.
        """
        return cast(Tensor, _Synthesis.apply(self._without_graph(), accuracy, real, self.points, coefficients))

    def _without_graph(self) -> Cloud:
        """The same for a node to hold, which is handed the points beside it."""
        return self.moved_to(self.points.detach())


class _Analysis(Function):
    @staticmethod
    def forward(cloud: Cloud, points: Tensor, weights: Tensor) -> Tensor:
        return cloud.samples.analyse(weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.cloud, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        points, weights = ctx.saved_tensors
        cloud = ctx.cloud.moved_to(points)
        by_points = _along(weights, cloud, cotangent) if ctx.needs_input_grad[1] else None
        by_weights = cloud.synthesis(cotangent) if ctx.needs_input_grad[2] else None
        return None, by_points, by_weights


class _Synthesis(Function):
    @staticmethod
    def forward(cloud: Cloud, accuracy: Accuracy | None, real: bool, points: Tensor, coefficients: Tensor) -> Tensor:
        return cloud.samples.synthesise(coefficients, accuracy, real)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.cloud, _, _, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        points, coefficients = ctx.saved_tensors
        cloud = ctx.cloud.moved_to(points)
        cloud.check_derivative()  # which may be one by the points that the coefficients come from
        by_points = _along(cotangent, cloud, coefficients) if ctx.needs_input_grad[3] else None
        by_coefficients = cloud.analysis(cotangent) if ctx.needs_input_grad[4] else None
        return None, None, None, by_points, by_coefficients


def _along(weights: Tensor, cloud: Cloud, coefficients: Tensor) -> Tensor:
    """``Σₙ wₙⱼ ∇uₙ(xⱼ)`` with the uₙ of the coefficients, ``(batch, d, N)`` in the dtype of the points."""
    slopes = cloud.differentiated().synthesis(cloud.modes.derivatives(coefficients))
    slopes = slopes.unflatten(1, (weights.shape[1], cloud.modes.dimension))
    along: Tensor = (weights[:, :, None] * slopes).sum(1)
    return along.to(cloud.points.dtype)
