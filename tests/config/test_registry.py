"""One's own classes enter configs by one line, and a class whose config could not be told is refused at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import yaml
from torch import Tensor

import interflow as fl
from interflow.config import builtin_kinds
from interflow.config.loading import validate
from interflow.config.model import Family
from interflow.config.registry import register
from tests.config.cases import TOUR


@pytest.fixture(autouse=True)
def _forget_what_the_test_registers():
    before = {family: dict(family.models) for family in Family.by_base.values()}
    builtin_kinds.KERNELS.models.pop("ring", None)  # the docstring of `register` may have run already
    yield
    for family, models in before.items():
        family.models.clear()
        family.models.update(models)


class _Ring(fl.RadialKernel):
    """A ring.

    Args:
        radius: of the ring,
            in units of the positions.
        widths: of several rings.
        inner: another kernel.
    """

    def __init__(
        self, radius: float, widths: float | Tensor = 1.0, inner: fl.Kernel | None = None, names: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.radius = fl.PositiveParameter(radius)
        self.widths = fl.PositiveParameter(widths, per_axis=True)
        self.inner = inner
        self.names = list(names)

    def profile(self, squared_distance: Tensor) -> Tensor:
        return (squared_distance.sqrt() - self.radius).square()


def test_a_class_is_written_once():
    register("ring")(_Ring)
    data = {
        "kind": "ring",
        "radius": "2e0",
        "widths": [1, 2],
        "inner": {"kind": "gaussian", "sigma": 1},
        "names": ["a"],
    }
    model = builtin_kinds.KERNELS.parse(data)
    ring = model.build()
    assert isinstance(ring, _Ring)
    assert ring.widths.tolist() == [1.0, 2.0]
    assert isinstance(ring.inner, fl.GaussianKernel)
    assert fl.config.from_object(ring) == model


def test_models_that_were_there_before_find_a_new_kind():
    register("ring")(_Ring)
    text = TOUR.replace("kind: gaussian, sigma: 0.1", "kind: ring, radius: 0.3")
    run = validate(fl.config.RunConfig, yaml.safe_load(text))
    assert isinstance(run.build().energy.energy.kernel, _Ring)


def test_descriptions_come_from_the_docstring():
    register("ring")(_Ring)
    fields = builtin_kinds.KERNELS.models["ring"].model_fields
    assert fields["radius"].description == "of the ring, in units of the positions."
    assert fields["widths"].description == "of several rings."


def test_the_same_class_may_be_registered_again_as_a_cell_may_run_twice():
    register("ring")(_Ring)
    register("ring")(_Ring)


def test_a_kind_that_is_taken_is_refused():
    with pytest.raises(fl.ArgumentError, match="GaussianKernel"):
        register("gaussian")(_Ring)


def test_a_class_of_no_family_is_refused():
    with pytest.raises(fl.ArgumentError, match="derived from"):
        register("anything")(torch.nn.Linear)


@pytest.mark.parametrize("annotation", [Callable, torch.Generator, dict[str, int], int | str, None])
def test_an_argument_that_no_config_can_hold_is_refused_when_registered(annotation):
    class Odd(_Ring):
        def __init__(self, thing) -> None:
            super().__init__(1.0)

    if annotation is not None:
        Odd.__init__.__annotations__["thing"] = annotation
    with pytest.raises(fl.ArgumentError, match="thing"):
        register("odd")(Odd)


@pytest.mark.parametrize("name", ["kind", "scale", "build", "model_fields"])
def test_an_argument_whose_name_means_something_else_is_refused_unless_renamed(name):
    namespace: dict[str, type] = {}
    source = f"class Odd(Ring):\n    def __init__(self, {name}: float) -> None:\n        Ring.__init__(self, {name})\n"
    source += f"        self.{name}_ = {name}\n"
    exec(source, {"Ring": _Ring}, namespace)
    with pytest.raises(fl.ArgumentError, match="another name"):
        register("odd")(namespace["Odd"])
    register("odd", names={name: "value"})(namespace["Odd"])
    assert builtin_kinds.KERNELS.parse({"kind": "odd", "value": 2}).build().radius.item() == 2.0


def test_an_object_of_an_unregistered_class_has_no_config():
    with pytest.raises(fl.ConfigError, match="register"):
        fl.config.from_object(_Ring(1.0))
    with pytest.raises(fl.ConfigError, match="register"):
        fl.config.from_object(object())


def test_an_object_that_forgot_an_argument_has_no_config():
    class Forgetful(_Ring):
        def __init__(self, radius: float, lost: float = 1.0) -> None:
            super().__init__(radius)

    register("forgetful")(Forgetful)
    with pytest.raises(fl.ConfigError, match="lost"):
        fl.config.from_object(Forgetful(1.0))


def test_scales_of_scales_multiply():
    kernel = 2.0 * (3.0 * fl.GaussianKernel(sigma=1.0))
    assert fl.config.from_object(kernel).scale == 6.0


def test_a_learned_value_is_what_the_config_tells():
    kernel = fl.GaussianKernel(sigma=1.0, learnable=True)
    kernel.sigma = 3.0
    assert fl.config.from_object(kernel).model_dump() == {
        "kind": "gaussian",
        "scale": 1.0,
        "sigma": 3.0,
        "learnable": True,
    }
