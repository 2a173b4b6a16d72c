"""The kernel distance of two measures with many coordinates, and its gradients, from one pass of matrix products.

For measures ``Σ aᵢ δ_{xᵢ}`` and ``Σ bⱼ δ_{yⱼ}`` and a kernel ``φ(|x − y|²)``

    ``F = κ Σ aᵢaⱼ φ(|xᵢ − xⱼ|²) + λ Σ bᵢbⱼ φ(|yᵢ − yⱼ|²) − 2 Σ aᵢbⱼ φ(|xᵢ − yⱼ|²)``.

Let the points of y have negative weights, and c and z be the weights and points of both. With the witness function
``W = Σ cⱼ φ(|· − zⱼ|²)``, whose terms within a cloud are multiplied by κ or λ, ``∂F/∂cᵢ = 2 W(zᵢ)`` and ``∂F/∂zᵢ = 2 cᵢ
∇W(zᵢ)``, where ``∇W = 2 Σⱼ cⱼ φ' (zᵢ − zⱼ)`` is one more matrix product. The pairs (i, j) and (j, i) are visited once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from interflow.sums.backends.loop import outside
from interflow.sums.backends.matmul import CentredPoints, OpenPairs
from interflow.sums.backends.tiles import Program, Tile, Workspace, compile_program, on_smaller_tiles
from interflow.sums.expression import ONE, Expression, constant, leaf, node, rebuild
from interflow.sums.formula import lookup_vectors
from interflow.sums.operations import gradient, multiply
from interflow.sums.optimise import Plan, plan_of
from interflow.sums.pairsum import PairSum, needs_gradient
from interflow.sums.vectors import DELTA, VectorFormula, inner
from interflow.validation import can_read

ONE_CLOUD_MAX_WORK: Final = 1 << 23
"""Pairs × coordinates up to which both measures are summed as one: more pairs, but fewer calls."""


class CancellationError(Exception):
    """So many pairs are near each other that a distance by matrix products would lose digits."""


class NeededGradients(NamedTuple):
    """Which gradients are needed: by the points and weights of both measures, and by the kernel's parameters."""

    x: bool
    y: bool
    x_weights: bool
    y_weights: bool
    parameters: bool


Distance = tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor | None, Tensor | None]
"""F, ``(batch,)`` in float64, and its gradients in the order of `NeededGradients`; None for one that is not needed."""


@dataclass(frozen=True)
class DistanceSpec:
    """The distance of two measures to compute.

    Attributes:
        formula: the weighted kernel ``w·φ``.
        parameters: parameters of the formula, ``(1, k)`` in float64.
        factors: κ and λ.
        self_pairs: whether i = j counts in the first two sums.
        tile: side of a tile of pairs.
    """

    formula: VectorFormula
    parameters: Tensor
    factors: tuple[float, float]
    self_pairs: bool
    tile: int


@dataclass(frozen=True)
class MatmulKernelDistance:
    """``κ Σ aᵢaⱼ k(xᵢ,xⱼ) + λ Σ bᵢbⱼ k(yᵢ,yⱼ) − 2 Σ aᵢbⱼ k(xᵢ,yⱼ)`` by matrix products.

    Attributes:
        pairs: the rows x with weights a, and the columns y with weights b.
        factors: κ and λ.
        self_pairs: whether i = j counts in the first two sums.
        tile: side of a tile of pairs.
        pair_sums: the same distance ``(batch,)`` from three pair sums, which can be differentiated to any order.
    """

    pairs: PairSum
    factors: tuple[float, float]
    self_pairs: bool
    tile: int
    pair_sums: Callable[[PairSum], Tensor]

    def value(self) -> Tensor | None:
        """The distance ``(batch,)``; None where matrix products are no way to sum it."""
        pairs = self.pairs
        assert pairs.row_weights is not None
        clouds = [pairs.x.mT, pairs.y.mT, pairs.row_weights[:, 0], pairs.weights[:, 0], pairs.parameters]
        spec = self._spec(clouds)
        if spec is None:
            return None
        try:
            value: Tensor = _DistanceFunction.apply(self, spec, NeededGradients(*needs_gradient(clouds)), *clouds)
        except CancellationError:
            return None
        return value

    def from_pair_sums(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor, parameters: Tensor) -> Tensor:
        """The distance of clouds ``(batch, N, d)`` with weights ``(batch, N)``, from three pair sums."""
        columns = (y.mT, b[:, None])
        return self.pair_sums(
            replace(self.pairs, rows=(x.mT,), columns=columns, row_weights=a[:, None], parameters=parameters)
        )

    def _spec(self, clouds: list[Tensor]) -> DistanceSpec | None:
        """How the products are made; None where values cannot be read, or pairs are summed in another way."""
        if not self.pairs.kernel.symmetric or not can_read(*clouds):
            return None
        formula = lookup_vectors(self.pairs.formula)
        if formula is None or not (formula.straight and formula.of_differences):
            return None
        if any(unpack_dual(cloud).tangent is not None for cloud in clouds):
            return None
        return DistanceSpec(formula, self.pairs.parameters.detach(), self.factors, self.self_pairs, self.tile)


