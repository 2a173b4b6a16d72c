"""Pair sums are closed under differentiation: by points, weights and parameters, in both modes, to second order."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call, grad, grad_and_value, jacfwd, jacrev, jvp, vmap

from interflow import sums as engine
from interflow.kernels import GaussianKernel, Kernel, MorseKernel
from interflow.sums import bilinear, field, potential, quadratic
from tests.sums import reference
from tests.sums.cases import BOUNDARIES, cloud, signed_weights

# torch's own use of its own deprecated function, when forward mode is first used
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

TORUS = BOUNDARIES["torus"](2)
X, Y, A, B = cloud(4, 2, 0), cloud(3, 2, 1), signed_weights(4, 2), signed_weights(3, 3)


class Sum(nn.Module):
    """A pair sum as a module, so that the kernel's parameters can be handed over."""

    def __init__(self, total, kernel: Kernel) -> None:
        super().__init__()
        self.total = total
        self.kernel = kernel

    def forward(self, *tensors):
        return self.total(self.kernel, *tensors, boundary=TORUS, backend="dense")


SUMS = {
    "potential": (potential, (X, Y, B)),
    "field": (field, (X, Y, B)),
    "quadratic": (quadratic, (X, A)),
    "bilinear": (bilinear, (X, Y, A, B)),
}
every_sum = pytest.mark.parametrize("name", SUMS)
KERNELS = {
    "gaussian": lambda: GaussianKernel(0.3, learnable=True),
    "morse": lambda: MorseKernel(1.0, 0.6, 3.0, 0.2, learnable=True),
}


def function_of_all(name: str, kernel: Kernel):
    """The sum as a function of its tensors followed by the kernel's parameters, and where to check it."""
    total, tensors = SUMS[name]
    module = Sum(total, kernel)
    parameters = dict(module.named_parameters())

    def function(*values):
        return functional_call(
            module, dict(zip(parameters, values[len(tensors) :], strict=True)), values[: len(tensors)]
        )

    inputs = [*tensors, *parameters.values()]
    return function, tuple(value.detach().clone().requires_grad_() for value in inputs)


@every_sum
@pytest.mark.parametrize("kernel", KERNELS)
def test_first_derivatives_are_those_of_differences(name, kernel):
    function, inputs = function_of_all(name, KERNELS[kernel]())
    gradcheck(function, inputs, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)


@every_sum
def test_second_derivatives_are_those_of_differences(name):
    function, inputs = function_of_all(name, KERNELS["gaussian"]())
    gradgradcheck(function, inputs, check_batched_grad=True, check_fwd_over_rev=True, check_rev_over_rev=True)


def scalars(points):
    """One number of each sum, of the engine and of the reference, as functions of ``x``."""
    kernel, options = KERNELS["gaussian"](), {"boundary": TORUS}
    slopes = signed_weights(8, 4).reshape(4, 2)
    return {
        "potential": lambda module, **o: lambda x: A @ module.potential(kernel, x, Y, B, **options, **o),
        "field": lambda module, **o: lambda x: (slopes * module.field(kernel, x, Y, B, **options, **o)).sum(),
        "quadratic": lambda module, **o: lambda x: module.quadratic(kernel, x, A, **options, **o),
        "bilinear": lambda module, **o: lambda x: module.bilinear(kernel, x, Y, A, B, **options, **o),
        "bilinear columns": lambda module, **o: lambda y: module.bilinear(kernel, X, y, A, A, **options, **o),
    }[points]


@pytest.mark.parametrize("name", ["potential", "field", "quadratic", "bilinear", "bilinear columns"])
@pytest.mark.parametrize("outer", [jacfwd, jacrev])
@pytest.mark.parametrize("inner", [jacfwd, jacrev])
def test_every_nesting_of_modes_gives_the_hessian(name, outer, inner):
    make = scalars(name)
    computed = outer(inner(make(engine, backend="dense")))(X)
    expected = torch.autograd.functional.hessian(make(reference), X)
    torch.testing.assert_close(computed, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["potential", "quadratic", "bilinear"])
