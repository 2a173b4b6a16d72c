"""Recover the law of interaction from trajectories: first the parameters of a Morse kernel, then a neural profile.

A swarm follows ``dx/dt = −∇ₓ Σⱼ aⱼ k(x, xⱼ)``, and some frames of its motion are given. The kernel that is fitted makes
the step from each frame to the next through a differentiated rollout, and the squared distance to what was observed is
the loss. ``python examples/law.py`` does it all; ``--help`` lists what can be changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

import interflow as fl

TRUTH = {"attraction": 1.0, "attraction_length": 0.8, "repulsion": 2.0, "repulsion_length": 0.25}
GUESS = {"attraction": 0.6, "attraction_length": 1.1, "repulsion": 1.4, "repulsion_length": 0.4}
BETWEEN_FRAMES, STEPS = 0.02, 2


def swarm(kernel: fl.Kernel, positions: Tensor, steps: int) -> fl.ParticleSystem:
    """Particles that interact, in a number of steps from one frame to the next."""
    energy = fl.InteractionEnergy(kernel)
    return fl.ParticleSystem(positions, energy=energy, integrator=fl.RungeKutta4(step_size=BETWEEN_FRAMES / steps))


def observed(particles: int, frames: int) -> Tensor:
    """The frames of a swarm that was simulated with finer steps than are fitted, ``(frames, N, 2)``."""
    start = torch.randn(particles, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    finer = 4 * STEPS
    solution = swarm(fl.MorseKernel(**TRUTH), start, finer).simulate(finer * (frames - 1), finer, progress=False)
    return torch.stack([solution[frame].positions for frame in range(frames)])


def mismatch(kernel: fl.Kernel, frames: Tensor) -> Tensor:
    """The mean squared error of the predicted displacements, as a fraction of those that were observed."""
    error = torch.zeros((), dtype=frames.dtype)
    for now, later in pairwise(frames):
        predicted = swarm(kernel, now, STEPS).rollout(STEPS).final.positions
        error = error + (predicted - later).square().sum()
    return error / frames.diff(dim=0).square().sum()


def fit(kernel: fl.Kernel, frames: Tensor, iterations: int) -> float:
    """Learn the kernel's parameters by a quasi-Newton method; the mismatch that is left."""
    optimizer = torch.optim.LBFGS(kernel.parameters(), max_iter=iterations, line_search_fn="strong_wolfe")

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        loss = mismatch(kernel, frames)
        loss.backward()
        return loss

    optimizer.step(evaluate)
    return mismatch(kernel, frames).item()


def neural_kernel(hidden: int) -> fl.ProfileKernel:
    """A profile of which nothing is known but that it is smooth."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return fl.ProfileKernel(nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, 1)).double())


def force_error(kernel: fl.Kernel, frames: Tensor) -> float:
    """``‖∇u − ∇u₀‖ / ‖∇u₀‖`` of the learned kernel against the true one, over all frames."""
    with torch.no_grad():
        learned, true = (
            torch.cat([fl.field(k, frame, frame, backend="dense") for frame in frames])
            for k in (kernel, fl.MorseKernel(**TRUTH))
        )
    return ((learned - true).norm() / true.norm()).item()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--particles", type=int, default=40, help="of the swarm")
    parser.add_argument("--frames", type=int, default=12, help="that were observed")
    parser.add_argument("--iterations", type=int, default=60, help="of the fit of the four parameters")
    parser.add_argument("--neural-iterations", type=int, default=150, help="of the fit of the network")
    parser.add_argument("--hidden", type=int, default=16, help="units of the network")
    options = parser.parse_args(arguments)
    frames = observed(options.particles, options.frames)

    morse = fl.MorseKernel(**GUESS, learnable=True)
    left = fit(morse, frames, options.iterations)
    print(f"Morse kernel: mismatch {left:.1e}")
    for name, true in TRUTH.items():
        found = getattr(morse, name).item()
        print(f"  {name} {found:.4f}, truly {true}: {abs(found / true - 1):.2%} off")

    neural = neural_kernel(options.hidden)
    left = fit(neural, frames, options.neural_iterations)
    print(f"neural profile: mismatch {left:.1e}, forces {force_error(neural, frames):.1%} off")


if __name__ == "__main__":
    main()
