"""The static types of what users hold, checked by mypy and never run."""

from __future__ import annotations

from typing import assert_type

from torch import Tensor

import interflow as fl
from interflow.solution import Frames


def losses(x: Tensor, y: Tensor, kernel: fl.Kernel) -> None:
    assert_type(fl.MMD(kernel)(x, y), Tensor)
    assert_type(fl.EnergyDistance()(x, y, None, None), Tensor)
    assert_type(fl.SlicedWasserstein()(x, y), Tensor)
    assert_type(fl.SinkhornDivergence()(x, y), Tensor)
    assert_type(fl.MMD(kernel).velocity(x, y), Tensor)
    assert_type(fl.two_sample_test(x, y, kernel).permuted, Tensor)


def energies(x: Tensor, energy: fl.InteractionEnergy, other: fl.Energy) -> None:
    assert_type(energy(x), Tensor)
    assert_type(-2.0 * energy, fl.ScaledEnergy)
    assert_type(energy * 2, fl.ScaledEnergy)
    assert_type(energy / 2.0, fl.ScaledEnergy)
    assert_type(-energy, fl.ScaledEnergy)
    assert_type(+energy, fl.InteractionEnergy)
    assert_type(energy + other, fl.SumEnergy)
    assert_type(energy - 2.0 * other, fl.SumEnergy)
    assert_type((-2.0 * energy)(x), Tensor)


def sums(x: Tensor, y: Tensor, kernel: fl.Kernel) -> None:
    assert_type(fl.potential(kernel, x, y), Tensor)
    assert_type(fl.field(kernel, x, y), Tensor)
    assert_type(fl.potential_and_field(kernel, x, y), tuple[Tensor, Tensor])


def runs(system: fl.ParticleSystem) -> None:
    solution = system.simulate(steps=3, save_every=1)
    assert_type(solution, fl.Solution)
    assert_type(solution.positions, Frames)
    assert_type(solution.positions[-1], Tensor)
    assert_type(solution.positions.shape, tuple[int, ...])
    assert_type(solution.energies, Tensor)
    assert_type(solution[0].positions, Tensor)
    assert_type(fl.open_run("run").positions[0], Tensor)


def fits(samples: Tensor) -> None:
    fitted = fl.fit(100, samples)
    assert_type(fitted, fl.FitResult)
    assert_type(fitted.positions, Tensor)
    assert_type(fitted.history[-1].loss, float)


def texts() -> None:
    assert_type(fl.__version__, str)
