"""Common factors of several outputs: ``(c·a, c·b, d)`` as ``c·(a, b)`` and ``d``.

The components of a field have the slope of the kernel in common. Where each output is written out as a tree of its own,
as KeOps does, a factor that is taken out is computed once for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from interflow.sums.expression import Expression, topological


class Product(NamedTuple):
    """Outputs that follow each other: the parts, each times the factor where there is one."""

    factor: Expression | None
    parts: tuple[Expression, ...]


def products(outputs: Sequence[Expression]) -> list[Product]:
    """The outputs in order, taken together where neighbours are products with a factor in common.

    Example:
        >>> from interflow.sums.expression import leaf
        >>> from interflow.sums.operations import multiply
        >>> slope, across, along = leaf("column", 2), leaf("row", 0), leaf("row", 1)
        >>> [(str(factor), len(parts)) for factor, parts in products([multiply(slope, across), multiply(along, slope)])]
        [('column[2]', 2)]
    """
    found: list[Product] = []
    for output in outputs:
        joined = _joined(found[-1], output) if found else None
        if joined is None:
            found.append(Product(None, (output,)))
        else:
            found[-1] = joined
    return found


def _joined(product: Product, output: Expression) -> Product | None:
    """A product with one more output; None if they have no factor in common."""
    if product.factor is not None:
        factors: set[Expression] = {product.factor}
    else:
        factors = set(_factors(product.parts[0]))
    common = sorted(factors.intersection(_factors(output)), key=_size)
    if not common:
        return None
    factor = common[-1]
    before = product.parts if product.factor is not None else (_rest(product.parts[0], factor),)
    return Product(factor, (*before, _rest(output, factor)))


def _factors(output: Expression) -> tuple[Expression, ...]:
    """What may be taken out: a side of a product whose other side is no number."""
    if output.operation != "multiply":
        return ()
    left, right = output.arguments
    return tuple(side for side, other in ((left, right), (right, left)) if other.operation not in ("constant", "tiny"))


def _rest(output: Expression, factor: Expression) -> Expression:
    left, right = output.arguments
    return right if left is factor else left


def _size(expression: Expression) -> int:
    return sum(1 for _ in topological((expression,)))
