from __future__ import annotations

from typing import Literal

import pytest
import torch

from interflow.boundaries import OpenBoundary, PeriodicBoundary
from interflow.errors import ArgumentError
from tests.boundaries.cases import scattered


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
def test_expanded_squares_agree_with_direct_ones_far_from_the_origin(
    offset: float, dtype: torch.dtype, tolerance: float
) -> None:
    x, y = (scattered(count, seed=count, scale=1.0).to(dtype) + offset for count in (30, 40))
    direct = OpenBoundary().squared_distances(x, y)
    expanded = OpenBoundary().squared_distances(x, y, method="expanded")
    assert expanded.dtype == dtype
    assert bool((expanded >= 0).all())
    assert (expanded - direct).abs().max() <= tolerance * direct.max()


def test_expanded_squares_of_a_cloud_with_itself_are_never_negative() -> None:
    x = scattered(100, seed=0).float() + 1e4
    assert OpenBoundary().squared_distances(x, x, method="expanded").min() >= 0.0


@pytest.mark.parametrize(("count", "other"), [(0, 3), (3, 0), (0, 0), (1, 1)])
@pytest.mark.parametrize("method", ["direct", "expanded"])
def test_empty_and_single_clouds_have_a_matrix(count: int, other: int, method: Literal["direct", "expanded"]) -> None:
    squares = OpenBoundary().squared_distances(torch.zeros(count, 2), torch.zeros(other, 2), method=method)
    assert squares.shape == (count, other)


def test_unknown_methods_and_expanded_squares_on_a_torus_are_refused() -> None:
    x = torch.zeros(2, 2)
    with pytest.raises(ArgumentError, match=r"`method`.*'direct' or 'expanded'"):
        OpenBoundary().squared_distances(x, x, method="fast")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"`method`.*PeriodicBoundary"):
        PeriodicBoundary(1.0).squared_distances(x, x, method="expanded")
    with pytest.raises(ArgumentError, match="`y`"):
        OpenBoundary().squared_distances(x, torch.zeros(2, 3), method="expanded")


def test_open_space_has_any_dimension_and_no_period() -> None:
    boundary = OpenBoundary()
    boundary.check_dimension(17)
    assert boundary.half_period() is None
    assert boundary.periods(2).tolist() == [float("inf")] * 2