class _DistanceFunction(torch.autograd.Function):
    """F with its gradients from one pass; a gradient of these is taken of the pair sums."""

    @staticmethod
    def forward(
        ctx: Any, distance: MatmulKernelDistance, spec: DistanceSpec, needed: NeededGradients, *clouds: Tensor
    ) -> Tensor:
        x, y, a, b, _ = clouds
        value, *gradients = on_smaller_tiles(
            lambda tile: matmul_distance(replace(spec, tile=tile), x, y, a, b, needed), spec.tile
        )
        ctx.distance, ctx.needed = distance, needed
        ctx.save_for_backward(*clouds, *gradients)
        return value.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        clouds, gradients = saved[:5], saved[5:]
        if torch.is_grad_enabled():  # the gradient is to have a graph
            inputs = [cloud for cloud, needed in zip(clouds, ctx.needed, strict=True) if needed]
            value = ctx.distance.from_pair_sums(*clouds)
            graph = iter(torch.autograd.grad(value, inputs, cotangent, create_graph=True))
            return None, None, None, *(next(graph) if needed else None for needed in ctx.needed)
        return None, None, None, *(_scale(cotangent, gradient) for gradient in gradients)


def _scale(cotangent: Tensor, gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient * cotangent.view(-1, *(1,) * (gradient.ndim - 1))


def matmul_distance(
    spec: DistanceSpec, x: Tensor, y: Tensor, a: Tensor, b: Tensor, needed: NeededGradients
) -> Distance:
    """Squared distance of two measures in the norm of a kernel, and its gradients.

    Args:
        spec: the kernel, and how its pairs are summed.
        x: ``(batch, N, d)``.
        y: ``(batch, M, d)``.
        a: weights of x, ``(batch, N)``.
        b: weights of y, ``(batch, M)``.
        needed: which gradients to compute.

    Raises:
        CancellationError: if too many pairs of points are near each other.
    """
    profile = _Profile(spec, needed.parameters, x)
    group = max(1, spec.tile**2 // min(max(x.shape[1], y.shape[1]), spec.tile) ** 2)
    groups = zip(x.split(group), y.split(group), a.split(group), b.split(group), strict=True)
    parts = [_group_distance(spec, profile, needed, *data) for data in groups]
    value, *gradients = (_concatenate(column) for column in zip(*parts, strict=True))
    assert value is not None
    if gradients[-1] is not None:
        gradients[-1] = gradients[-1].sum(0, keepdim=True)
    return value, *gradients  # type: ignore[return-value]


def _concatenate(parts: Sequence[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return None if not present else present[0] if len(present) == 1 else torch.cat(present)


class _Profile:
    """The inner loop of a distance: from squared distances to φ, φ' and, if they are needed, ``∂φ/∂p``.

    Attributes:
        scales: uniform factors that φ and ``∂φ/∂p`` still lack.
        derivative_scale: that of φ'.
    """

    def __init__(self, spec: DistanceSpec, by_parameters: bool, like: Tensor) -> None:
        plan, self._program = _plan_profile(spec.formula, by_parameters)
        before, after = outside(plan, spec.parameters, lambda _: like, like)
        self._parameters = before.view(-1, 1, 1, 1).unbind()
        self.workspace = Workspace(self._program, like)
        self.scales = [float(after[index]) if index in after else 1.0 for index in range(len(plan.inner))]
        self.derivative_scale = self.scales.pop(1)

    def __call__(self, squared_distances: Tensor) -> list[Tensor]:
        """The results without their scales, each ``(batch, rows, columns)`` in memory that may be written."""
        shape = squared_distances.shape

        def data(leaf: Expression) -> Tensor:
            return self._parameters[int(leaf.value)] if leaf.operation == "parameter" else squared_distances

        values = self.workspace.run(Tile(*(slice(0, size) for size in shape)), data)
        results = [values[slot] for slot in self._program.results]
        return [value if value.shape == shape else value.expand(shape).clone() for value in results]


@lru_cache(maxsize=256)
def _plan_profile(formula: VectorFormula, by_parameters: bool) -> tuple[Plan, Program]:
    (weighted,) = formula.outputs
    assert isinstance(weighted, Expression)
    (profile,) = gradient((weighted,), (ONE,), [leaf("column", 1)])
    parameters = [leaf("parameter", index) for index in range(formula.parameters)] if by_parameters else []
    outputs = [profile, *gradient((profile,), (ONE,), [inner(DELTA, DELTA), *parameters])]
    plan = plan_of(rebuild(outputs, _exp_to_exp2))
    return plan, compile_program(plan.inner)


def _exp_to_exp2(old: Expression, parts: tuple[Expression, ...]) -> Expression:
    """An exponential as a power of 2, which takes about half of the time; the factor joins the parameters."""
    if old.operation == "exp" and old.per_pair:
        return node("exp2", multiply(constant(1.0 / math.log(2.0)), parts[0]))
    return old.with_arguments(parts)


class _Cloud:
    """A measure ``Σ cᵢ δ_{zᵢ}``, and what is summed at its points: W and ½∇W, as far as gradients are needed."""

    def __init__(
        self, points: Tensor, weights: Tensor, center: Tensor, factor: float, by_points: bool, by_weights: bool
    ) -> None:
        self.points = CentredPoints.centred_at(center, points.mT, (0,))
        self.weights, self.factor = weights, factor
        self.witness = weights.new_zeros(weights.shape, dtype=torch.float64) if by_weights else None
        self.gradient = points.new_zeros(points.shape, dtype=torch.float64) if by_points else None

    def by_points(self) -> Tensor | None:
        """``∂F/∂z = 2 c ∇W``, if it is needed."""
        if self.gradient is None:
            return None
        return self.gradient.mul_(4.0 * self.weights[..., None]).to(self.weights.dtype)

    def by_weights(self) -> Tensor | None:
        """``∂F/∂c = 2 W``, if it is needed."""
        return None if self.witness is None else (2.0 * self.witness).to(self.weights.dtype)


def _group_distance(
    spec: DistanceSpec, profile: _Profile, needed: NeededGradients, x: Tensor, y: Tensor, a: Tensor, b: Tensor
) -> Distance:
    center = y.mean(1, keepdim=True, dtype=torch.float64).to(y.dtype)
    sizes = [x.shape[1], y.shape[1]]
    plain = spec.self_pairs and spec.factors == (1.0, 1.0)
    if plain and len(x) * sum(sizes) ** 2 * x.shape[2] <= ONE_CLOUD_MAX_WORK:
        joined = torch.cat([x, y], 1), torch.cat([a, -b], 1)
        clouds = [_Cloud(*joined, center, 1.0, needed.x or needed.y, needed.x_weights or needed.y_weights)]
    else:
        first = _Cloud(x, a, center, spec.factors[0], needed.x, needed.x_weights)
        clouds = [first, _Cloud(y, -b, center, spec.factors[1], needed.y, needed.y_weights)]
    value = _add_blocks(spec, profile, clouds)
    if plain and torch.equal(x, y) and torch.equal(a, b):
        value[:, 0] = 0.0  # to the bit, in whatever order the pairs were summed
    by_x, by_y = _split([cloud.by_points() for cloud in clouds], sizes)
    by_a, by_b = _split([cloud.by_weights() for cloud in clouds], sizes)
    gradients = by_x, by_y, by_a, None if by_b is None else -by_b, value[:, 1:]
    return value[:, 0], *(part if need else None for part, need in zip(gradients, needed, strict=True))  # type: ignore[return-value]


def _split(parts: Sequence[Tensor | None], sizes: list[int]) -> Sequence[Tensor | None]:
    """What belongs to x and to y, of a gradient of both or of each."""
    return parts if len(parts) == 2 else (None, None) if parts[0] is None else parts[0].split(sizes, 1)


def _add_blocks(spec: DistanceSpec, profile: _Profile, clouds: Sequence[_Cloud]) -> Tensor:
    """F and its derivatives by the parameters, ``(batch, 1 + k)``; W and ½∇W are added to the clouds."""
    like = clouds[0].weights
    value = like.new_zeros(len(like), len(profile.scales), dtype=torch.float64)
    parts = [
        (cloud, slice(start, min(start + spec.tile, cloud.weights.shape[1])))
        for cloud in clouds
        for start in range(0, cloud.weights.shape[1], spec.tile)
    ]
    for index, (left, rows) in enumerate(parts):
        for right, columns in parts[index:]:
            value += _Block(left, right, rows, columns, profile.workspace).add(profile, spec.self_pairs)
    return value


class _Block:
    """Pairs of some points of one cloud with some of another, or of the same: also their mirror images."""

    def __init__(self, left: _Cloud, right: _Cloud, rows: slice, columns: slice, workspace: Workspace) -> None:
        self.left, self.right, self.rows, self.columns = left, right, rows, columns
        self.is_diagonal_block = left is right and rows == columns
        self.factor = left.factor if left is right else 1.0
        self.a, self.b = left.weights[:, rows], right.weights[:, columns]
        batch = slice(0, len(self.a))
        points = left.points.cut(batch, rows), right.points.cut(batch, columns)
        shape = len(self.a), self.a.shape[1], self.b.shape[1]
        self.pairs = OpenPairs(*points, shape, workspace, self.is_diagonal_block, (self.a, self.b))
        if self.pairs.has_many_near_pairs:
            raise CancellationError

    def add(self, profile: _Profile, self_pairs: bool) -> Tensor:
        """``Σ aᵢ bⱼ φ`` and its derivatives by the parameters, ``(batch, 1 + k)``; W and ½∇W are added."""
        kernel, derivative, *by_parameters = profile(self.pairs.squared_distances)
        profiles = [kernel, *by_parameters]
        if self.is_diagonal_block and not self_pairs:
            for part in profiles:
                part.diagonal(0, 1, 2).zero_()
        a, b = self.a[..., None], self.b[..., None]
        potentials = [torch.bmm(part, b).mul_(scale) for part, scale in zip(profiles, profile.scales, strict=True)]
        if self.left.witness is not None:
            self.left.witness[:, self.rows].add_(potentials[0][..., 0], alpha=self.factor)
        if self.right.witness is not None and not self.is_diagonal_block:
            potential = torch.bmm(kernel.mT, a)[..., 0]
            self.right.witness[:, self.columns].add_(potential, alpha=self.factor * profile.scales[0])
        if self.is_diagonal_block:
            derivative.diagonal(0, 1, 2).zero_()  # Now that φ is summed: it may be the same tensor.
        self._add_gradients(derivative, self.factor * profile.derivative_scale)
        sums = torch.cat([(a * potential).sum(1, dtype=torch.float64) for potential in potentials], -1)
        return sums * (self.factor if self.is_diagonal_block else 2.0 * self.factor)

    def _add_gradients(self, derivative: Tensor, factor: float) -> None:
        if self.left.gradient is not None:
            part = self.pairs.weighted_differences(derivative, self.b)
            self.left.gradient[:, self.rows].add_(part, alpha=factor)
        if self.right.gradient is not None and not self.is_diagonal_block:
            part = self.pairs.weighted_differences(derivative, self.a, mirrored=True)
            self.right.gradient[:, self.columns].add_(part, alpha=factor)
