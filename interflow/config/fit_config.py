"""The config of a fit."""

from __future__ import annotations

from dataclasses import Field as DataclassField
from dataclasses import fields
from typing import Annotated, Any, Literal, final, get_type_hints

from pydantic import BeforeValidator, Field, create_model

from interflow.config.builtin_kinds import BACKENDS, BOUNDARIES, DISCREPANCIES, INTEGRATORS
from interflow.config.fields import Count, Integer, Number, Seed, parse_integer, parse_number
from interflow.config.model import Context, Model, codec
from interflow.config.registry import argument_descriptions, from_object
from interflow.config.run_config import AnyBackend, AnyBoundary, Device, Dtype, context_of
from interflow.discrepancies import Discrepancy
from interflow.fitting import FitSettings
from interflow.fitting.settings import Bounds
from interflow.integrators import Integrator
from interflow.storage.points import PointReadOptions

AnyDiscrepancy = Annotated[Any, DISCREPANCIES, Field(description="what is descended.")]
AnyIntegrator = Annotated[Any, INTEGRATORS, Field(description="how points move.")]

OPEN = BOUNDARIES.parse({"kind": "open"})
_AUTO = BACKENDS.parse({"kind": "auto"})
_SEED = PointReadOptions.seed


class ReadingConfig(Model):
    """How images and surfaces become points, and which frame of several is taken."""

    ink: Literal["dark", "light"] = Field("dark", description="which pixels carry mass.")
    gamma: Number = Field(2.2, description="from stored brightness to light; 1 takes it as it is stored.")
    pixels: Count = Field(1_000_000, description="an image of more is reduced to at most as many.")
    samples: Count = Field(200_000, description="points drawn on a surface.")
    frame: Integer = Field(-1, description="of a file of several, from 0, or from the end: -1 is the last.")

    def build(self) -> PointReadOptions:
        """As `read_points` takes it."""
        with Context().at("reading").reporting({name: name for name in type(self).model_fields}):
            return PointReadOptions(**self.model_dump(), seed=_SEED)


def _descent_fields() -> dict[str, Any]:
    """A field for each of the settings of a fit but the seed, which is a field of the whole config."""
    descriptions, hints = argument_descriptions(FitSettings), get_type_hints(FitSettings)
    return {
        setting.name: (
            _type(setting, hints[setting.name]),
            Field(setting.default, description=descriptions[setting.name]),
        )
        for setting in fields(FitSettings)
        if setting.name != "seed"
    }


def _type(setting: DataclassField[Any], hint: Any) -> Any:
    bounds: Bounds | None = setting.metadata.get("bounds")
    if bounds is None:
        return codec(hint, from_object).type
    base, parse = (int, parse_integer) if bounds.whole else (float, parse_number)
    bounded = Annotated[base, Field(**bounds.limits), BeforeValidator(parse)]  # type: ignore[valid-type]
    return bounded | None if setting.default is None else bounded


class DescentConfig(create_model("Descent", __base__=Model, **_descent_fields())):  # type: ignore[misc]
    """How the descent is made; lengths are in units of the target's root mean square radius."""


@final
class FitConfig(Model):
    """All of a fit but its target.

    Example:
        >>> FitConfig(points=100, descent={"steps": 20}).settings().steps
        20
    """

    seed: Seed = Field(0, description="of every random draw.")
    points: Count = Field(1000, description="how many are fitted.")
    dtype: Dtype = "float32"
    device: Device = "cpu"
    boundary: AnyBoundary = OPEN
    backend: AnyBackend = _AUTO
    discrepancy: AnyDiscrepancy | None = Field(None, description="the energy distance if not given.")
    integrator: AnyIntegrator | None = Field(None, description="nesterov, of a measured step, if not given.")
    reading: ReadingConfig = ReadingConfig.model_validate({})
    descent: DescentConfig = DescentConfig.model_validate({})
    held_out: Annotated[Number, Field(gt=0, lt=1)] = Field(0.2, description="part of the target kept for judging.")

    def context(self) -> Context:
        """What is handed down."""
        return context_of(self.boundary, self.backend, self.dtype, self.device)

    def settings(self) -> FitSettings:
        """Those of the descent.

        Raises:
            InvalidConfigError: naming the field whose value cannot be used.
        """
        where = Context().at("descent")
        with where.reporting({name: name for name in DescentConfig.model_fields}):
            return FitSettings(**self.descent.model_dump(), seed=self.seed)

    def build(self) -> tuple[Discrepancy | None, Integrator | None]:
        """The discrepancy and the integrator, None where the fit is to choose.

        Raises:
            InvalidConfigError: naming the field whose value cannot be used.
        """
        integrator = None if self.integrator is None else self.integrator.build(Context().at("integrator"))
        given = self.discrepancy
        if given is None and (self.backend, self.boundary) != (_AUTO, OPEN):
            given = DISCREPANCIES.parse({"kind": "energy_distance"})
        return None if given is None else given.build(self.context().at("discrepancy")), integrator
