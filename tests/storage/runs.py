"""Small runs whose bits depend on all that a checkpoint holds."""

from __future__ import annotations

import torch

from interflow import EulerMaruyama, Momentum, Optimizer, RunFolder, RunStoppedError
from tests.flows import torus_system

INTEGRATORS = {
    "noise": lambda: EulerMaruyama(0.01, temperature=0.1),
    "adam": lambda: Optimizer(lambda parameters: torch.optim.Adam(parameters, lr=0.01)),
    "momentum": lambda: Momentum(0.01, friction=1.0),
}
STEPS, SAVE_EVERY = 12, 3


def system(kind="noise", seed=0):
    return torus_system(INTEGRATORS[kind](), seed=seed)


def simulate(system, folder=None, *, resume=False, stop_at=None, checkpoint_every=1, **options):
    """The run of these tests, in a folder or in memory; stopped after a step if one is given."""

    def stop(state):
        if state.step == stop_at:
            raise RunStoppedError(f"after step {state.step}")

    out = None if folder is None else RunFolder(folder, checkpoint_every=checkpoint_every)
    return system.simulate(
        STEPS, save_every=SAVE_EVERY, callbacks=[stop], progress=False, out=out, resume=resume, **options
    )


def same_frames(solution, other):
    """Whether two runs are equal bit for bit, and so is where they lead."""
    arrays = ("positions", "velocities", "weights", "times", "steps", "energies")
    pairs = [(getattr(solution, name), getattr(other, name)) for name in arrays]
    return all((ours is None) == (theirs is None) for ours, theirs in pairs) and all(
        torch.equal(torch.as_tensor(ours[:]), torch.as_tensor(theirs[:])) for ours, theirs in pairs if ours is not None
    )
