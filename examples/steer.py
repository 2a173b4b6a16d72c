"""Steer a cloud to a shape: find the push that, 200 steps of its own motion later, has made a ring of it.

The particles repel each other and coast with friction; the only control is their velocities at the start. The energy
distance between the end of the motion and a ring is differentiated through all steps, at the memory of about √200 of
them. ``python examples/steer.py`` does it all; ``--help`` lists what can be changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from torch import Tensor

import interflow as fl

STEPS, STEP_SIZE, FRICTION = 200, 0.01, 1.0


def blob(particles: int) -> Tensor:
    """Where the cloud starts, ``(N, 2)``."""
    return 0.1 * torch.randn(particles, 2, generator=torch.Generator().manual_seed(0))


def ring(particles: int) -> Tensor:
    """Where it is to go: points of the unit circle."""
    angles = torch.arange(particles) * (2.0 * torch.pi / particles)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def flock(start: Tensor) -> fl.ParticleSystem:
    """Particles with inertia that keep apart."""
    repulsion = fl.InteractionEnergy(fl.GaussianKernel(sigma=0.2))
    integrator = fl.Momentum(step_size=STEP_SIZE, friction=FRICTION)
    return fl.ParticleSystem(start, energy=0.1 * repulsion, integrator=integrator)


def steer(system: fl.ParticleSystem, target: Tensor, iterations: int) -> tuple[Tensor, list[float]]:
    """The velocities to start with, and the distance to the target before each iteration and at the end."""
    push = torch.zeros_like(target, requires_grad=True)
    optimizer = torch.optim.Adam([push], lr=0.1)
    distance = fl.EnergyDistance()
    history = []
    for _ in range(iterations + 1):
        optimizer.zero_grad()
        state = system.state.replace(velocities=push)
        end = system.rollout(STEPS, state=state, gradient="checkpoint").final
        loss = distance(end.positions, target)
        history.append(loss.item())
        if len(history) <= iterations:
            loss.backward()
            optimizer.step()
    return push.detach(), history


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--particles", type=int, default=100, help="of the cloud")
    parser.add_argument("--iterations", type=int, default=60, help="of the search")
    parser.add_argument("--picture", help="file to draw the motion in")
    options = parser.parse_args(arguments)

    system, target = flock(blob(options.particles)), ring(options.particles)
    push, history = steer(system, target, options.iterations)
    print(f"energy distance to the ring: {history[0]:.3g} without a push, {history[-1]:.3g} with it")
    if options.picture:
        system.state = system.state.replace(velocities=push)
        motion = system.simulate(STEPS, save_every=20)
        motion.plot().savefig(options.picture)
        print(f"drawn in {options.picture}")


if __name__ == "__main__":
    main()
