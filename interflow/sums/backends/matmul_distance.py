"""The kernel distance of two measures with many coordinates, with its gradients from one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from interflow.sums.backends.radial import Form, PointsTooNearError, Wanted, difference_by_products
from interflow.sums.backends.tiles import on_smaller_tiles
from interflow.sums.formula import lookup_vectors
from interflow.sums.pairsum import PairSum, needs_gradient
from interflow.validation import can_read


@dataclass(frozen=True)
class MatmulKernelDistance:
    """``κ Σ aᵢaⱼ k(xᵢ,xⱼ) + λ Σ bᵢbⱼ k(yᵢ,yⱼ) − 2 Σ aᵢbⱼ k(xᵢ,yⱼ)`` by matrix products.

    Attributes:
        pairs: the rows x with weights a, and the columns y with weights b.
        factors: κ and λ.
        self_pairs: whether i = j counts in the first two sums.
        tile: side of a tile of pairs.
        from_pair_sums: the same distance ``(batch,)`` from three pair sums, which can be differentiated to any order.
    """

    pairs: PairSum
    factors: tuple[float, float]
    self_pairs: bool
    tile: int
    from_pair_sums: Callable[[PairSum], Tensor]

    def value(self) -> Tensor | None:
        """The distance ``(batch,)``; None where matrix products are no way to sum it."""
        pairs = self.pairs
        assert pairs.row_weights is not None
        clouds = [pairs.x.mT, pairs.y.mT, pairs.row_weights[:, 0], pairs.weights[:, 0], pairs.parameters]
        form = self._form(clouds)
        if form is None:
            return None
        try:
            value: Tensor = _Distance.apply(self, form, Wanted(*needs_gradient(clouds)), *clouds)
        except PointsTooNearError:
            return None
        return value

    def of(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor, parameters: Tensor) -> Tensor:
        """The distance of clouds ``(batch, N, d)`` with weights ``(batch, N)``, from three pair sums."""
        columns = (y.mT, b[:, None])
        return self.from_pair_sums(
            replace(self.pairs, rows=(x.mT,), columns=columns, row_weights=a[:, None], parameters=parameters)
        )

    def _form(self, clouds: list[Tensor]) -> Form | None:
        """How the products are made; None where values cannot be read, or pairs are summed in another way."""
        if not self.pairs.kernel.symmetric or not can_read(*clouds):
            return None
        formula = lookup_vectors(self.pairs.formula)
        if formula is None or not (formula.straight and formula.of_differences):
            return None
        if any(unpack_dual(cloud).tangent is not None for cloud in clouds):
            return None
        return Form(formula, self.pairs.parameters.detach(), self.factors, self.self_pairs, self.tile)


class _Distance(torch.autograd.Function):
    """The distance with its gradients from one pass; a gradient of these is taken of the three sums."""

    @staticmethod
    def forward(ctx: Any, distance: MatmulKernelDistance, form: Form, wanted: Wanted, *clouds: Tensor) -> Tensor:
        x, y, a, b, _ = clouds
        value, *gradients = on_smaller_tiles(
            lambda side: difference_by_products(replace(form, side=side), x, y, a, b, wanted), form.side
        )
        ctx.distance, ctx.wanted = distance, wanted
        ctx.save_for_backward(*clouds, *gradients)
        return value.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        clouds, gradients = saved[:5], saved[5:]
        if torch.is_grad_enabled():  # the gradient is to have a graph
            needed = [cloud for cloud, want in zip(clouds, ctx.wanted, strict=True) if want]
            value = ctx.distance.of(*clouds)
            found = iter(torch.autograd.grad(value, needed, cotangent, create_graph=True))
            return None, None, None, *(next(found) if want else None for want in ctx.wanted)
        return None, None, None, *(_times(cotangent, gradient) for gradient in gradients)


def _times(cotangent: Tensor, gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient * cotangent.view(-1, *(1,) * (gradient.ndim - 1))
