"""The losses inside training loops: whatever PyTorch's own losses bear, these bear."""

import copy
import os
import pickle

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from interflow import (
    MMD,
    ArgumentError,
    EnergyDistance,
    GaussianKernel,
    MaternKernel,
    SinkhornDivergence,
    SlicedWasserstein,
)
from tests.discrepancies.clouds import cloud

LOSSES = {
    "gaussian": lambda **options: MMD(GaussianKernel(0.4), **options),
    "learnable": lambda **options: MMD(GaussianKernel(0.4, learnable=True), **options),
    "matern sum": lambda **options: MMD(MaternKernel(0.4, 1.5) + 0.5 * GaussianKernel(0.2, learnable=True), **options),
    "energy distance": lambda **options: EnergyDistance(**options),
    "sinkhorn": lambda **options: SinkhornDivergence(blur=0.1, diameter=2.0, **options),
    "sliced wasserstein": lambda **options: SlicedWasserstein(projections=16, **options),
}
every_loss = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES.keys())


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))


def data(count, seed, batch=(), dtype=torch.float32):
    return cloud(count, seed=seed, batch=batch, dtype=dtype)


@every_loss
def test_a_generator_trains_and_the_loss_falls(make):
    generator, loss, noise, target = network(), make(), data(32, 0), 0.5 + 0.2 * data(32, 1)
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.02)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        value = loss(generator(noise), target)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.1 * values[0]


@every_loss
def test_points_of_zero_weight_are_padding(make):
    loss, sizes = make(reduction="none"), (5, 9, 2)
    x, y = data(9, 0, batch=(3,)).requires_grad_(), data(7, 1, batch=(3,))
    mask = (torch.arange(9) < torch.tensor(sizes)[:, None]).float()
    values = loss(x, y, mask / mask.sum(1, keepdim=True))
    alone = torch.stack([loss(x[b, :size], y[b]) for b, size in enumerate(sizes)])
    torch.testing.assert_close(values, alone, rtol=1e-4, atol=1e-6)
    padded, unpadded = (torch.autograd.grad(value.sum(), x)[0] for value in (values, alone))
    torch.testing.assert_close(padded, unpadded, rtol=1e-4, atol=1e-6)
    assert padded[mask == 0].count_nonzero() == 0


