"""A kernel whose profile is a module, such as a small neural network."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from interflow.errors import ArgumentError
from interflow.kernels.base import RadialKernel
from interflow.validation import check_instance

MOST_PARAMETERS: Final = 2048
"""Numbers that a module may hold: each becomes a variable of the formula of a pair, and of code that is compiled."""


class ProfileKernel(RadialKernel):
    """``k(x, y) = φ(r²)`` with φ a module that maps ``(…, 1)`` to ``(…, 1)``, such as a multilayer perceptron.

    Its sums are formulas of a pair like any other: exact, in memory O(N + M), and differentiable to any order in the
    clouds and in the module's parameters. A smooth activation (``Tanh``, ``SiLU``, ``Softplus``) makes smooth fields.
    The backend ``dense`` takes layers of up to 32 units; ``compiled`` takes modules of up to 60 parameters, such as one
    layer of 16 units, and compiles each formula of them for ten seconds or more; ``keops`` refuses, with the reason: it
    has no ``tanh``, and writes a formula as a tree without common parts.

    Args:
        module: φ, made of linear layers and elementwise functions, with at most 2 048 parameters; it is used as it is,
            and its parameters are learned.

    Raises:
        ArgumentError: if the module is too large, or gives another shape.

    Example:
        >>> phi = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        >>> kernel = ProfileKernel(phi)
        >>> kernel(torch.zeros(3, 2), torch.ones(4, 2)).shape, len(list(kernel.parameters()))
        (torch.Size([3, 4]), 4)
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        check_instance("module", module, nn.Module)
        numbers = sum(tensor.numel() for tensor in (*module.parameters(), *module.buffers()))
        if numbers > MOST_PARAMETERS:
            wanted = f"at most {MOST_PARAMETERS}: each becomes a variable of the formula of a pair"
            raise ArgumentError("module", came=f"{numbers} parameters", wanted=wanted, remedy="Take narrower layers.")
        self.module = module
        self._check_shape()

    def profile(self, squared_distance: Tensor) -> Tensor:
        tensors = {name: tensor.to(squared_distance.dtype) for name, tensor in _tensors(self.module).items()}
        value: Tensor = torch.func.functional_call(self.module, tensors, (squared_distance[..., None],))
        return value[..., 0]

    @torch.no_grad()
    def _check_shape(self) -> None:
        wanted = "a map from (…, 1) to (…, 1)"
        try:
            shape = tuple(self.module(self._example()).shape)
        except RuntimeError as error:
            raise ArgumentError("module", came=f"one that takes no (3, 1): {error}", wanted=wanted) from error
        if shape != (3, 1):
            raise ArgumentError("module", came=f"shape {shape} from (3, 1)", wanted=wanted)

    def _example(self) -> Tensor:
        like = next(iter(_tensors(self.module).values()), torch.zeros(()))
        return like.new_ones(3, 1)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
