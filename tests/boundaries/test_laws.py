"""Laws that hold for every boundary."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.fx.experimental.proxy_tensor import make_fx

from interflow.boundaries import Boundary, OpenBoundary, PeriodicBoundary, ProductBoundary, ReflectingBoundary
from interflow.errors import ArgumentError
from interflow.parameters import hyperparameters, substitute
from tests.boundaries.cases import BOUNDARIES, BOUNDED, corners, scattered

every_boundary = pytest.mark.parametrize("boundary", BOUNDARIES.values(), ids=BOUNDARIES)
every_bounded = pytest.mark.parametrize("boundary", BOUNDED.values(), ids=BOUNDED)
every_dtype = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)


@every_bounded
@every_dtype
def test_wrap_lands_inside_in_every_dtype(boundary: Boundary, dtype: torch.dtype) -> None:
    lower, upper = corners(boundary, dtype)
    seams = torch.stack([lower.expand(2), upper.expand(2)])
    near = torch.cat([torch.nextafter(seams.float(), torch.full((), end)).to(dtype) for end in (-1e9, 1e9)])
    tiny = torch.tensor([[-1e-9, 1e-9], [-1e-30, 1e-30]], dtype=dtype)
    points = torch.cat([scattered(2000, seed=0).to(dtype), seams, near, tiny, lower - tiny, upper + tiny])
    wrapped = boundary.wrap(points)
    assert wrapped.dtype == dtype
    assert bool((wrapped >= lower).all())
    assert bool((wrapped <= upper).all())
    periodic = boundary.periods(2).isfinite()
    assert bool((wrapped < upper)[:, periodic].all())


@every_boundary
def test_reflect_wraps_positions_and_keeps_speeds(boundary: Boundary) -> None:
    x, v = scattered(200, seed=0), scattered(200, seed=1)
    inside, after = boundary.reflect(x, v)
    assert torch.equal(inside, boundary.wrap(x))
    assert torch.equal(after.abs(), v.abs())


@every_boundary
@settings(max_examples=25)
@given(leading=st.lists(st.integers(0, 3), max_size=3), seed=st.integers(0, 99))
def test_any_leading_shape_is_worked_on_point_by_point(boundary: Boundary, leading: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(*leading, 2, dtype=torch.float64, generator=generator) for _ in range(2))
    flat_x, flat_y = x.reshape(-1, 2), y.reshape(-1, 2)
    assert torch.equal(boundary.displacement(x, y).reshape(-1, 2), boundary.displacement(flat_x, flat_y))
    assert torch.equal(boundary.wrap(x).reshape(-1, 2), boundary.wrap(flat_x))
    strided = torch.stack([x, x], dim=-1)[..., 0]
    assert torch.equal(boundary.wrap(strided), boundary.wrap(x))


@every_boundary
def test_displacement_is_traced_without_looking_at_values(boundary: Boundary) -> None:
    values = hyperparameters(boundary)
    x, y = scattered(1, seed=0)[0], scattered(1, seed=1)[0]

    def displacement(values: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return substitute(boundary, values).displacement(x, y)

    graph = make_fx(displacement)({name: value.clone() for name, value in values.items()}, x, y)
    assert not [node for node in graph.graph.nodes if node.op == "get_attr"]
    changed = {name: 1.25 * value for name, value in values.items()}
    torch.testing.assert_close(graph(changed, 3 * x, y), displacement(changed, 3 * x, y), rtol=0, atol=1e-14)


@every_boundary
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda boundary: pickle.loads(pickle.dumps(boundary))])
def test_copies_are_the_same_domain(boundary: Boundary, duplicate) -> None:
    x, twin = scattered(20, seed=0), duplicate(boundary)
    assert torch.equal(twin.wrap(x), boundary.wrap(x))
    assert repr(twin) == repr(boundary)
    twin.load_state_dict(boundary.state_dict())


@every_boundary
def test_squared_distances_are_the_squares_of_displacements(boundary: Boundary) -> None:
    x, y = scattered(7, seed=0), scattered(5, seed=1)
    expected = boundary.displacement(boundary.fold(x)[:, None], boundary.fold(y)[None]).square().sum(-1)
    torch.testing.assert_close(boundary.squared_distances(x, y), expected, rtol=1e-14, atol=0)


def test_repr_reads_like_the_constructor() -> None:
    assert repr(OpenBoundary()) == "OpenBoundary()"
    assert repr(PeriodicBoundary(torch.tensor([1.0, 0.1]))) == "PeriodicBoundary(lengths=[1.0, 0.1], lower=0.0)"
    channel = ProductBoundary([ReflectingBoundary(0, 1), OpenBoundary()])
    assert repr(channel) == "ProductBoundary([ReflectingBoundary(lower=0.0, upper=1.0), OpenBoundary()])"


@every_boundary
def test_points_that_are_no_tensors_are_refused_by_name(boundary: Boundary) -> None:
    points = scattered(3, seed=0)
    array: Any = points.numpy()
    for argument, use in {
        "x": (lambda: boundary.wrap(array), lambda: boundary.reflect(array, points), lambda: boundary.wrap(x=array)),
        "y": (lambda: boundary.displacement(points, array), lambda: boundary.displacement(x=points, y=array)),
    }.items():
        for call in use:
            with pytest.raises(ArgumentError, match=f"`{argument}`: got a ndarray, wanted a Tensor"):
                call()
