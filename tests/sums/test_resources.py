"""What a pair sum costs: no matrix of pairs, and no second compilation."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from interflow.boundaries import PeriodicBoundary
from interflow.kernels import GaussianKernel
from interflow.sums import Auto, potential_and_field
from interflow.sums.backends import compiled
from interflow.sums.formula import formula_name
from interflow.sums.pairsum import PairSum
from tests.sums.cases import cloud, signed_weights

FIELD_OF_MANY = """
import resource, torch
from interflow import GaussianKernel
from interflow.sums import field

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def run(count):
    x = torch.rand(count, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    field(kernel, x, x, backend="dense").square().sum().backward()

kernel = GaussianKernel(0.3, learnable=True)
run(100)
before = peak()
run(10_000)
print(peak() - before)
"""


@pytest.mark.slow
def test_a_field_and_its_gradients_allocate_no_matrix_of_pairs():
    run = subprocess.run([sys.executable, "-c", FIELD_OF_MANY], capture_output=True, text=True, check=True, timeout=300)
    kilobytes = int(run.stdout) // (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 50 * 1024  # one matrix of 10 000² float32 takes 400 MB


def test_sizes_parameters_and_grad_mode_need_no_new_compilation():
    def run(count, sigma, learnable=False, requires_grad=False, period=1.0):
        x = cloud(count, 2, 0, torch.float32).requires_grad_(requires_grad)
        y, w = cloud(count + 3, 2, 1, torch.float32), signed_weights(count + 3, 2, torch.float32)
        kernel, torus = GaussianKernel(sigma, learnable=learnable), PeriodicBoundary(period)
        return potential_and_field(kernel, x, y, w, boundary=torus, backend="compiled")

    run(6, 0.3)
    known = len(compiled._loops)
    for count in (1, 2, 7, 300, 5000):
        run(count, 0.1 * count)
    run(9, 0.2, learnable=True, requires_grad=True, period=2.0)
    with torch.no_grad():
        run(10, 0.2, learnable=True)
    assert len(compiled._loops) == known


def request(count: int) -> PairSum:
    name = formula_name(GaussianKernel(0.3), PeriodicBoundary(1.0), 2)
    points = torch.zeros(1, 2, 1).expand(1, 2, count)
    return PairSum(name, (points,), (points,), torch.zeros(1, 2))


def test_a_small_sum_never_waits_for_a_compiler():
    assert Auto().resolve(request(1000)).name == "dense"


def test_a_choice_depends_on_the_request_alone():
    sizes = (10, 1000, 100_000, 1_000_000)
    first = [Auto().resolve(request(count)) for count in sizes]
    assert first == [Auto().resolve(request(count)) for count in sizes]
    assert first[-1].name == "compiled"


def test_more_repetitions_choose_no_slower_backend():
    for count in (100, 3000, 30_000):
        once, often = (Auto(repetitions=times).resolve(request(count)) for times in (1, 10_000))
        assert often.run_seconds(request(count)) <= once.run_seconds(request(count))
