"""The kernel norm of a difference of measures with many coordinates, and its gradient, from the same matrix products.

For measures ``Σ aᵢ δ_{xᵢ}`` and ``Σ bⱼ δ_{yⱼ}`` and a kernel ``φ(|x − y|²)``

    ``F = κ Σ aᵢaⱼ φ(|xᵢ − xⱼ|²) + λ Σ bᵢbⱼ φ(|yᵢ − yⱼ|²) − 2 Σ aᵢbⱼ φ(|xᵢ − yⱼ|²)``,

``∂F/∂aᵢ = 2 W(xᵢ)`` and ``∂F/∂xᵢ = 2 aᵢ ∇W(xᵢ)`` with the witness function ``W = κ Σ aⱼ φ − Σ bⱼ φ``, whose slope
``2 Σⱼ wⱼ φ' (xᵢ − zⱼ)`` is one more matrix product. The pairs of a cloud with itself are visited once for (i, j) and
(j, i). Squared distances are made as in `interflow.sums.backends.products`, with near pairs from their differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import torch
from torch import Tensor

from interflow.sums.backends.loop import outside
from interflow.sums.backends.products import GATHERED, MANY, NEAR
from interflow.sums.backends.tiles import Program, Tile, Workspace, compile_program
from interflow.sums.expression import ONE, Expression, constant, leaf, node, rebuild
from interflow.sums.operations import gradient, multiply
from interflow.sums.optimise import Plan, plan_of
from interflow.sums.vectors import DELTA, VectorFormula, inner


class Wanted(NamedTuple):
    """Which gradients are wanted: by the points and weights of both measures, and by the kernel's parameters."""

    x: bool
    y: bool
    x_weights: bool
    y_weights: bool
    parameters: bool


Difference = tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor | None, Tensor | None]
"""F, ``(batch,)`` in float64, and its gradients in the order of `Wanted`; None for one that is not."""


_Gradients = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]

_FEW: Final = 1 << 23
"""Coordinates of pairs up to which calls cost more than numbers."""


class PointsTooNearError(Exception):
    """So many points are near each other that float32 would lose digits, or that differences would fill the memory."""


@dataclass(frozen=True)
class Form:
    """What is summed, and how.

    Attributes:
        formula: the weighted kernel ``w·φ``.
        parameters: of the kernel, ``(1, k)`` in float64.
        factors: κ and λ.
        self_pairs: whether i = j counts in the first two sums.
        side: of a tile of pairs.
    """

    formula: VectorFormula
    parameters: Tensor
    factors: tuple[float, float]
    self_pairs: bool
    side: int


