"""Configs of every kind, and hypothesis strategies for them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from interflow.integrators.optimizer import NAMED

Data = dict[str, Any]


def rounded(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers with few digits, as people write them."""
    return st.floats(low, high).map(lambda value: float(f"{value:.6g}"))


positive = rounded(1e-3, 1e3)
truth = st.booleans()


def kind(name: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries({"kind": st.just(name), **fields})


def scaled(strategy: st.SearchStrategy[Data]) -> st.SearchStrategy[Data]:
    return st.builds(lambda data, scale: {**data, "scale": scale}, strategy, rounded(-10, 10))


lengths = positive | st.lists(positive, min_size=2, max_size=2)

SIMPLE_KERNELS = {
    "gaussian": kind("gaussian", sigma=lengths, learnable=truth),
    "laplacian": kind("laplacian", sigma=lengths, learnable=truth),
    "matern": kind("matern", sigma=positive, nu=st.sampled_from([0.5, 1.5, 2.5]), learnable=truth),
    "distance": kind("distance", exponent=rounded(0.01, 1.99)),
    "inverse_multiquadric": kind("inverse_multiquadric", sigma=positive, learnable=truth),
    "logarithmic": kind("logarithmic", softening=st.just(0.0) | positive),
    "inverse_power": kind("inverse_power", exponent=rounded(0.1, 5), softening=st.just(0.0) | positive),
    "morse": kind(
        "morse", attraction=positive, attraction_length=positive, repulsion=positive, repulsion_length=positive
    ),
    "lennard_jones": kind("lennard_jones", epsilon=positive, sigma=positive, cutoff=st.none() | positive),
    "bandlimited_energy": kind(
        "bandlimited_energy",
        lengths=positive | st.lists(rounded(1.0, 4.0), min_size=2, max_size=2),
        modes=st.integers(1, 8),
    ),
    "wendland": kind("wendland", radius=positive, smoothness=st.integers(0, 3), learnable=truth),
    "polynomial": kind(
        "polynomial", degree=st.integers(1, 5), inner_scale=positive, offset=st.just(0.0) | positive, learnable=truth
    ),
    "linear": kind("linear", offset=st.just(0.0) | positive),
    "yukawa": kind("yukawa", length=positive, learnable=truth),
    "power_law": kind("power_law", attraction=rounded(0.1, 5), repulsion=rounded(-5, 0)),
    "soft_sphere": kind("soft_sphere", epsilon=positive, sigma=positive, exponent=rounded(1, 4), learnable=truth),
}
simple_kernels = scaled(st.one_of(*SIMPLE_KERNELS.values()))
sums = kind("sum", terms=st.lists(simple_kernels, min_size=1, max_size=3))
products = kind("product", factors=st.lists(simple_kernels, min_size=1, max_size=3))
kernels = simple_kernels | scaled(sums) | scaled(products)

BOUNDARIES = {
    "open": kind("open"),
    "periodic": kind(
        "periodic",
        lengths=positive | st.lists(positive, min_size=2, max_size=2),
        lower=rounded(-5, 5),
        images=st.sampled_from(["nearest", "all"]),
    ),
    "reflecting": kind("reflecting", lower=rounded(-5, 0), upper=rounded(1, 5)),
    "product": kind(
        "product", axes=st.lists(kind("open") | kind("periodic", lengths=positive), min_size=2, max_size=2)
    ),
}
boundaries = st.one_of(*BOUNDARIES.values())

INTEGRATORS = {
    "euler": kind("euler", step_size=positive, learnable=truth),
    "heun": kind("heun", step_size=positive),
    "runge_kutta4": kind("runge_kutta4", step_size=positive),
    "adaptive_runge_kutta": kind(
        "adaptive_runge_kutta",
        step_size=positive,
        relative_tolerance=positive,
        absolute_tolerance=positive,
        method=st.sampled_from(["dormand_prince", "bogacki_shampine"]),
    ),
    "euler_maruyama": kind("euler_maruyama", step_size=positive, temperature=st.just(0.0) | positive),
    "nesterov": kind("nesterov", step_size=positive),
    "momentum": kind("momentum", step_size=positive, friction=st.just(0.0) | positive),
    "optimizer": kind(
        "optimizer",
        name=st.sampled_from(sorted(NAMED)),
        learning_rate=positive,
    ),
}
integrators = st.one_of(*INTEGRATORS.values())

samplings = st.sampled_from(["design", "random", "quasi"])
estimators = st.sampled_from(["biased", "unbiased"])
reductions = st.sampled_from(["mean", "sum", "none"])
DISCREPANCIES = {
    "mmd": kind("mmd", kernel=SIMPLE_KERNELS["gaussian"], estimator=estimators, reduction=reductions),
    "energy_distance": kind("energy_distance", estimator=estimators, reduction=reductions),
    "sinkhorn": kind(
        "sinkhorn",
        blur=positive,
        p=st.sampled_from([1, 2]),
        scaling=rounded(0.1, 0.9),
        reduction=reductions,
    ),
    "sliced_wasserstein": kind(
        "sliced_wasserstein",
        projections=st.integers(1, 1000),
        p=rounded(1, 4),
        sampling=samplings,
        redraw=truth,
        seed=st.integers(0, 2**40),
        reduction=reductions,
    ),
}
points = st.lists(st.tuples(positive, positive).map(list), min_size=2, max_size=4)
ENERGIES = {
    "interaction": scaled(kind("interaction", kernel=kernels)),
    "discrepancy": scaled(
        kind("discrepancy", discrepancy=DISCREPANCIES["mmd"] | DISCREPANCIES["energy_distance"], target=points)
    ),
}
ENERGIES["sum"] = scaled(kind("sum", terms=st.lists(st.one_of(*ENERGIES.values()), min_size=1, max_size=3)))
energies = st.one_of(*ENERGIES.values())

DISTRIBUTIONS = {
    "uniform": kind("uniform", lower=rounded(-5, 0), upper=rounded(1, 5) | st.just([1.0, 2.0])),
    "normal": kind("normal", mean=rounded(-5, 5) | st.just([1.0, 2.0]), deviation=positive),
}
BACKENDS = {
    "auto": kind(
        "auto",
        repetitions=st.none() | st.integers(1, 1000),
        deterministic=st.booleans(),
        tolerance=st.none(),
    ),
    "dense": kind("dense", tile=st.integers(1, 1000)),
    "compiled": kind("compiled", block=st.none() | st.integers(1, 5000)),
    "keops": kind("keops"),
    "fourier": kind("fourier", tile=st.integers(1, 1000)),
    "nufft": kind("nufft"),
    "sorted": kind(
        "sorted",
        directions=st.none() | st.integers(1, 1000),
        sampling=samplings,
        redraw=truth,
        seed=st.integers(0, 2**40),
    ),
}

OBSERVABLES = {
    "mean_speed": kind("mean_speed"),
    "discrepancy": kind("discrepancy", discrepancy=DISCREPANCIES["mmd"], target=points),
    "pair_distances": kind("pair_distances", bins=st.integers(1, 50), max_distance=positive),
    "fourier_mode": kind("fourier_mode", mode=st.tuples(rounded(-3, 3), rounded(-3, 3)), lengths=positive),
    "polarisation": kind("polarisation"),
}
SCHEDULES = {
    name: kind(name, start=positive, end=positive, steps=st.integers(1, 1000))
    for name in ("linear", "exponential", "cosine")
}

FAMILIES = {
    "backend": BACKENDS,
    "boundary": BOUNDARIES,
    "kernel": {**SIMPLE_KERNELS, "sum": sums, "product": products},
    "discrepancy": DISCREPANCIES,
    "energy": ENERGIES,
    "integrator": INTEGRATORS,
    "observable": OBSERVABLES,
    "schedule": SCHEDULES,
    "distribution": DISTRIBUTIONS,
}
"""A strategy for each kind of each family."""

runs = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**63 - 1),
        "particles": st.fixed_dictionaries(
            {"count": st.integers(1, 5), "dimension": st.just(2), "distribution": st.one_of(*DISTRIBUTIONS.values())}
        ),
        "dtype": st.sampled_from(["float32", "float64"]),
        "boundary": boundaries,
        "backend": BACKENDS["dense"],
        "energy": energies,
        "integrator": integrators,
        "run": st.fixed_dictionaries({"steps": st.integers(0, 5), "save_every": st.integers(1, 5)}),
    }
)

TOUR = """\
seed: 0
particles: {count: 20, dimension: 2}
boundary: {kind: periodic, lengths: 1.0}
backend: {kind: dense, tolerance: null}
energy: {kind: interaction, scale: -2.0, kernel: {kind: gaussian, sigma: 0.1}}
integrator: {kind: euler, step_size: 0.005}
run: {steps: 4, save_every: 2}
"""
