"""Bad arguments of kernels raise an error that names the argument."""

from __future__ import annotations

import math

import pytest
import torch

import interflow as fl
from interflow.errors import ArgumentError
from interflow.kernels import ProductKernel, ScaledKernel, SumKernel

BAD_LENGTHS = [0.0, -1.0, math.nan, math.inf, "wide", None, torch.tensor([[0.1, 0.2]])]


@pytest.mark.parametrize("value", BAD_LENGTHS, ids=repr)
@pytest.mark.parametrize(
    ("argument", "make"),
    [
        ("sigma", fl.GaussianKernel),
        ("sigma", fl.LaplacianKernel),
        ("sigma", lambda value: fl.MaternKernel(value, 0.5)),
        ("sigma", fl.InverseMultiquadricKernel),
        ("sigma", lambda value: fl.GaussianKernel(value, learnable=True)),
        ("attraction", lambda value: fl.MorseKernel(value, 1.0, 1.0, 1.0)),
        ("attraction_length", lambda value: fl.MorseKernel(1.0, value, 1.0, 1.0)),
        ("repulsion", lambda value: fl.MorseKernel(1.0, 1.0, value, 1.0)),
        ("repulsion_length", lambda value: fl.MorseKernel(1.0, 1.0, 1.0, value)),
        ("epsilon", lambda value: fl.LennardJonesKernel(value, 1.0)),
        ("sigma", lambda value: fl.LennardJonesKernel(1.0, value)),
        ("epsilon", lambda value: fl.SoftSphereKernel(value, 1.0)),
        ("sigma", lambda value: fl.SoftSphereKernel(1.0, value)),
        ("radius", fl.WendlandKernel),
        ("length", fl.YukawaKernel),
        ("exponent", fl.InversePowerKernel),
        ("exponent", fl.DistanceKernel),
    ],
)
def test_lengths_and_strengths_must_be_positive_numbers(argument: str, make, value) -> None:
    with pytest.raises(ArgumentError, match=f"`{argument}`") as caught:
        make(value)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    "make",
    [
        lambda value: fl.MorseKernel(value, 1.0, 1.0, 1.0),
        lambda value: fl.LennardJonesKernel(1.0, value),
        lambda value: fl.SoftSphereKernel(1.0, value),
        fl.WendlandKernel,
        fl.YukawaKernel,
    ],
)
def test_kernels_with_other_lengths_take_one_for_all_axes(make) -> None:
    with pytest.raises(ArgumentError, match=r"wanted a number\."):
        make(torch.tensor([0.1, 0.2]))


@pytest.mark.parametrize("value", [[0.1, 0.0], [0.1, -1.0], [0.1, math.nan], ["wide"], [[0.1, 0.2]]], ids=repr)
@pytest.mark.parametrize("make", [fl.GaussianKernel, fl.LaplacianKernel, fl.InverseMultiquadricKernel])
def test_lengths_of_the_axes_must_be_positive_numbers(make, value) -> None:
    with pytest.raises(ArgumentError, match="`sigma`"):
        make(value)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, "wide", torch.tensor([0.1, 0.2])], ids=repr)
@pytest.mark.parametrize(
    ("argument", "make"),
    [
        ("softening", fl.LogarithmicKernel),
        ("softening", lambda value: fl.InversePowerKernel(1.0, softening=value)),
        ("cutoff", lambda value: fl.LennardJonesKernel(1.0, 1.0, cutoff=value)),
    ],
)
def test_optional_lengths_must_be_positive_where_they_are_given(argument: str, make, value) -> None:
    with pytest.raises(ArgumentError, match=f"`{argument}`"):
        make(value)


@pytest.mark.parametrize("exponent", [0, 2, 2.0, -0.5, math.nan, "1"], ids=repr)
def test_exponent_of_the_distance_lies_between_0_and_2(exponent) -> None:
    with pytest.raises(ArgumentError, match=r"`exponent`.*between 0 and 2"):
        fl.DistanceKernel(exponent)


@pytest.mark.parametrize("exponent", [0.5, math.inf, math.nan, "2"], ids=repr)
def test_exponent_of_the_soft_sphere_is_at_least_1(exponent) -> None:
    with pytest.raises(ArgumentError, match=r"`exponent`.*at least 1"):
        fl.SoftSphereKernel(1.0, 1.0, exponent)


@pytest.mark.parametrize("nu", [0, 1, 0.7, 3.5, math.inf, "1/2", None], ids=repr)
def test_matern_smoothness_is_one_of_three(nu) -> None:
    with pytest.raises(ArgumentError, match=r"`nu`.*0\.5, 1\.5 or 2\.5"):
        fl.MaternKernel(1.0, nu)


@pytest.mark.parametrize("smoothness", [-1, 4, 0.5, True, "1", None, [1]], ids=repr)
def test_smoothness_of_wendland_is_one_of_four(smoothness) -> None:
    with pytest.raises(ArgumentError, match=r"`smoothness`.*0, 1, 2 or 3"):
        fl.WendlandKernel(1.0, smoothness)


@pytest.mark.parametrize("exponents", [(2, 2), (1.0, 3.0), (0, 0)], ids=repr)
def test_a_power_law_attracts_with_the_larger_exponent(exponents) -> None:
    with pytest.raises(ArgumentError, match=r"`repulsion`.*below the exponent"):
        fl.PowerLawKernel(*exponents)


@pytest.mark.parametrize("value", [math.nan, math.inf, "2", None], ids=repr)
def test_exponents_of_a_power_law_are_finite_numbers(value) -> None:
    with pytest.raises(ArgumentError, match="`attraction`"):
        fl.PowerLawKernel(value, 1.0)
    with pytest.raises(ArgumentError, match="`repulsion`"):
        fl.PowerLawKernel(4.0, value)


def test_logarithm_without_softening_has_nothing_to_learn() -> None:
    with pytest.raises(ArgumentError, match=r"`softening`.*learnable"):
        fl.LogarithmicKernel(learnable=True)


def test_sums_products_and_multiples_take_kernels_only() -> None:
    with pytest.raises(ArgumentError, match="`terms`"):
        SumKernel([])
    with pytest.raises(ArgumentError, match=r"`terms\[1\]`"):
        SumKernel([fl.GaussianKernel(1.0), "gaussian"])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="`factors`"):
        ProductKernel([])
    with pytest.raises(ArgumentError, match=r"`factors\[1\]`"):
        ProductKernel([fl.GaussianKernel(1.0), 2.0])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="`kernel`"):
        ScaledKernel(2.0, "gaussian")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="`scale`"):
        math.nan * fl.GaussianKernel(1.0)


@pytest.mark.parametrize(
    ("x", "y", "argument"),
    [
        (torch.zeros(3), torch.zeros(3, 1), "x"),
        (torch.zeros(3, 2), torch.zeros(3, 3), "y"),
        (torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, 2), "x"),
        (torch.zeros(3, 2), torch.zeros(3, 2, dtype=torch.float64), "y"),
    ],
)
def test_matrix_refuses_points_that_do_not_fit(x: torch.Tensor, y: torch.Tensor, argument: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        fl.GaussianKernel(1.0)(x, y)
    assert caught.value.argument == argument


def test_matrix_refuses_a_boundary_of_another_dimension() -> None:
    torus = fl.PeriodicBoundary(torch.ones(3))
    with pytest.raises(ArgumentError, match=r"`positions`.*2 coordinates.*3, as many as `lengths`"):
        fl.GaussianKernel(1.0)(torch.zeros(1, 2), torch.zeros(1, 2), torus)
