"""The suites accept what is right, and find what is wrong."""

import pytest
import torch

from interflow import (
    Dense,
    EulerMaruyama,
    GaussianKernel,
    Heun,
    Integrator,
    MorseKernel,
    NamedOptimizer,
    Optimizer,
    PeriodicBoundary,
    PositiveParameter,
    RadialKernel,
    ReflectingBoundary,
)
from interflow.boundaries import Boundary
from interflow.testing import BackendSuite, BoundarySuite, IntegratorSuite, KernelSuite


class Cauchy(RadialKernel):
    definite = True

    def __init__(self, sigma, *, learnable=False):
        super().__init__()
        self.sigma = PositiveParameter(sigma, learnable=learnable)

    def profile(self, squared_distance):
        return 1.0 / (1.0 + squared_distance / self.sigma.square())


class Plane(Boundary):
    def displacement(self, x, y):
        return x - y

    def wrap(self, x):
        return x


class Halving(Integrator):
    """A method of no use that keeps a number in its carry."""

    def init(self, state):
        return super().init(state).replace(carry={"factor": torch.ones((), dtype=torch.float64)})

    def step(self, state, dynamics, generator):
        factor = state.carry["factor"]
        positions = dynamics.wrap(state.positions + 0.01 * factor.to(state.positions) * dynamics.velocity(state))
        carry = {**state.carry, "factor": 0.5 * factor}
        return state.replace(positions=positions, time=state.time + 0.01, step=state.step + 1, carry=carry)


class TestCauchy(KernelSuite):
    backends = ("dense",)

    def make(self):
        return Cauchy(0.5, learnable=True)


class TestGaussianOnTheTorus(KernelSuite):
    backends = ("dense",)
    dimension = 3

    def make(self):
        return 2.0 * GaussianKernel(0.1)

    def boundary(self):
        return PeriodicBoundary(1.0)


class TestMorse(KernelSuite):
    backends = ("dense",)

    def make(self):
        return MorseKernel(1.0, 0.6, 3.0, 0.2, learnable=True)


@pytest.mark.full
class TestCauchyOnEveryBackend(KernelSuite):
    def make(self):
        return Cauchy(0.5, learnable=True)


class TestPlane(BoundarySuite):
    backends = ("dense",)

    def make(self):
        return Plane()


class TestTorus(BoundarySuite):
    backends = ("dense",)

    def make(self):
        return PeriodicBoundary(0.7, lower=-0.3)


class TestBox(BoundarySuite):
    backends = ("dense",)
    dimension = 3

    def make(self):
        return ReflectingBoundary(-1.0, 2.0)


class TestHalving(IntegratorSuite):
    def make(self):
        return Halving()


class TestHeun(IntegratorSuite):
    def make(self):
        return Heun(0.01, learnable=True)


class TestNoise(IntegratorSuite):
    def make(self):
        return EulerMaruyama(0.01, temperature=0.1)


class TestAdam(IntegratorSuite):
    rollout_error = 1e-5  # a differentiable Adam corrects by 1 − 0.999ᵏ in float32

    def make(self):
        return NamedOptimizer("adam", 0.01)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


class TestAdamInPlace(IntegratorSuite):
    def make(self):
        return Optimizer(adam)


class TestDense(BackendSuite):
    def make(self):
        return Dense(tile=16)


# --- what is wrong is found -------------------------------------------------------------------------------------------


class Lopsided(Cauchy):
    """Says that it is symmetric, and is not."""

    symmetric = True

    def evaluate(self, displacement):
        return super().evaluate(displacement) * (1.0 + 1e-6 * displacement[0])


class Indefinite(Cauchy):
    def profile(self, squared_distance):
        return squared_distance.square()


class BakedIn(Cauchy):
    """Reads its parameter as a number, which the tracer cannot see."""

    def profile(self, squared_distance):
        return 1.0 / (1.0 + squared_distance / float(self.sigma) ** 2)


class Forgetful(Cauchy):
    """Keeps its width outside of its state."""

    def __init__(self, sigma):
        super().__init__(sigma)
        self._times = sigma

    def __setstate__(self, state):
        super().__setstate__({**state, "_times": 1.0})

    def profile(self, squared_distance):
        return self._times * super().profile(squared_distance)


class Uneven(PeriodicBoundary):
    """Leans to one side."""

    def displacement(self, x, y):
        difference = x - y + 1e-3
        return difference - self.lengths.to(x.dtype) * (difference / self.lengths.to(x.dtype)).round()


class Leaky(PeriodicBoundary):
    def wrap(self, x):
        return torch.remainder(x, 0.9 * self.lengths.to(x.dtype))


class Impure(Halving):
    """Writes into the state that it is given."""

    def step(self, state, dynamics, generator):
        state.positions.mul_(1.0 + 1e-12)
        return super().step(state, dynamics, generator)


class Secretive(Integrator):
    """Keeps what it knows in itself, so that a run in parts differs from one at once."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def step(self, state, dynamics, generator):
        self.count += 1
        positions = dynamics.wrap(state.positions + 0.01 / self.count * dynamics.velocity(state))
        return state.replace(positions=positions, time=state.time + 0.01, step=state.step + 1)


class Rounded(Dense):
    def pair_sum(self, pairs):
        return super().pair_sum(pairs).mul(1.0 + 1e-9)


WRONG = [
    (KernelSuite, lambda: Lopsided(0.5), "test_a_kernel_that_says_so_is_symmetric"),
    (KernelSuite, lambda: Indefinite(0.5), "test_a_kernel_that_says_so_is_positive_definite"),
    (KernelSuite, lambda: BakedIn(0.5), "test_the_formula_is_traced_without_looking_at_values"),
    (BoundarySuite, lambda: Uneven(1.0), "test_the_displacement_is_odd_to_the_bit"),
    (BoundarySuite, lambda: Leaky(1.0), "test_the_displacement_leads_from_y_to_x"),
    (IntegratorSuite, Impure, "test_a_step_leaves_the_state_that_it_starts_from"),
    (IntegratorSuite, Secretive, "test_a_state_dict_taken_in_the_middle_goes_on_bit_for_bit"),
]


@pytest.mark.parametrize(("suite", "make", "law"), WRONG, ids=[law for *_, law in WRONG])
def test_a_law_that_is_broken_fails_its_test(suite, make, law):
    tests = type("Wrong", (suite,), {"make": lambda self: make()})()
    with pytest.raises(Exception):  # noqa: B017, PT011 (an assertion, or what tracing raises)
        getattr(tests, law)()


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copy_that_forgets_is_found(how):
    tests = type("Wrong", (KernelSuite,), {"make": lambda self: Forgetful(0.5)})()
    with pytest.raises(AssertionError):
        tests.test_a_copy_behaves_alike_and_has_memory_of_its_own(how)


def test_a_backend_that_is_not_as_exact_as_it_says_is_found():
    tests = type("Wrong", (BackendSuite,), {"make": lambda self: Rounded()})()
    with pytest.raises(AssertionError):
        tests.test_potential_and_field_are_those_of_the_matrix("gaussian in open space", torch.float64)