def test_nested_forward_modes_are_right_where_a_gradient_is_asked_for_too(name):
    make, v = scalars(name), signed_weights(8, 5).reshape(4, 2)

    def function(point):
        return grad_and_value(make(engine, backend="dense"))(point)[1]

    def along(point):
        return jvp(function, (point,), (v,))[1]

    _, computed = jvp(along, (X,), (v,))
    expected = v.flatten() @ torch.autograd.functional.hessian(make(reference), X).reshape(8, 8) @ v.flatten()
    torch.testing.assert_close(computed, expected, rtol=1e-11, atol=1e-12)


@every_sum
def test_a_function_of_one_cloud_maps_over_many(name):
    total, (_, *others) = SUMS[name]
    module, clouds = Sum(total, KERNELS["gaussian"]()), torch.stack([cloud(4, 2, seed) for seed in range(3)])
    mapped = vmap(lambda x: module(x, *others))(clouds)
    torch.testing.assert_close(mapped, torch.stack([module(x, *others) for x in clouds]), rtol=1e-12, atol=1e-13)
    slopes = vmap(grad(lambda x: module(x, *others).sum()))(clouds)
    expected = torch.stack([grad(lambda x: module(x, *others).sum())(x) for x in clouds])
    torch.testing.assert_close(slopes, expected, rtol=1e-11, atol=1e-12)


def test_a_sum_maps_over_parameters_and_over_a_batch_of_clouds():
    module = Sum(quadratic, KERNELS["gaussian"]())
    sizes = torch.tensor([-1.0, -0.5, 0.2], dtype=torch.float64)
    batch = torch.stack([cloud(4, 2, seed) for seed in range(2)])

    def loss(size, points):
        return functional_call(module, {"kernel.log_sigma": size}, (points,))

    expected = torch.stack([loss(size, batch) for size in sizes])
    torch.testing.assert_close(vmap(loss, in_dims=(0, None))(sizes, batch), expected, rtol=1e-12, atol=1e-13)


@every_sum
def test_forward_mode_is_the_transpose_of_reverse_mode(name):
    function, inputs = function_of_all(name, KERNELS["gaussian"]())
    tangents = tuple(signed_weights(value.numel(), seed).reshape(value.shape) for seed, value in enumerate(inputs))
    values = tuple(value.detach() for value in inputs)
    result, velocity = jvp(function, values, tangents)
    cotangent = signed_weights(result.numel(), 20).reshape(result.shape)
    slopes = torch.autograd.grad((function(*inputs) * cotangent).sum(), inputs)
    backwards = sum((slope * tangent).sum() for slope, tangent in zip(slopes, tangents, strict=True))
    torch.testing.assert_close((velocity * cotangent).sum(), backwards, rtol=1e-11, atol=1e-12)


def test_a_learnable_parameter_that_is_handed_over_gets_its_gradient():
    kernel = KERNELS["gaussian"]()
    module, log_sigma = Sum(potential, kernel), torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    loss = functional_call(module, {"kernel.log_sigma": log_sigma}, (X, Y, B)).square().sum()
    same = GaussianKernel(log_sigma.exp().item(), learnable=True)
    expected = reference.potential(same, X, Y, B, boundary=TORUS).square().sum()
    (slope,) = torch.autograd.grad(loss, log_sigma)
    torch.testing.assert_close(slope, torch.autograd.grad(expected, same.log_sigma)[0], rtol=1e-11, atol=1e-12)
    assert kernel.log_sigma.grad is None


@pytest.mark.slow
def test_a_compiled_loss_and_its_gradients_are_the_eager_ones():
    kernel = KERNELS["gaussian"]()

    def loss(x, y, a):
        options = {"boundary": TORUS, "backend": "dense"}
        u = potential(kernel, x, y, **options)
        return quadratic(kernel, x, a, **options) - 2.0 * bilinear(kernel, x, y, a, **options) + u.square().sum()

    def run(function, count):
        inputs = [cloud(count, 2, 0), Y.clone(), signed_weights(count, 2)]
        leaves = [*(value.requires_grad_() for value in inputs), *kernel.parameters()]
        value = function(*inputs)
        return value.detach(), *torch.autograd.grad(value, leaves)

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for count in (4, 6):
        torch.testing.assert_close(run(compiled, count), run(loss, count), rtol=1e-12, atol=1e-13)
