"""What a pair sum sums, and the formulas of its derivatives: ``out_c(i) = Σⱼ f_c(Aᵢ, Bⱼ, P)``.

A is the data of a row (the coordinates of xᵢ, and whatever derivatives bring along), B that of a column (the
coordinates of yⱼ and its weight), P the parameters. The derivative of such a sum by A, B or P is a sum of the same
kind, so formulas are closed under differentiation.

Formulas have names, which compiled programs hold: the digest of the formula that a user wrote, then the path of
derivations from it, such as ``"1f0c…/rows:0,1/columns:2"``. A name is enough to make the formula again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final

from interflow.errors import BackendError
from interflow.sums.cache import BoundedCache
from interflow.sums.even_part import at_coincidence, with_even_parts
from interflow.sums.expression import ONE, Expression, leaf, node, rebuild, topological
from interflow.sums.operations import gradient, is_condition, multiply, tangent
from interflow.sums.optimise import cheaper, without_selections
from interflow.sums.vectors import Rewriting, VectorFormula


@dataclass(frozen=True)
class Formula:
    """A vector of expressions with the numbers of leaves that they may use.

    Attributes:
        rows: components of A.
        columns: components of B.
        parameters: components of P.
        outputs: f_1, f_2, ….
    """

    rows: int
    columns: int
    parameters: int
    outputs: tuple[Expression, ...]

    @property
    def coordinates(self) -> int:
        """The first components of A, and of B, which are those of points; of a formula as it was written."""
        return self.rows

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
        """``Σ_c ∂f_c/∂A_k``, the derivative with all cotangents equal to 1."""
        slopes = gradient(self.outputs, [ONE] * len(self.outputs), [leaf("row", component) for component in components])
        return Formula(self.rows, self.columns, self.parameters, slopes)

    def with_row_gradient(self, components: Sequence[int]) -> Formula:
        """f followed by its row gradient: value and gradient in one pass."""
        slopes = self.row_gradient(components).outputs
        return Formula(self.rows, self.columns, self.parameters, self.outputs + slopes)

    def rewritten(self, rewrite: Rewriting) -> Formula:
        """The same with other expressions."""
        return replace(self, outputs=rewrite(self.outputs))


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
        if found is None or _moves_a_period(found, derivation, components):
            return None
        return _VECTOR_DERIVATIONS[derivation](found, *components)
    written = _registered(name)
    if not isinstance(written, VectorFormula):
        return None
    return written.rewritten(lambda outputs: with_even_parts(outputs, degree))


def _moves_a_period(formula: VectorFormula, derivation: str, components: Sequence[Sequence[int]]) -> bool:
    """Whether a derivation is one by a period, too."""
    return derivation in ("parameters", "tangent") and not set(formula.periods).isdisjoint(components[-1])


def _degree(name: str) -> int:
    """The even number of times, at most, that a formula was differentiated by points."""
    times = 0
    while "/" in name:
        name, derivation, components = _last_step(name)
        points = [] if derivation == "parameters" else components[:2]  # of rows and of columns
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
    "rows": Formula.by_rows,
    "columns": Formula.by_columns,
    "parameters": Formula.by_parameters,
    "tangent": Formula.tangent,
    "row_gradient": Formula.row_gradient,
    "with_row_gradient": Formula.with_row_gradient,
}
_VECTOR_DERIVATIONS: dict[str, Callable[..., VectorFormula]] = {
    "rows": VectorFormula.by_rows,
    "columns": VectorFormula.by_columns,
    "parameters": VectorFormula.by_parameters,
    "tangent": VectorFormula.tangent,
    "row_gradient": VectorFormula.row_gradient,
    "with_row_gradient": VectorFormula.with_row_gradient,
}


def weighted(kernel_value: Expression, dimension: int, parameters: int) -> Formula:
    """The formula of a potential, ``f(x, (y, w)) = w·k(x, y)``."""
    return Formula(dimension, dimension + 1, parameters, (multiply(leaf("column", dimension), kernel_value),))


def _digest(formula: Formula | VectorFormula) -> str:
    """A name that is the same in every process: a hash of the nodes in topological order."""
    outputs = [output for output in formula.outputs if isinstance(output, Expression)]  # all, in what a user wrote
    numbers: dict[Expression, int] = {}
    periods = getattr(formula, "periods", "")
    digest = hashlib.sha256(f"{formula.rows} {formula.columns} {formula.parameters} {periods}".encode())
    for current in topological(outputs):
        numbers[current] = len(numbers)
        parts = " ".join(str(numbers[argument]) for argument in current.arguments)
        digest.update(f";{current.operation} {current.value!r} {parts}".encode())
    digest.update(f";{[numbers[output] for output in outputs]}".encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Plan:
    """A formula made ready for the inner loop: what does not change from pair to pair is taken out of it.

    ``out_c(i) = after_c(Aᵢ, P) · Σⱼ inner_c(Aᵢ, Bⱼ, before(P))``

    Attributes:
        before: expressions of the parameters alone; the parameter leaves of `inner` count these.
        inner: what is summed, one expression for each output.
        after: factors that do not depend on the column.
    """

    before: tuple[Expression, ...]
    inner: tuple[Expression, ...]
    after: tuple[Expression, ...]

    @cached_property
    def of_rows(self) -> tuple[int, ...]:
        """The outputs whose factor changes from row to row."""
        return tuple(index for index, factor in enumerate(self.after) if "row" in factor.sides)


@lru_cache(maxsize=4096)
def plan(name: str) -> Plan:
    """The plan of a formula in components."""
    return plan_of(lookup(name).outputs)


def plan_of(outputs: Sequence[Expression]) -> Plan:
    """The plan of some expressions."""
    pulled = _pulled(outputs)
    before: dict[Expression, Expression] = {}

    def hoisted(part: Expression) -> Expression:
        if part.sides != {"parameter"} or is_condition(part):
            return part
        return before.setdefault(part, leaf("parameter", len(before)))

    def hoist(old: Expression, parts: tuple[Expression, ...]) -> Expression:
        whole = old.sides == {"parameter"} and not is_condition(old)
        return old if whole else old.with_arguments(tuple(map(hoisted, parts)))

    inner = cheaper(without_selections([inner for inner, _ in pulled]))
    inner = tuple(map(hoisted, rebuild(rebuild(inner, _grouped), hoist)))
    return Plan(tuple(before), inner, tuple(after for _, after in pulled))


def _grouped(old: Expression, parts: tuple[Expression, ...]) -> Expression:
    """A product with the factors that are the same for all pairs brought together, so that they are hoisted as one."""
    if old.operation != "multiply":
        return old.with_arguments(parts)
    a, b = parts
    if a.shared and not b.shared:
        a, b = b, a
    if b.shared and a.operation == "multiply" and a.arguments[1].shared:
        return node("multiply", a.arguments[0], multiply(a.arguments[1], b))
    return node("multiply", a, b)


def _pulled(outputs: Sequence[Expression]) -> list[tuple[Expression, Expression]]:
    """Each output taken apart: the factors that depend on the column, and the others."""
    order, wanted = list(topological(outputs)), set(outputs)
    for current in reversed(order):
        if current in wanted and current.operation in ("neg", "multiply", "where", "add", "subtract"):
            wanted.update(current.arguments)
    found: dict[Expression, tuple[Expression, Expression]] = {}
    for current in order:
        if current in wanted:
            found[current] = _pull_factors(current, found)
    return [found[output] for output in outputs]


def _pull_factors(
    output: Expression, found: Mapping[Expression, tuple[Expression, Expression]]
) -> tuple[Expression, Expression]:
    """One of them, whose arguments have been taken apart."""
    if not {"column"} <= output.sides:
        return (ONE, output) if output.sides else (output, ONE)
    match output.operation, output.arguments:
        case "neg", (a,):
            inner, after = found[a]
            return inner, multiply(node("constant", value=-1.0), after)
        case "multiply", (a, b):
            (inner_a, after_a), (inner_b, after_b) = found[a], found[b]
            return multiply(inner_a, inner_b), multiply(after_a, after_b)
        case "where", (condition, a, b) if b.constant == 0.0:
            inner, after = found[a]
            return node("where", condition, inner, b), after
        case "add" | "subtract", (a, b):
            (inner_a, after_a), (inner_b, after_b) = found[a], found[b]
            if after_a is after_b and after_a is not ONE:
                return node(output.operation, inner_a, inner_b), after_a
    return output, ONE
