"""What a pair sum sums, and the formulas of its derivatives: ``out_c(i) = Σⱼ f_c(Aᵢ, Bⱼ, P)``.

A is the data of a row (the coordinates of xᵢ, and whatever derivatives bring along), B that of a column (the
coordinates of yⱼ and its weights), P the parameters. The derivative of such a sum by A, B or P is a sum of the same
kind, so formulas are closed under differentiation.

Formulas have names, which compiled programs hold: the digest of the formula that a user wrote, then the path of
derivations from it, such as ``"1f0c…/vjp_rows:0,1/vjp_columns:2"``. A name is enough to make the formula again.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import torch

from interflow._torch_compat import constant_to_compilers
from interflow.boundaries import Boundary, OpenBoundary
from interflow.errors import BackendError, KernelError
from interflow.kernels import Kernel
from interflow.kernels.images import ImageSum
from interflow.parameters import hyperparameters
from interflow.sums.cache import BoundedCache, structure
from interflow.sums.even_part import at_coincidence, with_even_parts
from interflow.sums.expression import ONE, ZERO, Expression, leaf, rebuild, topological
from interflow.sums.images import image_sum, remember
from interflow.sums.operations import gradient, multiply, negate, subtract, tangent, unary, where
from interflow.sums.tracing import trace_displacement, trace_kernel
from interflow.sums.vectors import Rewriting, VectorFormula, periods_of, weighted_radial


@dataclass(frozen=True)
class Formula:
    """A vector of expressions with the numbers of leaves that they may use.

    Attributes:
        rows: components of A.
        columns: components of B.
        parameters: components of P.
        outputs: f_1, f_2, ….
        points: of a formula as it was written, how many of the first components of A, and of B, are coordinates of
            points; None for all of A.
    """

    rows: int
    columns: int
    parameters: int
    outputs: tuple[Expression, ...]
    points: int | None = None

    @property
    def coordinates(self) -> int:
        """The number of coordinates of a point; of a formula as it was written."""
        return self.rows if self.points is None else self.points

    def by_rows(self, components: Sequence[int]) -> Formula:
        """``Σ_c g_c(i) ∂f_c/∂A_k`` for the given k: A is followed by the cotangents g."""
        cotangents = [leaf("row", self.rows + index) for index in range(len(self.outputs))]
        outputs = gradient(self.outputs, cotangents, [leaf("row", component) for component in components])
        return Formula(self.rows + len(cotangents), self.columns, self.parameters, outputs)

    def by_columns(self, components: Sequence[int]) -> Formula:
        """``Σ_c g_c(i) ∂f_c/∂B_k`` summed over i: the roles are swapped, and the columns followed by g."""
        cotangents = [leaf("row", self.rows + index) for index in range(len(self.outputs))]
        outputs = gradient(self.outputs, cotangents, [leaf("column", component) for component in components])
        swapped = {"row": "column", "column": "row"}
        outputs = rebuild(
            outputs,
            lambda old, parts: (
                leaf(swapped[old.operation], int(old.value)) if old.operation in swapped else old.with_arguments(parts)
            ),
        )
        return Formula(self.columns, self.rows + len(cotangents), self.parameters, outputs)

    def by_parameters(self, components: Sequence[int]) -> Formula:
        """``Σ_c g_c(i) ∂f_c/∂P_k`` for the given k, still one number a row: A is followed by g."""
        cotangents = [leaf("row", self.rows + index) for index in range(len(self.outputs))]
        outputs = gradient(self.outputs, cotangents, [leaf("parameter", component) for component in components])
        return Formula(self.rows + len(cotangents), self.columns, self.parameters, outputs)

    def tangent(self, rows: Sequence[int], columns: Sequence[int], parameters: Sequence[int]) -> Formula:
        """``Σ_z ∂f_c/∂z ż``: A, B and P are followed by the tangents of the given components."""
        moving = {
            **{leaf("row", k): leaf("row", self.rows + index) for index, k in enumerate(rows)},
            **{leaf("column", k): leaf("column", self.columns + index) for index, k in enumerate(columns)},
            **{leaf("parameter", k): leaf("parameter", self.parameters + i) for i, k in enumerate(parameters)},
        }
        return Formula(
            self.rows + len(rows),
            self.columns + len(columns),
            self.parameters + len(parameters),
            tangent(self.outputs, moving),
        )

    def row_gradient(self, components: Sequence[int]) -> Formula:
        """``∂f_c/∂A_k``: for each output those by the given k, one output after another."""
        leaves = [leaf("row", component) for component in components]
        if len(self.outputs) == 1:  # reverse accumulation multiplies by the weight once, not once for each k
            slopes = gradient(self.outputs, (ONE,), leaves)
        else:
            slopes = tuple(slope for output in self.outputs for slope in _slopes(output, leaves))
        return Formula(self.rows, self.columns, self.parameters, slopes)

    def with_row_gradient(self, components: Sequence[int]) -> Formula:
        """f followed by its row gradient: values and gradients in one pass."""
        slopes = self.row_gradient(components).outputs
        return Formula(self.rows, self.columns, self.parameters, self.outputs + slopes)

    def shifted_exponential(self) -> Formula:
        """``exp(f_c − s_c)``: A is followed by the shifts s."""
        shifts = [leaf("row", self.rows + index) for index in range(len(self.outputs))]
        outputs = tuple(unary("exp", subtract(f, s)) for f, s in zip(self.outputs, shifts, strict=True))
        return Formula(self.rows + len(shifts), self.columns, self.parameters, outputs)

    def rewritten(self, rewrite: Rewriting) -> Formula:
        """The same with other expressions."""
        return replace(self, outputs=rewrite(self.outputs))


def _slopes(output: Expression, leaves: Sequence[Expression]) -> tuple[Expression, ...]:
    """The derivatives of an output by leaves of the row, times its factors that are the same for all rows.

    Outputs that are multiples of one expression share its derivatives.
    """
    match output.operation, output.arguments:
        case "multiply", (a, b) if "row" not in a.sides or "row" not in b.sides:
            factor, rest = (b, a) if "row" in a.sides else (a, b)
            return tuple(multiply(factor, slope) for slope in _slopes(rest, leaves))
        case "neg", (a,):
            return tuple(map(negate, _slopes(a, leaves)))
        case "where", (condition, a, b) if ZERO in (a, b):
            branches = zip(_slopes(a, leaves), _slopes(b, leaves), strict=True)
            return tuple(where(condition, *pair) for pair in branches)
    return gradient((output,), (ONE,), leaves)


MAX_FORMULAS: Final = 4096
"""Formulas that are remembered by name: of kernels of so many structures, those that were used last."""

_written = BoundedCache[str, Formula | VectorFormula](MAX_FORMULAS)


def named(formula: Formula | VectorFormula) -> tuple[str, Formula | VectorFormula]:
    """A formula that is not derived from another, with its name."""
    return _digest(formula), formula


def register(name: str, formula: Formula | VectorFormula) -> None:
    """Remember a formula by its name, by which sums and compiled programs know it."""
    _written[name] = formula


def _registered(name: str) -> Formula | VectorFormula:
    try:
        return _written[name]
    except KeyError:
        raise BackendError(
            f"A compiled program holds the formula {name} of a kernel, forgotten after {MAX_FORMULAS} others. "
            "Compile it again, after torch.compiler.reset()."
        ) from None


def derive(name: str, derivation: str, *components: Sequence[int]) -> str:
    """The name of a derivation: a method of `Formula` and the components that it is asked for."""
    asked = ":".join(",".join(map(str, part)) for part in components)
    return f"{name}/{derivation}:{asked}"


@lru_cache(maxsize=4096)
def lookup(name: str) -> Formula:
    """The formula of a name, in components."""
    return _derived(name, _degree(name)).rewritten(at_coincidence)


@lru_cache(maxsize=4096)
def lookup_vectors(name: str) -> VectorFormula | None:
    """The formula of a name in terms of inner products, where it was written so."""
    found = _derived_vectors(name, _degree(name))
    return None if found is None else found.rewritten(at_coincidence)


@lru_cache(maxsize=4096)
def _derived(name: str, degree: int) -> Formula:
    """A formula that is right at coincident points up to a degree of derivatives by points."""
    base, derivation, components = _last_step(name)
    if derivation:
        return _DERIVATIONS[derivation](_derived(base, degree), *components)
    written = _registered(name)
    if not isinstance(written, Formula):
        sizes = written.size(written.rows), written.size(written.columns)
        written = Formula(*sizes, written.parameters, written.expanded())
    return written.rewritten(lambda outputs: with_even_parts(outputs, degree))


@lru_cache(maxsize=4096)
def _derived_vectors(name: str, degree: int) -> VectorFormula | None:
    base, derivation, components = _last_step(name)
    if derivation:
        found = _derived_vectors(base, degree)
        if found is None or derivation not in _VECTOR_DERIVATIONS or _moves_a_period(found, derivation, components):
            return None
        return _VECTOR_DERIVATIONS[derivation](found, *components)
    written = _registered(name)
    if not isinstance(written, VectorFormula):
        return None
    return written.rewritten(lambda outputs: with_even_parts(outputs, degree))


def _moves_a_period(formula: VectorFormula, derivation: str, components: Sequence[Sequence[int]]) -> bool:
    """Whether a derivation is one by a period, too."""
    return derivation in ("vjp_parameters", "jvp") and not set(formula.periods).isdisjoint(components[-1])


def _degree(name: str) -> int:
    """The even number of times, at most, that a formula was differentiated by points."""
    times = 0
    while "/" in name:
        name, derivation, components = _last_step(name)
        points = [] if derivation == "vjp_parameters" else components[:2]  # of rows and of columns
        times += any(index < coordinates(name) for part in points for index in part)
    return times - times % 2


def coordinates(name: str) -> int:
    """The number of coordinates of a point."""
    return _registered(name.partition("/")[0]).coordinates


def output_count(name: str) -> int:
    """The number of components of the outputs."""
    vectors = lookup_vectors(name)
    return len(lookup(name).outputs) if vectors is None else vectors.size(vectors.layout)


def _last_step(name: str) -> tuple[str, str, list[list[int]]]:
    """A name taken apart: what is derived from, the derivation (empty for a formula as written), its components."""
    base, _, last = name.rpartition("/")
    if not base:
        return name, "", []
    derivation, *parts = last.split(":")
    return base, derivation, [[int(index) for index in part.split(",") if index] for part in parts]


_DERIVATIONS: dict[str, Callable[..., Formula]] = {
    "vjp_rows": Formula.by_rows,
    "vjp_columns": Formula.by_columns,
    "vjp_parameters": Formula.by_parameters,
    "jvp": Formula.tangent,
    "row_gradient": Formula.row_gradient,
    "with_row_gradient": Formula.with_row_gradient,
    "shifted_exponential": lambda formula, *_: formula.shifted_exponential(),
}
_VECTOR_DERIVATIONS: dict[str, Callable[..., VectorFormula]] = {
    "vjp_rows": VectorFormula.by_rows,
    "vjp_columns": VectorFormula.by_columns,
    "vjp_parameters": VectorFormula.by_parameters,
    "jvp": VectorFormula.tangent,
    "row_gradient": VectorFormula.row_gradient,
    "with_row_gradient": VectorFormula.with_row_gradient,
}


def weighted(kernel_value: Expression, dimension: int, parameters: int, weights: int = 1) -> Formula:
    """The formula of potentials, ``f_e(x, (y, w)) = wₑ·k(x, y)``."""
    outputs = tuple(multiply(leaf("column", dimension + index), kernel_value) for index in range(weights))
    return Formula(dimension, dimension + weights, parameters, outputs)


def _digest(formula: Formula | VectorFormula) -> str:
    """A name that is the same in every process: a hash of the nodes in topological order."""
    outputs = [output for output in formula.outputs if isinstance(output, Expression)]  # all, in what a user wrote
    numbers: dict[Expression, int] = {}
    periods = getattr(formula, "periods", "")
    digest = hashlib.sha256(f"{formula.rows} {formula.columns} {formula.parameters} {periods}".encode())
    digest.update(str(formula.coordinates).encode())
    for current in topological(outputs):
        numbers[current] = len(numbers)
        parts = " ".join(str(numbers[argument]) for argument in current.arguments)
        digest.update(f";{current.operation} {current.value!r} {parts}".encode())
    digest.update(f";{[numbers[output] for output in outputs]}".encode())
    return digest.hexdigest()[:16]


# --- names of formulas ------------------------------------------------------------------------------------------------

_names = BoundedCache[Hashable, tuple[str, Formula | VectorFormula]](MAX_FORMULAS)


@constant_to_compilers
def formula_name(
    kernel: Kernel,
    boundary: Boundary,
    dimension: int,
    dtype: torch.dtype = torch.float64,
    *,
    nearest: bool = False,
    weights: int = 1,
) -> str:
    """The name of ``wₑ·k(x, y)``; traced once for all kernels of one structure, whatever their parameters.

    Where all images count, their number is part of the structure: it follows from parameters and dtype. With
    ``nearest`` the nearest image alone counts. ``weights`` is the number of weights of a point.
    """
    own = structure(kernel)
    images = None if nearest else image_sum(kernel, own, boundary, dimension, dtype)
    key = (own, structure(boundary), dimension, images, weights)
    name, formula = _names.get_or_compute(key, lambda: named(_formula(kernel, boundary, dimension, images, weights)))
    register(name, formula)
    if images is not None:
        remember(name, kernel, boundary, dimension, dtype, images)
    return name


@constant_to_compilers
def untraced_name(kernel: Kernel, boundary: Boundary, dimension: int, dtype: torch.dtype) -> str:
    """A name for all kernels and domains of one structure where no formula is wanted."""
    key = (structure(kernel), structure(boundary), dimension, dtype)
    return _untraced.get_or_compute(key, lambda: f"untraced-{next(_count)}")


_untraced = BoundedCache[Hashable, str](MAX_FORMULAS)
_count = itertools.count()


def _formula(
    kernel: Kernel, boundary: Boundary, dimension: int, images: ImageSum[Any] | None, weights: int
) -> Formula | VectorFormula:
    """``wₑ·k(x, y)`` in inner products, for many coordinates and a kernel of the distance; else in components."""
    parameters = sum(value.numel() for part in (kernel, boundary) for value in hyperparameters(part).values())
    radial = _radial(kernel, boundary, dimension, parameters, weights) if images is None else None
    return radial or weighted(trace_kernel(kernel, boundary, dimension, images), dimension, parameters, weights)


def _radial(kernel: Kernel, boundary: Boundary, dimension: int, parameters: int, weights: int) -> VectorFormula | None:
    if dimension < MANY_COORDINATES:
        return None
    periods = periods_of(trace_displacement(kernel, boundary, dimension))
    if periods is None or (dimension <= MOST_WRITTEN_OUT and any(period is not None for period in periods)):
        return None  # where no matrix product serves, few components are faster written out
    try:
        plane = trace_kernel(kernel, OpenBoundary(), 2)
    except KernelError:  # such as one that has a length for each of its axes
        return None
    return weighted_radial(plane, periods, parameters, weights)


MANY_COORDINATES: Final = 8
"""Coordinates of a point from which on matrix products are worth while."""

MOST_WRITTEN_OUT: Final = 64
"""Coordinates of a point up to which a loop over its components is generated."""
