"""The engine on a CUDA device; skipped where there is none."""

from __future__ import annotations

import pytest
import torch

import interflow as fl

pytestmark = pytest.mark.cuda


@pytest.fixture(params=["dense", "compiled", "keops"])
def backend(request):
    return request.param


def cloud(count: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.rand(count, 2, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_field_on_the_device_is_that_of_the_cpu(backend, dtype):
    x, torus = cloud(3000, dtype), fl.PeriodicBoundary(1.0)
    kernel = fl.GaussianKernel(sigma=0.1)
    exact = fl.field(kernel, x.double(), x.double(), boundary=torus, backend="dense")
    field = fl.field(kernel, x.cuda(), x.cuda(), boundary=torus, backend=backend)
    assert field.device.type == "cuda"
    assert (field.cpu().double() - exact).norm() <= (5e-7 if dtype == torch.float32 else 1e-12) * exact.norm()


def test_gradients_of_a_loss_on_the_device_are_those_of_the_cpu(backend):
    x, y = cloud(500, torch.float64), cloud(600, torch.float64) + 0.1
    gradients = []
    for device in ("cpu", "cuda"):
        points = x.to(device).requires_grad_()
        loss = fl.EnergyDistance(backend="dense" if device == "cpu" else backend)
        gradients.append(torch.autograd.grad(loss(points, y.to(device)), points)[0].cpu())
    assert (gradients[0] - gradients[1]).norm() <= 1e-12 * gradients[0].norm()


def test_a_run_on_the_device_is_that_of_the_cpu(backend):
    x, torus = cloud(500, torch.float64), fl.PeriodicBoundary(1.0)
    ends = []
    for device in ("cpu", "cuda"):
        energy = -2.0 * fl.InteractionEnergy(fl.GaussianKernel(sigma=0.1), boundary=torus, backend=backend)
        integrator = fl.Euler(step_size=1 / 200)
        system = fl.ParticleSystem(x, energy=energy, integrator=integrator).to(device)
        ends.append(system.simulate(steps=20).positions[-1].cpu())
    assert torus.displacement(*ends).abs().max() <= 1e-10