def difference_by_products(form: Form, x: Tensor, y: Tensor, a: Tensor, b: Tensor, wanted: Wanted) -> Difference:
    """F and its gradients.

    Args:
        form: the kernel, and how its pairs are summed.
        x: ``(batch, N, d)``.
        y: ``(batch, M, d)``.
        a: weights of x, ``(batch, N)``.
        b: weights of y, ``(batch, M)``.
        wanted: which gradients.

    Raises:
        PointsTooNearError: where this is no way to sum these points.
    """
    loop = _Loop(form, wanted.parameters, x)
    group = max(1, form.side**2 // min(max(x.shape[1], y.shape[1]), form.side) ** 2)
    groups = zip(x.split(group), y.split(group), a.split(group), b.split(group), strict=True)
    parts = [_of_a_group(form, loop, wanted, *data) for data in groups]
    value, *gradients = (_joined(column) for column in zip(*parts, strict=True))
    assert value is not None
    if gradients[-1] is not None:
        gradients[-1] = gradients[-1].sum(0, keepdim=True)
    return value, *gradients  # type: ignore[return-value]


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return None if not present else present[0] if len(present) == 1 else torch.cat(present)


def _of_a_group(form: Form, loop: _Loop, wanted: Wanted, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Difference:
    plain = form.self_pairs and form.factors == (1.0, 1.0)
    alike = plain and torch.equal(x, y) and torch.equal(a, b)
    if plain and len(x) * (a.shape[1] + b.shape[1]) ** 2 * x.shape[2] <= _FEW:
        total, gradients = _as_one_cloud(form, loop, wanted, x, y, a, b)
    else:
        total, gradients = _as_two_clouds(form, loop, wanted, x, y, a, b)
    if alike:
        total[:, 0] = 0.0  # to the bit, in whatever order the pairs were summed
    return total[:, 0], *gradients, total[:, 1:] if wanted.parameters else None


def _as_two_clouds(
    form: Form, loop: _Loop, wanted: Wanted, x: Tensor, y: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor, _Gradients]:
    """F and its derivatives by the parameters, ``(batch, 1 + k)``, and the other gradients."""
    center = y.mean(1, keepdim=True, dtype=torch.float64)
    first = _Cloud(x, a, center, wanted.x, wanted.x_weights)
    second = _Cloud(y, b, center, wanted.y, wanted.y_weights)
    within = [_total(z, z, loop, form, factor) for z, factor in zip((first, second), form.factors, strict=True)]
    total = within[0] + within[1] + 2.0 * _total(first, second, loop, form, -1.0)
    return total, (first.by_points(), second.by_points(), first.by_weights(), second.by_weights())


def _as_one_cloud(
    form: Form, loop: _Loop, wanted: Wanted, x: Tensor, y: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor, _Gradients]:
    """The same with κ = λ = 1 as one form of both clouds, y with negative mass: more pairs, and fewer calls."""
    center = y.mean(1, keepdim=True, dtype=torch.float64)
    by_points, by_weights = wanted.x or wanted.y, wanted.x_weights or wanted.y_weights
    cloud = _Cloud(torch.cat([x, y], 1), torch.cat([a, -b], 1), center, by_points, by_weights)
    total = _total(cloud, cloud, loop, form, 1.0)
    sizes = [x.shape[1], y.shape[1]]
    points, weights = cloud.by_points(), cloud.by_weights()
    by_x, by_y = (None, None) if points is None else points.split(sizes, 1)
    by_a, by_b = (None, None) if weights is None else weights.split(sizes, 1)
    return total, (
        by_x if wanted.x else None,
        by_y if wanted.y else None,
        by_a if wanted.x_weights else None,
        -by_b if wanted.y_weights and by_b is not None else None,
    )


def _total(left: _Cloud, right: _Cloud, loop: _Loop, form: Form, factor: float) -> Tensor:
    """``factor · Σ aᵢ bⱼ φ`` and its derivatives by the parameters, ``(batch, 1 + k)``; the clouds gather the rest."""
    total = left.points.new_zeros(len(left.points), len(loop.scales), dtype=torch.float64)
    for rows in _ranges(left.count, form.side):
        for columns in _ranges(right.count, form.side):
            if left is right and columns.start < rows.start:
                continue  # its mirror image was visited
            block = _Block(left, right, rows, columns)
            times = 2.0 * factor if left is right and not block.reflexive else factor
            total += times * block.add(loop, factor, form.self_pairs)
    return total


def _ranges(count: int, side: int) -> list[slice]:
    return [slice(start, min(start + side, count)) for start in range(0, count, side)]


class _Cloud:
    """A measure, and what is gathered at its points while pairs are visited.

    Args:
        points: ``(batch, n, d)``.
        weights: ``(batch, n)``.
        center: what is taken from the points, which changes no difference, ``(batch, 1, d)`` in float64.
        by_points: whether the gradient by the points is wanted.
        by_weights: whether that by the weights is.
    """

    def __init__(self, points: Tensor, weights: Tensor, center: Tensor, by_points: bool, by_weights: bool) -> None:
        self.points, self.weights = points, weights
        with_one = torch.nn.functional.pad((points - center).to(points.dtype), (0, 1), value=1.0)
        self.centred = with_one[..., :-1]
        self.squares = self.centred.square().sum(-1)
        self.weighted = weights[..., None] * with_one
        self.witness = weights.new_zeros(weights.shape, dtype=torch.float64) if by_weights else None
        self.slope = points.new_zeros(points.shape, dtype=torch.float64) if by_points else None  # ½ ∇W

    @property
    def count(self) -> int:
        """n."""
        return self.points.shape[1]

    def by_points(self) -> Tensor | None:
        """``∂F/∂x = 2 a ∇W``, if it is wanted."""
        return None if self.slope is None else self.slope.mul_(4.0 * self.weights[..., None]).to(self.points.dtype)

    def by_weights(self) -> Tensor | None:
        """``∂F/∂a = 2 W``, if it is wanted."""
        return None if self.witness is None else (2.0 * self.witness).to(self.weights.dtype)


class _Loop:
    """The inner loop of a kernel: from squared distances to φ, φ' and, if they are wanted, ``∂φ/∂p``.

    Args:
        form: the kernel.
        by_parameters: whether the last are wanted.
        like: gives dtype and device.
    """

    def __init__(self, form: Form, by_parameters: bool, like: Tensor) -> None:
        made, self._program = _plan(form.formula, by_parameters)
        before, after = outside(made, form.parameters, lambda _: like, like)
        self._parameters = before.view(-1, 1, 1, 1).unbind()
        self._workspace = Workspace(self._program, like)
        scales = [float(after[index]) if index in after else 1.0 for index in range(len(made.inner))]
        self.slope_scale = scales.pop(1)
        self.scales = scales

    def __call__(self, squared_distances: Tensor) -> list[Tensor]:
        """The results without their scales, each ``(batch, rows, columns)`` in memory that may be written."""
        shape = squared_distances.shape

        def data(leaf: Expression) -> Tensor:
            return self._parameters[int(leaf.value)] if leaf.operation == "parameter" else squared_distances

        values = self._workspace.run(Tile(*(slice(0, size) for size in shape)), data)
        found = [values[slot] for slot in self._program.results]
        return [value if value.shape == shape else value.expand(shape).clone() for value in found]


@lru_cache(maxsize=256)
def _plan(formula: VectorFormula, by_parameters: bool) -> tuple[Plan, Program]:
    (weighted,) = formula.outputs
    assert isinstance(weighted, Expression)
    (profile,) = gradient((weighted,), (ONE,), [leaf("column", 1)])
    moved = [leaf("parameter", index) for index in range(formula.parameters)] if by_parameters else []
    outputs = [profile, *gradient((profile,), (ONE,), [inner(DELTA, DELTA), *moved])]
    made = plan_of(rebuild(outputs, _in_powers_of_two))
    return made, compile_program(made.inner)


def _in_powers_of_two(old: Expression, parts: tuple[Expression, ...]) -> Expression:
    """An exponential as a power of 2, which takes about half of the time; the factor joins the parameters."""
    if old.operation == "exp" and old.per_pair:
        return node("exp2", multiply(constant(1.0 / math.log(2.0)), parts[0]))
    return old.with_arguments(parts)


class _Block:
    """Pairs of some points of one cloud with some of another, or of the same.

    Args:
        left: the first cloud.
        right: the second.
        rows: the points of the first.
        columns: those of the second.
    """

    def __init__(self, left: _Cloud, right: _Cloud, rows: slice, columns: slice) -> None:
        self.left, self.right, self.rows, self.columns = left, right, rows, columns
        self.reflexive = left is right and rows == columns  # i = j is a point with itself
        x, y = left.centred[:, rows], right.centred[:, columns]
        self.squared_distances = torch.baddbmm(right.squares[:, None, columns], x, y.mT, alpha=-2.0)
        self.squared_distances += left.squares[:, rows, None]
        self.squared_distances.clamp_(min=0.0)
        self.near = self._near()
        if self.near is not None:
            b, i, j = self.near
            self.differences = left.points[:, rows][b, i] - right.points[:, columns][b, j]
            self.squared_distances[self.near] = self.differences.square().sum(-1)

    def _near(self) -> tuple[Tensor, ...] | None:
        """The indices of near pairs of different points; a point with itself is at 0, and padding does not count."""
        distances = self.squared_distances
        if self.reflexive:
            distances.diagonal(0, 1, 2).fill_(torch.inf)
        limit = NEAR[distances.dtype] * (self.left.squares.max() + self.right.squares.max())
        near = (distances <= limit).nonzero().unbind(1) if distances.amin() <= limit else None
        if self.reflexive:
            distances.diagonal(0, 1, 2).zero_()
        if near is None:
            return None
        b, i, j = near
        heavy = (self.left.weights[:, self.rows][b, i] != 0) | (self.right.weights[:, self.columns][b, j] != 0)
        b, i, j = (index[heavy] for index in near)
        if len(b) > min(MANY * distances.numel(), GATHERED / self.left.points.shape[-1]):
            raise PointsTooNearError
        return b, i, j

    def add(self, loop: _Loop, factor: float, self_pairs: bool) -> Tensor:
        """``Σ aᵢ bⱼ φ`` and its derivatives by the parameters, ``(batch, 1 + k)``.

        What the clouds want is added there; a block stands for its mirror image as well.
        """
        kernel, slope, *by_parameters = loop(self.squared_distances)
        profiles = [kernel, *by_parameters]
        if self.reflexive and not self_pairs:
            for profile in profiles:
                profile.diagonal(0, 1, 2).zero_()
        a, b = self.left.weights[:, self.rows, None], self.right.weights[:, self.columns, None]
        potentials = [torch.bmm(profile, b).mul_(scale) for profile, scale in zip(profiles, loop.scales, strict=True)]
        if self.left.witness is not None:
            self.left.witness[:, self.rows].add_(potentials[0][..., 0], alpha=factor)
        if self.right.witness is not None and not self.reflexive:
            self.right.witness[:, self.columns].add_(torch.bmm(kernel.mT, a)[..., 0], alpha=factor * loop.scales[0])
        self._add_slopes(slope, factor * loop.slope_scale)
        return torch.cat([(a * potential).sum(1, dtype=torch.float64) for potential in potentials], -1)

    def _add_slopes(self, slope: Tensor, factor: float) -> None:
        """``factor · Σⱼ wⱼ φ' (xᵢ − yⱼ)``, and its mirror image; near pairs are added from their differences."""
        if self.reflexive:
            slope.diagonal(0, 1, 2).zero_()
        left, right = self.left.slope, None if self.reflexive else self.right.slope
        if self.near is not None:
            b, i, j = self.near
            near = factor * slope[self.near][:, None] * self.differences
            slope[self.near] = 0.0
            if left is not None:
                pulls = self.right.weights[:, self.columns][b, j, None] * near
                left[:, self.rows].index_put_((b, i), pulls.double(), accumulate=True)
            if right is not None:
                pulls = self.left.weights[:, self.rows][b, i, None] * near
                right[:, self.columns].index_put_((b, j), -pulls.double(), accumulate=True)
        if left is not None:
            pull = _pull(slope, self.left.centred[:, self.rows], self.right.weighted[:, self.columns])
            left[:, self.rows].add_(pull, alpha=factor)
        if right is not None:
            pull = _pull(slope.mT, self.right.centred[:, self.columns], self.left.weighted[:, self.rows])
            right[:, self.columns].add_(pull, alpha=factor)


def _pull(slope: Tensor, points: Tensor, weighted: Tensor) -> Tensor:
    """``Σⱼ wⱼ φ'ᵢⱼ (xᵢ − yⱼ)`` from points x and ``wⱼ (yⱼ, 1)``."""
    product = torch.bmm(slope, weighted)
    return torch.addcmul(product[..., :-1], product[..., -1:], points, value=-1.0).neg_()
