"""What the interaction energy is made of where a law of a pair takes the place of the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from interflow import measures
from interflow.boundaries import Boundary
from interflow.energies.base import Features
from interflow.errors import ArgumentError
from interflow.kernels import Interaction
from interflow.sums import Backend, pair_sum
from interflow.validation import can_read, check_features

MAX_CHECKED = 32
"""Particles between which a law is compared with itself the other way round."""


@final
class _WeightedLaw(Interaction):
    """``aⱼ·law``, with the cutoff of the law."""

    def __init__(self, law: Interaction) -> None:
        super().__init__()
        self.law = law

    @property
    def cutoff(self) -> Tensor | None:  # type: ignore[override]  # read where the parameter is
        """The distance from which the law is 0."""
        return self.law.cutoff

    def pair(self, displacement: Tensor, i: Any, j: Any) -> Tensor:
        weighted: Tensor = j.weight * self.law.pair(displacement, i, j)
        return weighted

    def describe(self) -> str:
        return self.law.describe()


@dataclass(eq=False)
class LawSum:
    """``½ Σ aᵢ aⱼ law(δ, i, j)`` over i ≠ j, on one domain.

    Args:
        law: the law, whose pairs give a number.
        boundary: the domain.
        backend: how pairs are summed.
        needs_check: whether the next call checks that the law is symmetric.
    """

    law: Interaction
    boundary: Boundary
    backend: Backend
    needs_check: bool

    def __post_init__(self) -> None:
        self._weighted = _WeightedLaw(self.law)

    def value(self, positions: Tensor, weights: Tensor | None, features: Features | None) -> Tensor:
        """The energy, a scalar."""
        particles = self._particles(positions, weights, features)
        return self._half(self._sum(positions, positions, particles), weights)

    def value_and_velocity(
        self, positions: Tensor, weights: Tensor | None, features: Features | None
    ) -> tuple[Tensor, Tensor]:
        """The energy and the velocity of a symmetric law, which is twice that of the pairs' first particles alone."""
        particles = self._particles(positions, weights, features)
        value, velocity = measures.value_and_velocity(
            lambda rows: self._half(self._sum(rows, positions, particles), weights),
            positions.view_as(positions),  # another tensor than that of the particles that act, which stay
            weights,
        )
        return value, 2.0 * velocity

    def _half(self, potential: Tensor, weights: Tensor | None) -> Tensor:
        return 0.5 * measures.weighted_sum(potential, weights)

    def _sum(self, rows: Tensor, positions: Tensor, particles: dict[str, Tensor]) -> Tensor:
        total = pair_sum(
            self._weighted,
            rows,
            positions,
            x_features=particles,
            y_features=particles,
            boundary=self.boundary,
            self_pairs=False,
            backend=self.backend,
        )
        if total.ndim != 1:
            came = f"{self.law.describe()}, whose pairs give a vector of {total.shape[1]}"
            raise ArgumentError("kernel", came=came, wanted="a law whose pairs give a number, for an energy")
        return total

    def _particles(self, positions: Tensor, weights: Tensor | None, features: Features | None) -> dict[str, Tensor]:
        """What the law reads of the particles beside their positions."""
        check_features(features, positions)
        count = positions.shape[0]
        masses = positions.new_full((count,), 1.0 / max(count, 1)) if weights is None else weights
        particles = {**(features or {}), "weight": masses}
        if self.needs_check and count > 1 and can_read(positions, *particles.values()):
            own = {name: value.detach() for name, value in particles.items()}
            self.needs_check = not self._check_symmetric(positions.detach(), own)
        return particles

    @torch.no_grad()
    def _check_symmetric(self, positions: Tensor, particles: dict[str, Tensor]) -> bool:
        """Raise `ArgumentError` if ``law(δ, i, j)`` and ``law(−δ, j, i)`` differ for pairs of some particles.

        Returns:
            Whether there was anything to compare: a pair between which the law is not 0.
        """
        chosen = _some(positions, self.boundary)
        x, own = positions[chosen, None], {name: value[chosen, None] for name, value in particles.items()}
        values = pair_sum(
            self.law,
            x[:, None],
            x[None],
            x_features={name: value[:, None] for name, value in own.items()},
            y_features={name: value[None] for name, value in own.items()},
            boundary=self.boundary,
            self_pairs=True,
            backend="dense",
        )
        if values.ndim != 3:
            return False  # a vector, which the sum refuses
        forth, back = values[..., 0], values[..., 0].mT
        size = torch.maximum(forth.abs(), back.abs()).nan_to_num(0.0, posinf=0.0).fill_diagonal_(0.0)
        slack = torch.finfo(values.dtype).eps ** 0.5 * (size + size.mean())
        differ = ((forth - back).abs() > slack).fill_diagonal_(False)
        if bool(differ.any()):
            i, j = differ.nonzero()[0].tolist()
            first, second = chosen[i].item(), chosen[j].item()
            raise ArgumentError(
                "kernel",
                came=f"{self.law.describe()}, which gives {forth[i, j].item():.6g} for the particles {first} and "
                f"{second}, and {back[i, j].item():.6g} for {second} and {first}",
                wanted="a symmetric law, law(δ, i, j) = law(−δ, j, i)",
                remedy="Make it symmetric, or say InteractionEnergy(..., symmetric=False).",
            )
        return bool(size.any())


def _some(positions: Tensor, boundary: Boundary) -> Tensor:
    """Indices of at most so many particles: some from all over the cloud, and the nearest neighbour of each."""
    count = len(positions)
    if count <= MAX_CHECKED:
        return torch.arange(count, device=positions.device)
    spread = torch.arange(MAX_CHECKED // 2, device=positions.device) * count // (MAX_CHECKED // 2)
    distances = boundary.displacement(positions[spread, None], positions[None]).square().sum(-1)
    distances[torch.arange(len(spread)), spread] = torch.inf
    chosen: Tensor = torch.cat([spread, distances.argmin(1)]).unique()
    return chosen
