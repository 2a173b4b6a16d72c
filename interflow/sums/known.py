"""A scalar that was computed together with its gradient.

One pass over the pairs gives a value and its derivatives by points and weights. `with_known_gradient` ties them: the
result is the value, its backward pass multiplies the known gradient, and since the gradient is itself differentiable,
higher orders are right as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from interflow._torch_compat import apply, opaque_to_compilers


@opaque_to_compilers
def with_known_gradient(value: Tensor, inputs: list[Tensor], gradients: list[Tensor]) -> Tensor:
    """The value, as a function of the inputs.

    Args:
        value: ``(batch, 1, 1)``; no gradient flows through it.
        inputs: what it depends on, each ``(1 or batch, components, n)``.
        gradients: its derivatives by the inputs, each ``(batch, components, n)``.
    """
    result: Tensor = apply(_Known, len(inputs), value.detach(), *inputs, *gradients)
    return result


class _Known(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(count: int, value: Tensor, *tensors: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.count = inputs[0]
        ctx.set_materialize_grads(False)  # no gradient of zeros is sent into the graph of the known gradients
        ctx.save_for_backward(*inputs[2:])
        ctx.save_for_forward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor | None) -> tuple[Any, ...]:
        if cotangent is None:
            return (None,) * (2 + len(ctx.saved_tensors))
        inputs, gradients = _halves(ctx)
        needed = ctx.needs_input_grad[2 : 2 + ctx.count]
        weighted = [
            _summed_to(cotangent * gradient, tensor) if need else None
            for tensor, gradient, need in zip(inputs, gradients, needed, strict=True)
        ]
        return (None, None, *weighted, *(None for _ in gradients))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        gradients = ctx.saved_tensors[ctx.count :]
        pairs = [
            (gradient, tangent)
            for gradient, tangent in zip(gradients, tangents[2 : 2 + ctx.count], strict=True)
            if tangent is not None
        ]
        result: Tensor = apply(_Contraction, len(pairs), *(part for pair in zip(*pairs, strict=True) for part in pair))
        return result


class _Contraction(torch.autograd.Function):
    """``Σₘ ⟨gₘ, tₘ⟩`` over components and points; its own tangent is again one, as nested forward modes need."""

    generate_vmap_rule = True

    @staticmethod
    def forward(count: int, *tensors: Tensor) -> Tensor:
        left, right = tensors[:count], tensors[count:]
        total = sum((a * b).sum((1, 2), keepdim=True) for a, b in zip(left, right, strict=True))
        assert isinstance(total, Tensor)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.count = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
        left, right = _halves(ctx)
        others = zip((*left, *right), (*right, *left), strict=True)
        return (None, *(_summed_to(cotangent * other, tensor) for tensor, other in others))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        left, right = _halves(ctx)
        others = zip((*right, *left), tangents[1:], strict=True)
        moving = [(other, tangent) for other, tangent in others if tangent is not None]
        result: Tensor = apply(
            _Contraction, len(moving), *(part for pair in zip(*moving, strict=True) for part in pair)
        )
        return result


def _halves(ctx: Any) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The saved tensors before and after ``ctx.count``, unpacked once, which is all that checkpointing allows."""
    saved = ctx.saved_tensors
    return saved[: ctx.count], saved[ctx.count :]


def _summed_to(tensor: Tensor, like: Tensor) -> Tensor:
    """Summed over the batch where ``like`` stands for all of it, in its dtype."""
    return (tensor if like.shape[0] == tensor.shape[0] else tensor.sum(0, keepdim=True)).to(like.dtype)


def requiring_gradient(tensors: Sequence[Tensor]) -> list[bool]:
    """Which of the tensors a gradient is asked for."""
    return [torch.is_grad_enabled() and tensor.requires_grad for tensor in tensors]