class TestAutocast:
    @every_loss
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
    def test_half_features_are_compared_with_single_data_in_single_precision(self, make, dtype):
        generator, loss, noise, target = network(), make(), data(32, 0), data(24, 1)
        with torch.autocast("cpu", dtype=dtype):
            features = generator(noise)
            value = loss(features, target)
        assert (features.dtype, value.dtype) == (dtype, torch.float32)
        torch.testing.assert_close(value, loss(features.float(), target), rtol=1e-6, atol=0)
        value.backward()
        assert all(parameter.grad.isfinite().all() for parameter in generator.parameters())
        assert generator[0].weight.grad.abs().max() > 0

    def test_matrix_products_of_wide_features_stay_in_single_precision(self):
        x, y = (torch.randn(40, 256, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
        loss, expected = MMD(GaussianKernel(16.0)), MMD(GaussianKernel(16.0))(x.double(), y.double())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss(x, y)
        torch.testing.assert_close(value.double(), expected, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("backend", ["auto", "dense", "compiled"])
    @pytest.mark.parametrize("dimension", [2, 256])
    def test_the_gradient_is_that_of_single_precision_also_where_backward_runs_inside(self, dimension, backend):
        if (dimension, backend) == (256, "compiled"):
            pytest.skip("it refuses points with so many coordinates")
        loss = MMD(GaussianKernel(dimension**0.5), backend=backend)
        x, y = (torch.randn(40, dimension, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
        leaf = x.clone().requires_grad_()
        (expected,) = torch.autograd.grad(loss(leaf, y), leaf)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = torch.autograd.grad(loss(leaf, y), leaf)[0]
            value = loss(leaf, y)
        outside = torch.autograd.grad(value, leaf)[0]
        assert torch.equal(inside, expected)
        assert torch.equal(outside, expected)

    @every_loss
    def test_weights_may_be_half_too(self, make):
        loss, x, y, weights = make(), data(4, 0), data(3, 1), torch.full((4,), 0.25)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss(x.bfloat16(), y, weights.bfloat16())
        torch.testing.assert_close(value, loss(x.bfloat16().float(), y, weights))

    def test_outside_of_it_dtypes_must_agree(self):
        with pytest.raises(ArgumentError, match="`y`"):
            MMD(GaussianKernel(0.4))(data(4, 0).bfloat16(), data(3, 1))

    def test_a_compiled_step_under_autocast_is_one_graph(self):
        generator, loss, noise, target = network(), MMD(GaussianKernel(0.4)), data(32, 0), data(24, 1)

        def step(noise):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return loss(generator(noise), target)

        compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(noise), step(noise), rtol=1e-3, atol=1e-5)


@every_loss
def test_a_compiled_training_step_learns_the_same_weights(make):
    ends = []
    for compiler in (lambda function: function, lambda f: torch.compile(f, fullgraph=True, backend="aot_eager")):
        generator, loss, target = network(), make(), data(24, 1)
        parameters = [*generator.parameters(), *loss.parameters()]
        optimizer = torch.optim.SGD(parameters, lr=0.1)
        value_of = compiler(lambda noise, generator=generator, loss=loss, target=target: loss(generator(noise), target))
        for count in (16, 16, 20):
            optimizer.zero_grad()
            value_of(data(count, count)).backward()
            optimizer.step()
        ends.append([parameter.detach().clone() for parameter in parameters])
    torch.testing.assert_close(*ends, rtol=1e-4, atol=1e-5)


@every_loss
def test_a_checkpointed_network_gets_the_same_gradients(make):
    loss, noise, target = make(), data(16, 0), data(12, 1)
    gradients = []
    for through in (lambda f, x: f(x), lambda f, x: checkpoint(f, x, use_reentrant=False)):
        generator = network()
        through(lambda x, generator=generator: loss(generator(x), target), noise).backward()
        gradients.append([parameter.grad for parameter in generator.parameters()])
    torch.testing.assert_close(*gradients)


@every_loss
def test_an_ensemble_of_generators_maps_over_its_weights(make):
    generator, loss, noise, target = network(), make(), data(16, 0), data(12, 1)
    ensemble = {name: torch.stack([p.detach(), 2.0 * p.detach()]) for name, p in generator.named_parameters()}

    def value(weights):
        return loss(torch.func.functional_call(generator, weights, (noise,)), target)

    mapped = torch.func.vmap(torch.func.grad(value))(ensemble)
    for member in range(2):
        alone = torch.func.grad(value)({name: weight[member] for name, weight in ensemble.items()})
        torch.testing.assert_close({name: g[member] for name, g in mapped.items()}, alone, rtol=1e-4, atol=1e-6)


@every_loss
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_a_copy_of_a_loss_in_use_has_its_values_and_its_own_parameters(make, duplicate):
    loss, x, y = make(), data(6, 0), data(5, 1)
    loss(x, y)
    twin = duplicate(loss)
    assert torch.equal(twin(x, y), loss(x, y))
    assert repr(twin) == repr(loss)
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in loss.parameters()}


@every_loss
def test_a_state_dict_makes_another_loss_the_same(make):
    loss, other, x, y = make(), make(), data(6, 0), data(5, 1)
    for tensor in other.state_dict().values():
        tensor.mul_(0.5)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other(x, y), loss(x, y))


@every_loss
@pytest.mark.parametrize("convert", [nn.Module.double, nn.Module.float, lambda loss: loss.to("cpu", torch.float32)])
def test_the_dtype_of_the_module_does_not_decide_that_of_the_loss(make, convert):
    loss, x, y = make(), data(6, 0), data(5, 1)
    for dtype in (torch.float32, torch.float64):
        value, expected = convert(make())(x.to(dtype), y.to(dtype)), loss(x.to(dtype), y.to(dtype))
        assert value.dtype == dtype
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-7)


@every_loss
def test_a_loss_on_the_meta_device_gives_shapes(make):
    assert make().to("meta")(data(6, 0).to("meta"), data(5, 1).to("meta")).shape == ()


@every_loss
def test_every_learnable_parameter_is_an_optimizers_once(make):
    parameters = [*make().parameters()]
    assert len(parameters) == len({id(parameter) for parameter in parameters})
    torch.optim.Adam([*parameters, *network().parameters()], lr=0.1)


class Trained(nn.Module):
    """A generator with its loss, so that both are parallel."""

    def __init__(self):
        super().__init__()
        self.generator = network()
        self.loss = MMD(GaussianKernel(0.4, learnable=True))

    def forward(self, noise, target):
        return self.loss(self.generator(noise), target)


def trained(module, noise, target):
    """The parameters after some steps on a share of a batch of clouds."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        module(noise, target).backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in module.parameters()]


def one_of_two(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    share = slice(2 * rank, 2 * rank + 2)
    parallel = nn.parallel.DistributedDataParallel(Trained())
    found = trained(parallel, data(16, 0, batch=(4,))[share], data(12, 1, batch=(4,))[share])
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.barrier()
    os._exit(0)  # the threads of gloo can wait for each other for ever when they are taken down


def test_two_processes_learn_what_one_does(tmp_path):
    torch.multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    alone = trained(Trained(), data(16, 0, batch=(4,)), data(12, 1, batch=(4,)))
    for rank in range(2):
        together = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
