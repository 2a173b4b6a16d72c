"""What a discrepancy is: a scalar between two measures, and the velocity that brings the first to the second."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast, final

import torch
from torch import Tensor

from interflow import measures
from interflow.boundaries import Boundary, OpenBoundary
from interflow.kernels import Kernel
from interflow.parameters import Parametrised
from interflow.sums import Explanation
from interflow.validation import (
    check_cloud,
    check_masses,
    check_not_empty,
    check_same_mass,
    check_same_space,
    check_some_mass,
)


class Discrepancy(Parametrised, ABC):
    """A discrepancy ``D(Σ aᵢ δ_{xᵢ}, Σ bⱼ δ_{yⱼ})``. A subclass writes `forward`; the velocity is derived from it.

    Args:
        boundary: the domain; None for open space.
        normalise: divide the weights of each measure by their sum, where a subclass compares equal masses.

    Example:
        >>> import torch
        >>> class BetweenMeans(Discrepancy):
        ...     def forward(self, x, y, x_weights=None, y_weights=None):
        ...         return (x.mean(-2) - y.mean(-2)).square().sum(-1)
        >>> BetweenMeans().velocity(torch.tensor([[0.0]]), torch.tensor([[1.0], [3.0]]))
        tensor([[4.]])
    """

    def __init__(self, boundary: Boundary | None = None, *, normalise: bool = False) -> None:
        super().__init__()
        self.boundary = OpenBoundary() if boundary is None else boundary
        self.normalise = normalise

    if TYPE_CHECKING:  # PyTorch types calls of modules as Any

        def __call__(
            self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
        ) -> Tensor: ...

    @abstractmethod
    def forward(self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        """D, a scalar; on batches what the subclass's reduction makes of ``(B,)``.

        Args:
            x: ``(N, d)``, or a batch ``(B, N, d)``.
            y: ``(M, d)``, or a batch ``(B, M, d)``.
            x_weights: ``(N,)`` or ``(B, N)``, not negative, used as given unless ``normalise``; None for 1/N.
            y_weights: ``(M,)`` or ``(B, M)``, likewise.
        """

    def value_and_velocity(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """D and the velocity ``vᵢ = −(1/aᵢ) ∂D/∂xᵢ`` of its descent in x, zero where ``aᵢ = 0``; no batches.

        The velocity can be differentiated wherever D can; under ``torch.no_grad()`` it keeps no graph.

        Returns:
            The scalar D and ``v``, ``(N, d)``.
        """
        check_cloud(x, x_weights, names=("x", "x_weights"))
        return measures.value_and_velocity(lambda moved: self(moved, y, x_weights, y_weights), x, x_weights)

    def velocity(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> Tensor:
        """The velocity of `value_and_velocity` alone."""
        return self.value_and_velocity(x, y, x_weights, y_weights)[1]

    def relative(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> Tensor:
        """D up to a part that depends on y alone, which may cost less: a scalar. By default D itself. No batches."""
        return self(x, y, x_weights, y_weights)

    def explain(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> list[tuple[str, Explanation]]:
        """Which backends its sums take and why, each with a name; none for discrepancies of another kind."""
        return []

    def kernels(self) -> list[Kernel]:
        """The kernels in its formula; none for discrepancies of another kind."""
        return []

    @final
    def check(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None, y_weights: Tensor | None, *, batched: bool = True
    ) -> None:
        """Raise `ArgumentError` unless the two are non-empty clouds of one space with non-negative weights.

        Args:
            x: the first cloud.
            y: the second cloud.
            x_weights: its weights.
            y_weights: its weights.
            batched: accept batches.
        """
        for points, weights, name in ((x, x_weights, "x"), (y, y_weights, "y")):
            check_cloud(points, weights, names=(name, f"{name}_weights"), batched=batched)
            check_not_empty(points, name)
            check_masses(weights, f"{name}_weights")
        check_same_space(x, y)
        self.boundary.check_dimension(x.shape[-1])

    @final
    def equal_masses(self, x_weights: Tensor | None, y_weights: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """The weights of two measures that are compared as of one mass: divided by their sums with ``normalise``.

        Raises:
            ArgumentError: if the masses differ by more than 1e-3 of the larger, or a measure has none.
        """
        if not self.normalise:
            check_same_mass(x_weights, y_weights)
            return x_weights, y_weights
        check_some_mass(x_weights, "x_weights")
        check_some_mass(y_weights, "y_weights")
        return measures.normalised_weights(x_weights), measures.normalised_weights(y_weights)


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
