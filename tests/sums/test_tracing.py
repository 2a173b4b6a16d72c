"""Which kernels can be written as a formula of a pair, and what is said of those that cannot."""

from __future__ import annotations

import pytest
import torch

from interflow.errors import KernelError
from interflow.kernels import GaussianKernel, InversePowerKernel, Kernel, LennardJonesKernel, RadialKernel
from interflow.parameters import PositiveParameter
from interflow.sums import field, potential, potential_and_field
from tests.sums import reference
from tests.sums.cases import cloud, signed_weights

X, Y, W = cloud(6, 2, 0), cloud(5, 2, 1), signed_weights(5, 2)


class Unregistered(RadialKernel):
    def __init__(self):
        super().__init__()
        self.scale = torch.tensor(2.0, dtype=torch.float64)

    def profile(self, squared_distance):
        return squared_distance * self.scale


class Branching(RadialKernel):
    def profile(self, squared_distance):
        return squared_distance if squared_distance > 1 else -squared_distance


class Reading(RadialKernel):
    def profile(self, squared_distance):
        return squared_distance * squared_distance.item()


class Unsupported(RadialKernel):
    def profile(self, squared_distance):
        return squared_distance.digamma()


class ManyValued(Kernel):
    def pair(self, displacement):
        return torch.stack(displacement)


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (Unregistered(), "registered"),
        (Branching(), "Branching cannot be written as one expression"),
        (Reading(), "Reading cannot be written as one expression"),
        (Unsupported(), "digamma"),
        (ManyValued(), "ManyValued gives an array"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Kernel) else "",
)
def test_code_that_is_no_formula_of_a_pair_is_refused_with_the_reason(kernel, reason):
    with pytest.raises(KernelError, match=reason):
        potential(kernel, X, Y)


class Anisotropic(Kernel):
    """``exp(−Σ (δ_a/σ_a)²)``, a kernel with one parameter an axis."""

    symmetric = True

    def __init__(self, scales):
        super().__init__()
        self.scales = PositiveParameter(scales, per_axis=True, learnable=True)

    def pair(self, displacement):
        return sum(-(part / self.scales[axis]).square() for axis, part in enumerate(displacement)).exp()


def test_a_parameter_with_one_value_an_axis_is_summed_and_differentiated():
    kernel = Anisotropic(torch.tensor([0.3, 0.7]))
    u = potential(kernel, X, Y, W, backend="dense")
    expected = reference.potential(kernel, X, Y, W)
    torch.testing.assert_close(u, expected, rtol=1e-12, atol=1e-13)
    slopes = [torch.autograd.grad(value.square().sum(), kernel.log_scales)[0] for value in (u, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-11, atol=1e-12)


class Antisymmetric(Kernel):
    """``sin δ₁ · exp(−δ₂²)``, a kernel of the components of a displacement."""

    def pair(self, displacement):
        return displacement[0].sin() * (-displacement[1].square()).exp()


def test_a_kernel_of_the_components_is_summed():
    computed = potential_and_field(Antisymmetric(), X, Y, W, backend="dense")
    torch.testing.assert_close(computed[0], reference.potential(Antisymmetric(), X, Y, W), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(computed[1], reference.field(Antisymmetric(), X, Y, W), rtol=1e-12, atol=1e-13)


def test_a_sum_of_kernels_sums_like_its_terms():
    first, second = GaussianKernel(0.3), InversePowerKernel(1.0)
    whole = field(2.0 * first - second, X, Y, W, backend="dense")
    parts = 2.0 * field(first, X, Y, W, backend="dense") - field(second, X, Y, W, backend="dense")
    torch.testing.assert_close(whole, parts, rtol=1e-12, atol=1e-12)


def test_the_same_kernel_twice_counts_twice():
    kernel = GaussianKernel(0.3)
    torch.testing.assert_close(potential(kernel + kernel, X, Y, W), 2.0 * potential(kernel, X, Y, W))


def test_a_parameter_assigned_later_is_obeyed():
    kernel = GaussianKernel(0.3)
    potential(kernel, X, Y)
    kernel.sigma = 0.7
    torch.testing.assert_close(potential(kernel, X, Y), potential(GaussianKernel(0.7), X, Y), rtol=0, atol=0)


def test_an_exponent_fixed_in_the_code_is_part_of_the_formula():
    values = [potential(InversePowerKernel(p), X[:1], Y[:1]).log() for p in (1.0, 2.0, 3.0)]
    torch.testing.assert_close(torch.cat(values), values[0] * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))


def test_beyond_the_cutoff_there_is_neither_potential_nor_field():
    kernel = LennardJonesKernel(1.0, 0.1, cutoff=0.25)
    x = torch.zeros(1, 2, dtype=torch.float64)
    for distance, inside in ((0.25, False), (0.3, False), (0.24, True)):
        u, f = potential_and_field(kernel, x, torch.tensor([[distance, 0.0]], dtype=torch.float64))
        assert bool(u.count_nonzero()) is inside
        assert bool(f.count_nonzero()) is inside
