import pytest
import torch

from interflow import ArgumentError, Euler, NamedOptimizer, Optimizer, ParticleSystem
from interflow.integrators.optimizer import NAMED
from tests.flows import cloud, masses, repulsion, same

MAKERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "heavy_ball": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.05, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.05, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05),
    "adadelta": lambda p: torch.optim.Adadelta(p),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.05),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.05),
    "rprop": lambda p: torch.optim.Rprop(p, lr=0.05),
    "asgd": lambda p: torch.optim.ASGD(p, lr=0.05),
    "muon": lambda p: torch.optim.Muon(p, lr=0.05),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MAKERS)
def test_a_run_is_a_plain_loop_with_one_optimizer_bit_for_bit(name, dtype):
    energy, weights = repulsion(), masses(dtype=dtype)
    points = cloud(dtype=dtype)
    optimizer = MAKERS[name]([points])
    for _ in range(8):
        points.grad = -energy.velocity(points, weights)
        optimizer.step()
    system = ParticleSystem(cloud(dtype=dtype), energy=energy, integrator=Optimizer(MAKERS[name]), weights=weights)
    system.simulate(3, progress=False)
    assert torch.equal(system.simulate(5, progress=False).positions[-1], points)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_optimizer_is_the_one_of_pytorch_with_its_defaults(name):
    runs = [
        ParticleSystem(cloud(), energy=repulsion(), integrator=integrator).simulate(4, progress=False).final
        for integrator in (NamedOptimizer(name, 0.05), Optimizer(lambda p: NAMED[name](p, lr=0.05)))
    ]
    assert same(*runs)


def test_plain_descent_is_euler():
    descent, euler = (
        ParticleSystem(cloud(), energy=repulsion(), integrator=integrator).simulate(4, progress=False)
        for integrator in (NamedOptimizer("sgd", 0.05), Euler(0.05))
    )
    torch.testing.assert_close(descent.positions, euler.positions, rtol=0.0, atol=1e-15)
    assert torch.equal(descent.times, euler.times)


def test_a_new_learning_rate_holds_from_the_next_step():
    integrator = NamedOptimizer("sgd", learning_rate=0.05)
    system = ParticleSystem(cloud(), energy=repulsion(), integrator=integrator)
    system.simulate(1, progress=False)
    integrator.learning_rate = 0.5
    assert system.simulate(1, progress=False).times.diff().item() == 0.5


def test_an_optimizer_that_needs_a_closure_is_refused():
    with pytest.raises(ArgumentError, match=r"LBFGS.*closure"):
        Optimizer(lambda p: torch.optim.LBFGS(p))


def test_an_unknown_name_is_refused_with_the_list():
    with pytest.raises(ArgumentError, match="'adam'"):
        NamedOptimizer("adaam", 0.05)


@pytest.mark.parametrize(
    "make", [MAKERS["adam"], lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, differentiable=True)]
)
def test_an_optimizer_that_would_cut_the_graph_in_silence_is_refused(make):
    system = ParticleSystem(cloud(), energy=repulsion(), integrator=Optimizer(make))
    start = system.state.replace(positions=cloud().requires_grad_())
    with pytest.raises(ArgumentError, match="in a step that is differentiated"):
        system.step(system.step(start))


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_an_optimizer_that_works_in_place_refuses_a_rollout_with_the_reason(name):
    system = ParticleSystem(cloud(), energy=repulsion(), integrator=Optimizer(MAKERS[name]))
    with pytest.raises(ArgumentError, match=r"`integrator`.*in place, without a graph.*rollout.*simulate") as caught:
        system.rollout(2)
    assert caught.value.argument == "integrator"
    with torch.no_grad():
        assert system.rollout(2).final.step == 2


def test_moments_that_are_no_tensors_are_refused():
    class Counting(torch.optim.SGD):
        def step(self, closure=None):
            self.state[self.param_groups[0]["params"][0]]["count"] = 1

    system = ParticleSystem(cloud(), energy=repulsion(), integrator=Optimizer(lambda p: Counting(p, lr=0.1)))
    with pytest.raises(ArgumentError, match="`count`"):
        system.simulate(1, progress=False)
