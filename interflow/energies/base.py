"""What an energy is: a scalar E of positions and weights, and the velocity of its Wasserstein gradient flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, final

import torch
from torch import Tensor, nn

from interflow import measures
from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import ArgumentError
from interflow.kernels import Kernel
from interflow.parameters import LinearSpace, Parametrised, finite
from interflow.sums import Explanation
from interflow.validation import check_cloud

Features = Mapping[str, Tensor]
"""Features of particles by name, such as a charge: ``(N,)`` for numbers, ``(N, k)`` for vectors."""


class Energy(Parametrised, LinearSpace, ABC):
    """An energy E of the measure ``Σ aᵢ δ_{xᵢ}``. A subclass writes `forward`; the velocity is derived from it.

    Energies add and scale: ``e1 - 2.0 * e2``.

    Attributes:
        reads_features: whether E depends on features of the particles. A subclass that sets it to True writes
            ``forward(positions, weights, features)``; the others are not given any.

    Args:
        boundary: the domain; None where the energy is the same function on every domain, so that in a sum it follows
            the others, and alone it lives in open space.

    Example:
        >>> import torch
        >>> class Spread(Energy):
        ...     def forward(self, positions, weights=None):
        ...         return positions.var(0, correction=0).sum() / 2
        >>> Spread().velocity(torch.tensor([[0.0], [2.0]]))
        tensor([[ 1.],
                [-1.]])
    """

    reads_features: bool = False

    def __init__(self, boundary: Boundary | None = None) -> None:
        super().__init__()
        self._boundary = boundary

    @property
    def boundary(self) -> Boundary:
        """The domain, fixed when the energy is made."""
        return OpenBoundary() if self._boundary is None else self._boundary

    if TYPE_CHECKING:  # PyTorch types calls of modules as Any

        def __call__(
            self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None
        ) -> Tensor: ...

    @abstractmethod
    def forward(self, positions: Tensor, weights: Tensor | None = None) -> Tensor:
        """E, a scalar.

        Args:
            positions: ``(N, d)``.
            weights: ``(N,)``; None for 1/N.
        """

    def value_and_velocity(
        self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None
    ) -> tuple[Tensor, Tensor]:
        """E and its velocity, in one pass.

        Returns:
            The scalar E and ``v``, ``(N, d)``, as in `velocity`.

        Raises:
            ArgumentError: if a shape, dtype or device does not fit, or E is not a differentiable scalar.
        """
        self.check(positions, weights)
        return measures.value_and_velocity(lambda x: self(*self.arguments(x, weights, features)), positions, weights)

    def velocity(self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None) -> Tensor:
        """``vᵢ = −(1/aᵢ) ∂E/∂xᵢ``, zero where ``aᵢ = 0``.

        It can be differentiated wherever E can; under ``torch.no_grad()`` it keeps no graph.

        Args:
            positions: ``(N, d)``.
            weights: ``(N,)``; None for 1/N.
            features: by name, of which the energy takes those that it reads.

        Returns:
            ``(N, d)``.
        """
        return self.value_and_velocity(*self.arguments(positions, weights, features))[1]

    def explain(self, positions: Tensor, weights: Tensor | None = None) -> list[tuple[str, Explanation]]:
        """Which backends its sums take and why, each with the name of the term that sums; none for other energies."""
        return []

    def terms(self) -> list[tuple[str, Energy]]:
        """The energies that this one adds up, each with a name to call it by; scales are part of them."""
        return [(self.describe(), self)]

    def kernels(self) -> list[Kernel]:
        """The kernels in its formula, a scale being part of them; none for energies of another kind."""
        return []

    def describe(self) -> str:
        """A name for messages."""
        return type(self).__name__

    @final
    def arguments(self, positions: Tensor, weights: Tensor | None, features: Features | None) -> tuple[Any, ...]:
        """Arguments for its methods: with the features where E depends on them, else without."""
        return (positions, weights, features) if self.reads_features else (positions, weights)

    @final
    def check(self, positions: Tensor, weights: Tensor | None = None) -> None:
        """Raise `ArgumentError` unless the cloud is well formed and has as many coordinates as the domain."""
        check_cloud(positions, weights)
        self.boundary.check_dimension(positions.shape[-1])

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "boundary":  # a module of that name would be registered and then ignored
            raise AttributeError("the boundary of an energy is fixed when the energy is made")
        super().__setattr__(name, value)

    @final
    def _plus(self, other: Any) -> SumEnergy:
        return SumEnergy([self, other]) if isinstance(other, Energy) else NotImplemented

    @final
    def _times(self, factor: float) -> ScaledEnergy:
        return ScaledEnergy(factor, self)


@final
class SumEnergy(Energy):
    """``E = E₁ + E₂ + …`` on one domain; written ``e1 + e2``.

    Args:
        energies: the terms, at least one. A term that is itself a sum is taken apart.

    Raises:
        ArgumentError: if two terms live on different domains.

    Example:
        >>> from interflow import ExternalEnergy
        >>> well, slope = ExternalEnergy(lambda x: x.square().sum(-1)), ExternalEnergy(lambda x: x.sum(-1))
        >>> (well + slope)(torch.tensor([[1.0], [3.0]]))
        tensor(7.)
    """

    def __init__(self, energies: Sequence[Energy]) -> None:
        if not energies:
            raise ArgumentError("energies", came="no energy", wanted="at least one")
        flat = [part for energy in energies for part in _parts(energy)]
        super().__init__(_common_boundary(flat))
        self.energies = nn.ModuleList(flat)
        self.reads_features = any(energy.reads_features for energy in flat)

    def forward(self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None) -> Tensor:
        return _total(energy(*energy.arguments(positions, weights, features)) for energy in _parts(self))

    def value_and_velocity(
        self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None
    ) -> tuple[Tensor, Tensor]:
        pairs = [energy.value_and_velocity(*energy.arguments(positions, weights, features)) for energy in _parts(self)]
        return _total(value for value, _ in pairs), _total(velocity for _, velocity in pairs)

    def velocity(self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None) -> Tensor:
        return _total(energy.velocity(*energy.arguments(positions, weights, features)) for energy in _parts(self))

    def explain(self, positions: Tensor, weights: Tensor | None = None) -> list[tuple[str, Explanation]]:
        return [said for energy in _parts(self) for said in energy.explain(positions, weights)]

    def terms(self) -> list[tuple[str, Energy]]:
        return [term for energy in _parts(self) for term in energy.terms()]

    def kernels(self) -> list[Kernel]:
        return [kernel for energy in _parts(self) for kernel in energy.kernels()]

    def describe(self) -> str:
        return " + ".join(energy.describe() for energy in _parts(self))


@final
class ScaledEnergy(Energy):
    """``E = s·E₀``; written ``s * e0``. A negative scale turns descent into ascent.

    Args:
        scale: the factor s, any finite number.
        energy: the energy E₀.

    Example:
        >>> from interflow import ExternalEnergy
        >>> well = ExternalEnergy(lambda x: x.square().sum(-1))
        >>> (-0.5 * well).velocity(torch.tensor([[3.0]]))
        tensor([[3.]])
    """

    scale: Tensor

    def __init__(self, scale: float, energy: Energy) -> None:
        super().__init__(energy._boundary)
        self.register_buffer("scale", finite("scale", scale))
        self.energy = energy
        self.reads_features = energy.reads_features

    def forward(self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None) -> Tensor:
        return self._scaled(self.energy(*self.energy.arguments(positions, weights, features)))

    def value_and_velocity(
        self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None
    ) -> tuple[Tensor, Tensor]:
        value, velocity = self.energy.value_and_velocity(*self.energy.arguments(positions, weights, features))
        return self._scaled(value), self._scaled(velocity)

    def velocity(self, positions: Tensor, weights: Tensor | None = None, features: Features | None = None) -> Tensor:
        return self._scaled(self.energy.velocity(*self.energy.arguments(positions, weights, features)))

    def explain(self, positions: Tensor, weights: Tensor | None = None) -> list[tuple[str, Explanation]]:
        return self.energy.explain(positions, weights)

    def terms(self) -> list[tuple[str, Energy]]:
        scale = self.scale.item()
        return [(f"{scale:g} * {name}", scale * energy) for name, energy in self.energy.terms()]

    def kernels(self) -> list[Kernel]:
        return [self.scale.item() * kernel for kernel in self.energy.kernels()]

    def describe(self) -> str:
        name = self.energy.describe()
        return f"{self.scale.item():g} * {f'({name})' if isinstance(self.energy, SumEnergy) else name}"

    def _scaled(self, quantity: Tensor) -> Tensor:
        return self.scale.to(quantity.dtype) * quantity


def _parts(energy: Energy) -> list[Energy]:
    return [cast(Energy, part) for part in energy.energies] if isinstance(energy, SumEnergy) else [energy]


def _total(quantities: Iterable[Tensor]) -> Tensor:
    first, *rest = quantities
    for quantity in rest:
        first = first + quantity
    return first


def _common_boundary(energies: Sequence[Energy]) -> Boundary | None:
    first, *rest = [energy for energy in energies if energy._boundary is not None] or energies[:1]
    for other in rest:
        if not same_domain(first.boundary, other.boundary):
            raise ArgumentError(
                "energies",
                came=f"{first.describe()} on {first.boundary} and {other.describe()} on {other.boundary}",
                wanted="energies on one domain",
                remedy="Give the same boundary to each.",
            )
    return first._boundary


def same_domain(first: Boundary, second: Boundary) -> bool:
    """Whether two boundaries are one object, or of one class with equal attributes and hyperparameters."""
    return first is second or (_structure(first) == _structure(second) and _equal_tensors(first, second))


def _structure(boundary: Boundary) -> list[tuple[str, type, dict[str, Any]]]:
    machinery = vars(nn.Module()).keys()
    return [
        (name, type(part), {key: value for key, value in vars(part).items() if key not in machinery})
        for name, part in boundary.named_modules(remove_duplicate=False)
    ]


def _equal_tensors(first: Boundary, second: Boundary) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
