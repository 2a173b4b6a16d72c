"""Configs and objects say the same, both ways."""

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interflow import config
from interflow.config.builtin_kinds import BACKENDS
from interflow.config.document import parse
from interflow.config.loading import dump, validate
from interflow.config.model import Family
from tests.config import cases

FAMILIES = {family.name: family for family in Family.by_base.values()}
KINDS = [(name, kind) for name, family in FAMILIES.items() for kind in family.models if "test" not in kind]
few = settings(max_examples=15)


def test_every_kind_has_a_case():
    for name, family in FAMILIES.items():
        classes = {kind: model.binding.cls for kind, model in family.models.items()}
        built_in = {kind for kind, cls in classes.items() if _is_of_the_package(cls)}
        assert built_in == cases.FAMILIES[name].keys() & built_in, name


def _is_of_the_package(cls):
    """Classes that docstrings register are not: their module does not have them."""
    return cls.__module__.startswith("interflow.") and hasattr(sys.modules[cls.__module__], cls.__name__)


@pytest.mark.parametrize(("family", "kind"), KINDS)
@few
@given(data=st.data())
def test_the_config_of_what_a_config_builds_is_that_config(family, kind, data):
    wanted = FAMILIES[family].parse(data.draw(cases.FAMILIES[family][kind]))
    built = wanted.build()
    found = config.from_object(built)
    assert found == wanted or (family == "kernel" and kind == "sum")  # nested sums are flattened
    assert config.from_object(found.build()) == found


@given(data=cases.kernels)
@few
def test_a_kernel_and_the_one_built_of_its_config_agree(data):
    kernel = FAMILIES["kernel"].parse(data).build()
    again = config.from_object(kernel).build()
    x, y = torch.rand(2, 4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(again(x, y), kernel(x, y), rtol=1e-13, atol=0.0)


@given(data=cases.runs)
@settings(max_examples=40)
def test_the_config_of_a_system_is_the_part_of_the_run_that_describes_it(data):
    run = validate(config.RunConfig, data)
    system = run.build()
    found = config.from_object(system)
    assert found == run.system
    assert system.positions.dtype == getattr(torch, run.dtype)


@given(data=cases.runs)
@settings(max_examples=40)
def test_a_config_read_from_its_own_yaml_is_the_same(data):
    run = validate(config.RunConfig, data)
    assert validate(config.RunConfig, parse(dump(run)).data) == run


@pytest.mark.parametrize("kind", list(BACKENDS.models))
def test_a_backend_without_options_is_handed_down_by_name(kind):
    text = cases.TOUR.replace("kind: dense, tolerance: null", f"kind: {kind}, tolerance: 1e-4")
    system = validate(config.RunConfig, parse(text).data).build()
    energy, backend = system.energy.energy, config.from_object(system).backend
    assert (energy.backend, energy.tolerance) == (kind, 1e-4)
    assert (backend.kind, backend.tolerance) == (kind, 1e-4)


def test_a_backend_with_options_is_handed_down_as_an_instance():
    text = cases.TOUR.replace("kind: dense", "kind: dense, tile: 64")
    system = validate(config.RunConfig, parse(text).data).build()
    assert system.energy.energy.backend.tile == 64


def test_the_boundary_of_the_root_is_the_one_of_every_term():
    text = cases.TOUR.replace(
        "energy: {",
        "energy: {kind: sum, terms: [{kind: discrepancy, discrepancy: {kind: mmd, kernel: {kind: gaussian, "
        "sigma: 0.05}}, target: [[0.5, 0.5]]}, {",
    ).replace("sigma: 0.1}}", "sigma: 0.1}}]}")
    energy = validate(config.RunConfig, parse(text).data).build().energy
    boundaries = {id(module.boundary) for module in energy.modules() if hasattr(module, "boundary")}
    assert len(boundaries) == 1


def test_two_backends_in_one_energy_have_no_config():
    import interflow as fl
    from interflow.energies import InteractionEnergy

    kernel = fl.GaussianKernel(sigma=1.0)
    energy = InteractionEnergy(kernel, backend="dense") + InteractionEnergy(kernel, backend="auto")
    system = fl.ParticleSystem(torch.zeros(2, 2), energy=energy, integrator=fl.Euler(0.1))
    with pytest.raises(fl.ConfigError, match="one backend"):
        config.from_object(system)
