"""What users see of the package: names, static types, and short texts of what they hold."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

import interflow as fl
from interflow import errors
from interflow._repr import MAX_TEXT, short

ROOT = Path(__file__).parents[1]
X = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
KERNEL = fl.GaussianKernel(sigma=0.3)


def run(**options):
    energy = -2.0 * fl.InteractionEnergy(KERNEL, boundary=fl.PeriodicBoundary(1.0))
    system = fl.ParticleSystem(X, energy=energy, integrator=fl.Momentum(step_size=0.01, friction=1.0))
    return system.simulate(3, save_every=1, progress=False, **options)


def test_every_error_and_warning_is_public():
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert "PromiseError" in classes
    assert classes <= set(fl.__all__)


def test_the_version_is_that_of_the_distribution():
    assert fl.__version__ == metadata.version("interflow-particles")


@pytest.mark.slow
def test_static_types_are_precise():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports", "silent", "tests/static_types.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: fl.two_sample_test(X, X + 1.0, KERNEL, permutations=200),
        lambda folder: run(),
        lambda folder: fl.fit(20, X, steps=3),
        lambda folder: run()[0],
        lambda folder: run(out=fl.RunFolder(folder / "run")),
        lambda folder: fl.RunFolder(folder / "run"),
        lambda folder: fl.PointCloud(X.numpy(), X[:, 0].numpy(), {"labels": np.array(["a" * 99] * len(X))}),
    ],
    ids=["test", "solution", "fit", "state", "stored", "folder", "points"],
)
def test_what_holds_arrays_tells_their_shapes_in_few_characters(make, tmp_path):
    text = repr(make(tmp_path))
    assert len(text) < 400
    assert "\n" not in text
    assert re.match(r"[A-Z]\w+\(.*\)$", text)


def test_a_two_sample_test_tells_its_outcome():
    assert repr(fl.two_sample_test(X, X + 1.0, KERNEL, permutations=200)).startswith("TwoSampleTest(statistic=0.")
    assert "permuted=<float64 (200,)>" in repr(fl.two_sample_test(X, X + 1.0, KERNEL, permutations=200))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (X, "<float32 (200, 2)>"),
        (X.double().numpy(), "<float64 (200, 2)>"),
        (1 / 3, "0.333333"),
        ({"steps": 3, "x": X}, "{steps: 3, x: <float32 (200, 2)>}"),
        (list(range(100)), "<100 items>"),
        ("short", "'short'"),
        (None, "None"),
    ],
)
def test_values_are_told_in_a_few_words(value, text):
    assert short(value) == text


@pytest.mark.parametrize("value", ["w" * 200, {f"key {key}": "v" * 50 for key in range(9)}, fl.FitSettings()])
def test_long_values_are_cut(value):
    assert len(short(value)) <= MAX_TEXT


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (fl.MMD(KERNEL), ["estimator='biased'", "reduction='mean'", "backend='auto'", "GaussianKernel(sigma=0.3)"]),
        (
            fl.MMD(KERNEL, estimator="unbiased", tolerance=1e-3, backend=fl.Dense(tile=64)),
            ["estimator='unbiased'", "tolerance=0.001", "backend=Dense(tile=64)"],
        ),
        (fl.EnergyDistance(backend="dense", tolerance=1e-3), ["backend='dense'", "tolerance=0.001"]),
        (fl.SlicedWasserstein(projections=7), ["projections=7"]),
        (fl.SinkhornDivergence(), ["blur=0.05", "backend='auto'"]),
        (
            -2.0 * fl.InteractionEnergy(KERNEL, backend="fourier", tolerance=1e-2),
            ["scale=-2.0", "backend='fourier'", "tolerance=0.01", "GaussianKernel(sigma=0.3)"],
        ),
        (fl.DiscrepancyEnergy(fl.MMD(KERNEL), X), ["target=<shape (200, 2)>", "estimator='biased'"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_loss_and_an_energy_tell_all_their_choices(made, told):
    text = repr(made)
    assert [words for words in told if words not in text] == []
    assert len(text) < 400
