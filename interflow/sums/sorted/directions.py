"""Directions of the sphere for averages over it: ``|δ| = c_d E |⟨θ, δ⟩|``, ``c_d = √π Γ((d + 1)/2) / Γ(d/2)``."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from interflow._torch_compat import constant_to_compilers, outside_transforms
from interflow.errors import ArgumentError

Sampling = Literal["design", "random", "quasi"]


def projection_constant(dimension: int) -> float:
    """c_d, with which the mean of ``|⟨θ, δ⟩|`` over the sphere is the distance.

    Example:
        >>> round(projection_constant(1), 12), round(projection_constant(3), 12)
        (1.0, 2.0)
    """
    return math.sqrt(math.pi) * math.exp(math.lgamma((dimension + 1) / 2) - math.lgamma(dimension / 2))


def directions(count: int, dimension: int, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Unit vectors, ``(count, dimension)`` in float64 on the CPU; θ and −θ count as the same.

    - ``"design"``: in the plane a fan, equally spaced over half a turn; elsewhere orthonormal frames, each turned at
      random. Over a fan of P, polynomials of degree under 2P have the mean that they have over the circle, and over a
      frame those of degree 3 (Delsarte, Goethals and Seidel, 1977).
    - ``"random"``: independent and uniform.
    - ``"quasi"``: a scrambled Sobol' sequence, by normal quantiles.

    Args:
        count: P.
        dimension: d.
        sampling: one of the above.
        generator: on the CPU; where all of them are drawn from.

    Example:
        >>> directions(2, 2, "design", torch.Generator().manual_seed(0)) @ torch.ones(2, 1, dtype=torch.float64) != 0
        tensor([[True],
                [True]])
    """
    if sampling == "random":
        return _unit(torch.randn(count, dimension, dtype=torch.float64, generator=generator))
    if sampling == "quasi":
        return _unit(_normal_quantiles(count, dimension, generator))
    return _fan(count, generator) if dimension == 2 else _frames(count, dimension, generator)


@constant_to_compilers
def drawn(count: int, dimension: int, sampling: Sampling, seed: int) -> Tensor:
    """`directions` from a seed, also while `torch.func` transforms something else."""
    with outside_transforms():
        return directions(count, dimension, sampling, torch.Generator().manual_seed(seed))


def planar_error(count: int) -> float:
    """The largest relative error of a distance of the plane by a fan of P directions.

    The mean of ``|⟨θ, δ⟩|`` over the fan, times ``π/2 |δ|⁻¹``, lies between ``h cot h`` and ``h / sin h`` with
    ``h = π/2P``, hence within ``h²/3 ≈ 0.82/P²`` of 1 from below and ``h²/6`` from above, up to order P⁻⁴.
    """
    half = math.pi / (2 * count)
    return max(1.0 - half / math.tan(half), half / math.sin(half) - 1.0)


def planar_slope_error(count: int) -> float:
    """The largest error of a gradient of the distance in the plane, a unit vector, by a fan of P directions.

    The unit ball of the fan's norm is a polygon with 2P sides. Over one of its sectors the gradient is one vector, of
    length ``h / sin h`` with ``h = π/2P``, along the bisector; at the ends the direction is off by h.
    """
    half = math.pi / (2 * count)
    length = half / math.sin(half)
    return math.sqrt((length - 1.0) ** 2 + 4.0 * length * math.sin(0.5 * half) ** 2)  # the law of cosines, for small h


def seed_of(seed: int, points: Tensor) -> int:
    """A seed that changes with every bit of the points, and is the same for the same points."""
    whole = points.detach().contiguous()
    bits = whole.view(torch.int32 if whole.dtype == torch.float32 else torch.int64).flatten().long()
    places = torch.arange(bits.numel(), device=bits.device)
    mixed = (bits ^ (places * 0x9E3779B97F4A7C1 + seed)) * 0x2545F4914F6CDD1D  # wraps around, as hashes do
    return int((mixed ^ (mixed >> 29)).sum()) & (2**63 - 1)


def check_count(argument: str, count: object) -> None:
    """Raise `ArgumentError` unless it is a number of directions."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ArgumentError(argument, came=repr(count), wanted="a positive whole number")


def _fan(count: int, generator: torch.Generator) -> Tensor:
    turn = torch.rand((), dtype=torch.float64, generator=generator)
    angles = (torch.arange(count, dtype=torch.float64) + turn) * (math.pi / count)
    return torch.stack([angles.cos(), angles.sin()], -1)


def _frames(count: int, dimension: int, generator: torch.Generator) -> Tensor:
    frames = -(-count // dimension)
    normal = torch.randn(frames, dimension, dimension, dtype=torch.float64, generator=generator)
    q, r = torch.linalg.qr(normal)
    uniform: Tensor = q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None, :]  # which q alone, over rotations, is not
    return uniform.mT.reshape(-1, dimension)[:count]


def _normal_quantiles(count: int, dimension: int, generator: torch.Generator) -> Tensor:
    seed = int(torch.randint(2**31, (), generator=generator))
    engine = torch.quasirandom.SobolEngine(dimension, scramble=True, seed=seed)
    inside = engine.draw(count, dtype=torch.float64).clamp(1e-12, 1.0 - 1e-12)
    quantiles: Tensor = torch.special.ndtri(inside)
    return quantiles


def _unit(vectors: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / lengths
