"""A pair sum that runs out of memory is done again on smaller tiles, aloud, and never elsewhere."""

import re

import pytest
import torch

import interflow as fl
from interflow.sums.backends import tiles

ON_CPU = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
ERRORS = [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError(ON_CPU)]


@pytest.fixture
def memory(monkeypatch):
    """Lets buffers of tiles hold so many numbers, beyond which allocating them raises an error."""

    def limit(numbers, error):
        allocate = tiles.Workspace._allocate

        def within(workspace, key, shape):
            if shape[0] * shape[1] * shape[2] > numbers:
                raise error
            return allocate(workspace, key, shape)

        monkeypatch.setattr(tiles.Workspace, "_allocate", within)

    return limit


def clouds(dimension):
    return (torch.randn(500, dimension, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))


@pytest.mark.parametrize("dimension", [2, 40])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_the_sum_is_the_same_on_smaller_tiles_and_says_so(memory, error, dimension):
    x, y = clouds(dimension)
    kernel = fl.GaussianKernel(sigma=dimension**0.5)
    expected = fl.potential(kernel, x, y, backend=fl.Dense(tile=64))
    memory(64 * 64, error)
    with pytest.warns(fl.InterflowWarning) as warned:
        found = fl.potential(kernel, x, y, backend=fl.Dense(tile=256))
    assert torch.equal(found, expected)
    assert (found.dtype, found.device) == (x.dtype, x.device)
    assert [re.findall(r"tiles of (\d+)²", str(one.message)) for one in warned] == [["256", "128"], ["128", "64"]]


def test_gradients_go_on_with_smaller_tiles_too(memory):
    x, y = clouds(2)
    expected = fl.field(fl.GaussianKernel(1.0), x, y, backend="dense")
    memory(128 * 128, ERRORS[0])
    leaf = x.clone().requires_grad_()
    with pytest.warns(fl.InterflowWarning, match="memory ran out"):
        fl.potential(fl.GaussianKernel(1.0), leaf, y, backend=fl.Dense(tile=512)).sum().backward()
    torch.testing.assert_close(leaf.grad, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_where_no_tile_is_small_enough_the_error_comes_through(memory, error):
    x, y = clouds(2)
    memory(100, error)
    with pytest.warns(fl.InterflowWarning), pytest.raises(type(error)) as caught:
        fl.potential(fl.GaussianKernel(1.0), x, y, backend=fl.Dense(tile=64))
    assert caught.value is error


def test_another_error_is_not_taken_for_a_lack_of_memory(memory):
    x, y = clouds(2)
    memory(100, RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        fl.potential(fl.GaussianKernel(1.0), x, y, backend="dense")
