"""Outputs with a common factor are taken together, in order, and multiply back to what they were."""

from __future__ import annotations

import pytest

from interflow.sums.backends.keops import Product, products
from interflow.sums.expression import leaf
from interflow.sums.operations import multiply, sqrt, square

A, B, C = (leaf("row", index) for index in range(3))
SLOPE = sqrt(square(leaf("column", 0)))


def back(product: Product):
    """The outputs of a product."""
    if product.factor is None:
        return list(product.parts)
    return [multiply(product.factor, part) for part in product.parts]


@pytest.mark.parametrize(
    ("outputs", "sizes"),
    [
        ([multiply(SLOPE, A), multiply(SLOPE, B), multiply(SLOPE, C)], [3]),
        ([A, multiply(SLOPE, A), multiply(SLOPE, B)], [1, 2]),
        ([multiply(SLOPE, A), B, multiply(SLOPE, C)], [1, 1, 1]),
        ([multiply(SLOPE, A), multiply(SLOPE, B), multiply(A, B), multiply(A, C)], [2, 2]),
        ([A, B], [1, 1]),
        ([square(A), multiply(A, B)], [1, 1]),
        ([], []),
    ],
)
def test_neighbours_are_taken_together(outputs, sizes):
    found = products(outputs)
    assert [len(product.parts) for product in found] == sizes
    assert [output for product in found for output in back(product)] == outputs


def test_of_two_common_factors_the_larger_is_taken_out():
    outputs = [multiply(SLOPE, A), multiply(SLOPE, A)]
    assert products(outputs) == [Product(SLOPE, (A, A))]


def test_numbers_are_not_left_alone():
    outputs = [multiply(leaf("constant", 2.0), SLOPE), multiply(leaf("constant", 3.0), SLOPE)]
    assert [product.factor for product in products(outputs)] == [None, None]
