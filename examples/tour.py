"""The tour: compare two clouds, take a gradient in several ways, run the flow, draw it.

``python examples/tour.py`` does it all; ``--help`` lists what can be changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from torch import Tensor

import interflow as fl

SIGMA, STEP_SIZE = 0.1, 1 / 200


def closed_form(x: Tensor, torus: fl.Boundary, rows: int = 500) -> Tensor:
    """The velocity ``vᵢ = −(2/nσ²) Σⱼ exp(−|δᵢⱼ|²/2σ²) δᵢⱼ``, worked out by hand, some rows at a time."""
    blocks = []
    for block in torch.split(x, rows):
        displacements = torus.displacement(block[:, None, :], x[None, :, :])
        attraction = torch.exp(-displacements.square().sum(-1) / (2 * SIGMA**2))
        blocks.append(-2 / len(x) / SIGMA**2 * (attraction[:, :, None] * displacements).sum(1))
    return torch.cat(blocks)


def by_autograd(energy: fl.Energy, x: Tensor) -> Tensor:
    """The velocity ``vᵢ = −n ∂E/∂xᵢ``, by differentiating the energy's value."""
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(leaf), leaf)
    return -len(x) * gradient


def difference(velocity: Tensor, reference: Tensor) -> str:
    """``|v − v₀| / |v₀|`` in print."""
    return f"{((velocity - reference).norm() / reference.norm()).item():.1e}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--particles", type=int, default=10_000, help="points of the first cloud")
    parser.add_argument("--steps", type=int, default=200, help="steps of the flow")
    parser.add_argument("--backends", nargs="*", default=["dense", "compiled", "keops"], help="to take gradients with")
    parser.add_argument("--picture", default="tour.png", help="file to draw")
    options = parser.parse_args(arguments)

    generator = torch.Generator().manual_seed(0)
    x = torch.rand(options.particles, 2, generator=generator)
    y = torch.rand(options.particles + options.particles // 100, 2, generator=generator)

    discrepancy = fl.EnergyDistance()
    print(f"MMD²(X, X) = {discrepancy(x, x).item():.3g}, which should be 0")
    print(f"MMD²(X, Y) = {discrepancy(x, y).item():.3g}, which should be small and positive")

    torus = fl.PeriodicBoundary(1.0)
    by_hand = closed_form(x, torus)
    for backend in options.backends:
        try:
            energy = -2.0 * fl.InteractionEnergy(fl.GaussianKernel(sigma=SIGMA), boundary=torus, backend=backend)
            fused, differentiated = energy.velocity(x), by_autograd(energy, x)
        except fl.BackendError as error:
            print(f"{backend}: {error}")
            continue
        print(f"{backend}: by hand against fused {difference(fused, by_hand)}", end="")
        print(f", against autograd {difference(differentiated, by_hand)}")

    attraction = -2.0 * fl.InteractionEnergy(fl.GaussianKernel(sigma=SIGMA), boundary=torus)
    system = fl.ParticleSystem(x, energy=attraction, integrator=fl.Euler(step_size=STEP_SIZE))
    solution = system.simulate(steps=options.steps, save_every=10)
    print(f"{options.steps} steps, {solution.stats['steps_per_second']:.3g} a second")
    solution.plot().savefig(options.picture)
    print(f"drawn in {options.picture}")


if __name__ == "__main__":
    main()
