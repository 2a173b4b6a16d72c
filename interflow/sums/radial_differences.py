"""The kernel norm of a difference of measures with many coordinates, with its gradients from one pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from interflow.sums.api import bilinear_of, quadratic_of
from interflow.sums.backends import Dense, PairBackend, backend_of
from interflow.sums.backends.radial import Form, PointsTooNearError, Wanted, difference_by_products
from interflow.sums.backends.tiles import on_smaller_tiles
from interflow.sums.formula import lookup_vectors
from interflow.sums.known import requiring_gradient
from interflow.sums.pairsum import Prepared
from interflow.validation import can_read


@dataclass(frozen=True)
class RadialDifference:
    """``κ Σ aᵢaⱼ k(xᵢ,xⱼ) + λ Σ bᵢbⱼ k(yᵢ,yⱼ) − 2 Σ aᵢbⱼ k(xᵢ,yⱼ)``.

    Attributes:
        across: the data of the last sum.
        factors: κ and λ.
        self_pairs: whether i = j counts in the first two sums.
    """

    across: Prepared
    factors: tuple[float, float]
    self_pairs: bool

    def value(self, a: Tensor) -> Tensor | None:
        """F, ``(batch,)``, of x with weights ``(batch, N)``; None where matrix products are no way to sum it."""
        data = self.across
        clouds = [data.x.mT, data.y.mT, a, data.weights[:, 0], data.parameters]
        form = self._form(clouds)
        if form is None:
            return None
        try:
            value: Tensor = _Known.apply(self, form, Wanted(*requiring_gradient(clouds)), *clouds)
        except PointsTooNearError:
            return None
        return value

    def in_three_sums(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor, parameters: Tensor) -> Tensor:
        """F, ``(batch,)``, from three pair sums, which can be differentiated to any order."""
        points, masses = (x.mT, y.mT), (a[:, None], b[:, None])
        across = replace(self.across, x=points[0], y=points[1], weights=masses[1], parameters=parameters, batched=True)
        skip = not self.self_pairs
        within = [
            factor * quadratic_of(replace(across, x=cloud, y=cloud, weights=mass, skip_diagonal=skip))
            for factor, cloud, mass in zip(self.factors, points, masses, strict=True)
        ]
        return within[0] + within[1] - 2.0 * bilinear_of(across, masses[0])

    def _form(self, clouds: list[Tensor]) -> Form | None:
        """How the products are made; None where values cannot be read, or pairs are summed in another way."""
        data, backend = self.across, backend_of(self.across.backend)
        if not isinstance(backend, PairBackend) or data.tolerance is not None or not data.kernel.symmetric:
            return None
        vectors = lookup_vectors(data.formula)
        if vectors is None or not vectors.straight or not can_read(*clouds):
            return None
        if any(unpack_dual(cloud).tangent is not None for cloud in clouds):
            return None
        chosen = backend.choose(data.question(order=1).shape)
        if not isinstance(chosen, Dense):
            return None
        return Form(vectors, data.parameters.detach(), self.factors, self.self_pairs, chosen.tile)


class _Known(torch.autograd.Function):
    """F with its gradients from one pass; a gradient of these is taken of the three sums."""

    @staticmethod
    def forward(ctx: Any, difference: RadialDifference, form: Form, wanted: Wanted, *clouds: Tensor) -> Tensor:
        x, y, a, b, _ = clouds
        value, *gradients = on_smaller_tiles(
            lambda side: difference_by_products(replace(form, side=side), x, y, a, b, wanted), form.side
        )
        ctx.difference, ctx.wanted = difference, wanted
        ctx.save_for_backward(*clouds, *gradients)
        return value.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        clouds, gradients = saved[:5], saved[5:]
        if torch.is_grad_enabled():  # the gradient is to have a graph
            needed = [cloud for cloud, want in zip(clouds, ctx.wanted, strict=True) if want]
            value = ctx.difference.in_three_sums(*clouds)
            found = iter(torch.autograd.grad(value, needed, cotangent, create_graph=True))
            return None, None, None, *(next(found) if want else None for want in ctx.wanted)
        return None, None, None, *(_times(cotangent, gradient) for gradient in gradients)


def _times(cotangent: Tensor, gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient * cotangent.view(-1, *(1,) * (gradient.ndim - 1))
