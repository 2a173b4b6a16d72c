"""What ``interflow fit`` does between its arguments and its last lines."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy.spatial import KDTree
from torch import Tensor

from interflow.cli.common import drawn, versions
from interflow.cli.fit_progress import progress
from interflow.config.fit_config import OPEN, FitConfig
from interflow.config.model import check_memory
from interflow.config.registry import from_object
from interflow.errors import ArgumentError, InterflowError, PointFileError
from interflow.fitting import Fit, fit
from interflow.fitting.evaluation import Split, figures, sliced_w2, split
from interflow.fitting.settings import Record
from interflow.storage.files import atomic_write
from interflow.storage.points import PointCloud, PointReadOptions, check_points, read_points, write_points
from interflow.storage.points.format import Array
from interflow.storage.points.image import write_svg

_LOG = logging.getLogger("interflow")
_DIRECTIONS = 16  # for a look on the way


class FitJob:
    """A fit of the points in a file.

    Args:
        target: the file.
        config: how to fit.
        source: a file with the points to move; None for as many as the config tells.

    Raises:
        InvalidConfigError: if a field of the config cannot be used.
        PointFileError: if a file cannot be read, or the points to move are in another space.
    """

    def __init__(self, target: Path, config: FitConfig, source: Path | None = None) -> None:
        self.target = target
        self.config = config
        self.reading = config.reading.build()
        self.settings = config.settings()
        self.discrepancy, self.integrator = config.build()
        self.cloud = _read(target, self.reading)
        config.context().check_backend(self.cloud.dimension)
        self.source = None if source is None else _read(source, replace(self.reading, frame=-1))
        if self.source is not None and self.source.dimension != self.cloud.dimension:
            came, wanted = (f"{cloud.dimension} coordinates a point" for cloud in (self.source, self.cloud))
            raise PointFileError(source, came=came, wanted=f"{wanted}, as in {target}")
        self._check(source)
        self.offset = torch.zeros(self.cloud.dimension, dtype=torch.float64)
        if config.boundary == OPEN:  # a scan in the coordinates of a country is not for float32; a domain has a place
            self.offset += torch.as_tensor(self.cloud.positions, dtype=torch.float64).mean(0)
        if self.source is None:
            check_memory(("points",), config.points, self.cloud.dimension, getattr(torch, config.dtype))
        positions, weights = self._tensors(self.cloud)
        count = config.points if self.source is None else len(self.source)
        self.split = split(positions, weights, config.held_out, count, config.seed)

    def run(self, folder: Path, quiet: bool) -> tuple[dict[str, Any], bool]:
        """Fit, judge, and write everything into a folder; returns the summary, and whether the report was drawn."""
        self._offer_domain()
        trace: list[tuple[float, float, float]] = []
        source, source_weights = (self.config.points, None) if self.source is None else self._tensors(self.source)
        with progress(self.settings, quiet) as show:

            def look(record: Record, positions: Tensor, weights: Tensor) -> None:
                parts = self.split
                distance = math.nan  # where nothing is held out
                if len(parts.held_out):
                    distance = sliced_w2(positions, parts.held_out, weights, parts.held_out_weights, _DIRECTIONS)
                trace.append((record.seconds, record.loss, distance))
                show(record, distance)

            fitted = fit(
                source,
                self.split.seen,
                self.discrepancy,
                source_weights=source_weights,
                target_weights=self.split.seen_weights,
                integrator=self.integrator,
                **vars(self.settings),
                callback=look,
            )
        summary = self._summary(fitted)
        return summary, self._write(folder, fitted, trace, summary)

    def lines(self, summary: dict[str, Any]) -> list[str]:
        """The summary for reading."""
        result, sample = summary["held_out"]["fitted"], summary["held_out"]["independent_sample"]
        lines = [
            f"{summary['points']:,} points to {summary['target_points']:,} of {self.target.name}: "
            f"{summary['steps']} steps in {summary['seconds']:.3g} s; {summary['stopped']}",
            f"loss {summary['losses'][0]:.4g} → {summary['loss']:.4g}",
        ]
        for name, words, points in (("sliced_w2", "sliced W₂", "points"), ("exact_w2", "W₂", "points_of_exact_w2")):
            if result[name] is not None:
                lines.append(
                    f"{words} to {summary['held_out'][points]:,} held-out points: {result[name]:.4g}, "
                    f"and {sample[name]:.4g} for an independent sample of as many"
                )
        return lines

    @property
    def _weighted(self) -> bool:
        """Whether the fitted points are written with weights."""
        given = [cloud for cloud in (self.cloud, self.source) if cloud is not None and cloud.weights is not None]
        return bool(given) or self.settings.weight_rate > 0

    def _check(self, source: Path | None) -> None:
        """Refuse what could not be written in the format of the target, or is out of the range of the arithmetic."""
        own = self.cloud if self.source is None else self.source
        weights = np.ones(len(own)) if self._weighted else None
        fitted = replace(self.cloud, positions=own.positions, weights=weights, columns=own.columns)
        check_points(self.target, fitted, self.reading)
        _check_range(self.target, self.cloud, self.config.context().dtype)
        if source is not None and self.source is not None:
            _check_range(source, self.source, self.config.context().dtype)

    def _offer_domain(self) -> None:
        """Say how the cell of the target becomes the domain, where it repeats and the config names no domain."""
        lattice = self.cloud.lattice
        if lattice is None or self.config.boundary != OPEN or not any(lattice.periodic):
            return
        try:
            domain = yaml.safe_dump(
                from_object(lattice.boundary(self.cloud.dimension)).model_dump(mode="json"),
                width=math.inf,
                default_flow_style=True,
            )
        except ArgumentError as error:
            _LOG.info("%s has a cell that repeats, which is no domain here: %s", self.target, error)
        else:
            _LOG.info("%s has a cell that repeats; to fit in it: --set 'boundary=%s'", self.target, domain.strip())

    def _summary(self, fitted: Fit) -> dict[str, Any]:
        parts: Split = self.split
        judged = {
            "points": len(parts.held_out),
            "points_of_exact_w2": len(parts.few_held_out),
            "fitted": figures(fitted.positions, fitted.weights, parts),
            "independent_sample": figures(parts.sample, None, parts),
        }
        return {
            "target": str(self.target),
            "points": len(fitted.positions),
            "target_points": len(parts.seen),
            "dimension": self.cloud.dimension,
            **fitted.stats,
            "losses": [record.loss for record in fitted.history],
            "held_out": judged,
            "config": self.config.model_dump(mode="json"),
            "versions": versions(),
        }

    def _write(
        self, folder: Path, fitted: Fit, trace: list[tuple[float, float, float]], summary: dict[str, Any]
    ) -> bool:
        cloud = self._fitted_cloud(fitted)
        summary["failure"] = self._write_points(folder, cloud)
        text = json.dumps(summary, indent=2, default=str)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")

        def report() -> None:  # last, for it must not cost the result
            from interflow.views import fit_report

            figure = fit_report(
                self.cloud.positions,
                self._arrays(fitted.start),
                cloud.positions,
                target_weights=self.cloud.weights,
                history=trace,
                reference=summary["held_out"]["independent_sample"]["sliced_w2"],
                title=self.target.name,
                image=cloud.canvas is not None,
            )
            suffix = _report_suffix(self.target)
            atomic_write(folder / f"report{suffix}", lambda stream: figure.savefig(stream, format=suffix[1:]))

        return drawn(report, "The fit is whole, but its report is not drawn")

    def _write_points(self, folder: Path, cloud: PointCloud) -> str | None:
        """Write the fitted points; where that fails they are kept as plain arrays, and the reason is returned."""
        file = folder / f"fitted{self.target.suffix.lower()}"
        try:
            write_points(file, cloud, self.reading)
            if cloud.canvas is not None:
                write_svg(folder / "fitted.svg", cloud, self.reading)
        except InterflowError as error:
            file.unlink(missing_ok=True)
            np.save(folder / "fitted.npy", cloud.positions)
            if cloud.weights is not None:
                np.save(folder / "fitted_weights.npy", cloud.weights)
            return str(error).replace(str(folder), "").lstrip("/")
        return None

    def _tensors(self, cloud: PointCloud) -> tuple[Tensor, Tensor | None]:
        """Positions less the offset, and weights, where and as the config has them."""
        context = self.config.context()
        points = torch.as_tensor(cloud.positions, dtype=torch.float64) - self.offset
        positions = points.to(context.device, context.dtype)
        return positions, None if cloud.weights is None else torch.as_tensor(cloud.weights).to(positions)

    def _arrays(self, positions: Tensor) -> Array:
        return (positions.detach().cpu().double() + self.offset).numpy()

    def _fitted_cloud(self, fitted: Fit) -> PointCloud:
        """The fitted points with their own columns, or with those of the points of the target nearest to them."""
        positions = self._arrays(fitted.positions)
        columns = self._columns(positions) if self.source is None else self.source.columns
        weights = fitted.weights.cpu().double().numpy() if self._weighted else None
        return replace(self.cloud, positions=positions, weights=weights, columns=columns)

    def _columns(self, positions: Array) -> Mapping[str, Array]:
        if not self.cloud.columns:
            return {}
        nearest = KDTree(self.cloud.positions).query(positions)[1]
        return {name: values[nearest] for name, values in self.cloud.columns.items()}


def _check_range(file: Path, cloud: PointCloud, dtype: torch.dtype) -> None:
    """Refuse coordinates and weights whose squares are no numbers in a dtype."""
    finite = torch.finfo(dtype)
    least, largest = finite.tiny**0.5, finite.max**0.5 / 1e3
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(np.abs(cloud.positions - cloud.positions.mean(0)).max())
        figures = [("coordinates that spread over", spread), ("weights that sum to", cloud.mass)]
    for words, figure in figures:
        if figure and not least < figure < largest:
            wanted = f"between {least:.1g} and {largest:.1g}, the range of {str(dtype).removeprefix('torch.')}"
            remedy = "Take other units, or --set dtype=float64, whose range is wider."
            raise PointFileError(file, came=f"{words} {figure:.3g}", wanted=wanted, remedy=remedy)


def _read(file: Path, reading: PointReadOptions) -> PointCloud:
    """The points in a file; a pipe or a device would be waited for, and may never end."""
    if os.path.exists(file) and not os.path.isfile(file):
        raise PointFileError(file, came="a folder" if file.is_dir() else "a pipe or a device", wanted="a file")
    return read_points(file, reading)


def _report_suffix(target: Path) -> str:
    """That of a picture, other than the target's, so that the fitted points are the only file of their kind."""
    return ".jpg" if target.suffix.lower() == ".png" else ".png"
