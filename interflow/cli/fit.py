"""``interflow fit``: a file of points, a scan or a photograph becomes fewer points that represent it."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interflow.cli.common import FAILED, default_folder, drawn, load_plugin, log_to_stderr, versions
from interflow.config.document import Document, parse_assignment, read
from interflow.errors import ArgumentError, InterflowError, PointFileError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from interflow.config.fit_config import FitConfig
    from interflow.fitting import FitResult, FitSettings
    from interflow.fitting.settings import FitRecord
    from interflow.storage.points import PointCloud, PointReadOptions
    from interflow.storage.points.format import Array

_LOG = logging.getLogger("interflow")
_DIRECTIONS = 16  # for a look on the way
_LAYOUT = "{percentage:3.0f} %|{bar:20}| {elapsed}, {remaining} left{postfix}"

EXAMPLES = """Examples:

\b
  interflow fit photo.jpg --points 20000
  interflow fit photo.jpg --points 20000 --set reading.ink=light
  interflow fit scan.ply --points 5000 --set descent.init=box --set descent.steps=100
  interflow fit samples.csv --source mine.csv
  interflow fit samples.csv --set "discrepancy={kind: sinkhorn, blur: 0.05}"

`interflow schema --fit` lists all fields. Bandwidths, step sizes and noise are in units of the target's root mean
square radius; what is written is in the file's own.
"""


@click.command(epilog=EXAMPLES)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--points", type=click.IntRange(min=1), help="How many points to fit; 1000 by default.")
@click.option("--source", type=click.Path(path_type=Path), help="A file with the points to move, in place of --points.")
@click.option("--frame", type=int, help="Which frame of an XYZ file of several, from 0; the last by default.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make; fits/NAME-TIME by default.")
@click.option("--config", type=click.Path(path_type=Path), help="A YAML file that says how.")
@click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="Change a field: descent.steps=200.")
@click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE", help="Import a module or .py file that registers kinds."
)
@click.option("--quiet", is_flag=True, help="Print the path of the folder and nothing else.")
def command(
    target: Path,
    points: int | None,
    source: Path | None,
    frame: int | None,
    out: Path | None,
    config: Path | None,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    quiet: bool,
) -> None:
    """Fit points to the TARGET in a file: NPY, NPZ, CSV, XYZ, PLY, OBJ, STL, LAS/LAZ, PNG or JPEG.

    Of a mesh the surface is the target, and of an image the ink: more dots where it is dark. A fifth of the target is
    held out; it judges the fit, which never saw it, beside an independent sample of as many points.

    The folder holds fitted.EXT in the target's format, report.png and summary.json; of an image also fitted.svg.
    The report on a PNG is report.jpg, so that fitted.png is the only PNG there. What the format cannot hold is told
    before the work begins; if writing fails all the same, the points are kept in fitted.npy. The exit code is 1 then,
    and where the report alone cannot be drawn.
    """
    if points is not None and source is not None:
        raise click.UsageError("--source brings its own points: without --points.")
    document = Document({}) if config is None else read(config)
    changes = [parse_assignment(text) for text in assignments]
    changes += [parse_assignment(f"points={points}")] if points is not None else []
    changes += [parse_assignment(f"reading.frame={frame}")] if frame is not None else []
    from interflow.config.fit_config import FitConfig
    from interflow.config.loading import apply_assignments
    from interflow.storage.files import check_free, give_name, new_folder, os_errors_as_storage_errors

    for plugin in plugins:
        load_plugin(plugin)
    fit_config, document = apply_assignments(FitConfig, document, changes)
    with document.located():
        job = FitJob(target, fit_config, source)
    if out is not None:
        check_free(out)
    wanted = out or default_folder("fits", target)
    with (
        new_folder(wanted) as folder,
        os_errors_as_storage_errors(wanted, "write the fit"),
        nullcontext() if quiet else log_to_stderr(),
    ):
        summary, whole = job.run(folder, quiet)
        named = give_name(folder, wanted, numbered=True)  # a fit is not thrown away for its name
    if named != wanted and out is not None:
        click.echo(f"{out} was taken while the fit went on: it is in {named}.", err=True)
    click.echo(named)
    if not quiet:
        click.echo("\n".join(job.lines(summary)))
    if summary["failure"]:
        raise click.ClickException(f"{summary['failure']} The fitted points are kept in {named / 'fitted.npy'}.")
    if not whole:
        raise click.exceptions.Exit(FAILED)


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
        import torch

        from interflow.config.fit_config import OPEN
        from interflow.config.model import check_memory
        from interflow.fitting.evaluation import split

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
        from interflow.fitting import fit
        from interflow.fitting.evaluation import sliced_w2

        self._offer_domain()
        trace: list[tuple[float, float, float]] = []
        source, source_weights = (self.config.points, None) if self.source is None else self._tensors(self.source)
        with progress(self.settings, quiet) as show:

            def look(record: FitRecord, positions: Tensor, weights: Tensor) -> None:
                parts = self.split
                distance = math.nan  # where nothing is held out
                if len(parts.held_out):
                    distance = sliced_w2(positions, parts.held_out, weights, parts.held_out_weights, _DIRECTIONS)
                trace.append((record.seconds, record.loss, distance))
                show(record, distance)

            fitted = fit(
                source,
                self.split.train,
                self.discrepancy,
                source_weights=source_weights,
                target_weights=self.split.train_weights,
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
        return bool(given) or self.settings.weight_step_size > 0

    def _check(self, source: Path | None) -> None:
        """Refuse what could not be written in the format of the target, or is out of the range of the arithmetic."""
        import numpy as np

        from interflow.storage.points import check_points

        own = self.cloud if self.source is None else self.source
        weights = np.ones(len(own)) if self._weighted else None
        fitted = replace(self.cloud, positions=own.positions, weights=weights, columns=own.columns)
        check_points(self.target, fitted, self.reading)
        _check_range(self.target, self.cloud, self.config.context().dtype)
        if source is not None and self.source is not None:
            _check_range(source, self.source, self.config.context().dtype)

    def _offer_domain(self) -> None:
        """Say how the cell of the target becomes the domain, where it repeats and the config names no domain."""
        import yaml

        from interflow.config.fit_config import OPEN
        from interflow.config.registry import from_object

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

    def _summary(self, fitted: FitResult) -> dict[str, Any]:
        from interflow.fitting.evaluation import held_out_distances

        parts = self.split
        judged = {
            "points": len(parts.held_out),
            "points_of_exact_w2": len(parts.held_out_subset),
            "fitted": held_out_distances(fitted.positions, fitted.weights, parts),
            "independent_sample": held_out_distances(parts.sample, None, parts),
        }
        return {
            "target": str(self.target),
            "points": len(fitted.positions),
            "target_points": len(parts.train),
            "dimension": self.cloud.dimension,
            **fitted.stats,
            "losses": [record.loss for record in fitted.history],
            "held_out": judged,
            "config": self.config.model_dump(mode="json"),
            "versions": versions(),
        }

    def _write(
        self, folder: Path, fitted: FitResult, trace: list[tuple[float, float, float]], summary: dict[str, Any]
    ) -> bool:
        cloud = self._fitted_cloud(fitted)
        summary["failure"] = self._write_points(folder, cloud)
        text = json.dumps(summary, indent=2, default=str)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")

        def report() -> None:  # last, for it must not cost the result
            from interflow.storage.files import atomic_write
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
        import numpy as np

        from interflow.storage.points import write_points
        from interflow.storage.points.image import write_svg

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
        import torch

        context = self.config.context()
        points = torch.as_tensor(cloud.positions, dtype=torch.float64) - self.offset
        positions = points.to(context.device, context.dtype)
        return positions, None if cloud.weights is None else torch.as_tensor(cloud.weights).to(positions)

    def _arrays(self, positions: Tensor) -> Array:
        return (positions.detach().cpu().double() + self.offset).numpy()

    def _fitted_cloud(self, fitted: FitResult) -> PointCloud:
        """The fitted points with their own columns, or with those of the points of the target nearest to them."""
        positions = self._arrays(fitted.positions)
        columns = self._columns(positions) if self.source is None else self.source.columns
        weights = fitted.weights.cpu().double().numpy() if self._weighted else None
        return replace(self.cloud, positions=positions, weights=weights, columns=columns)

    def _columns(self, positions: Array) -> Mapping[str, Array]:
        from scipy.spatial import KDTree

        if not self.cloud.columns:
            return {}
        nearest = KDTree(self.cloud.positions).query(positions)[1]
        return {name: values[nearest] for name, values in self.cloud.columns.items()}


def _check_range(file: Path, cloud: PointCloud, dtype: torch.dtype) -> None:
    """Refuse coordinates and weights whose squares are no numbers in a dtype."""
    import numpy as np
    import torch

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
    from interflow.storage.points import read_points

    if os.path.exists(file) and not os.path.isfile(file):
        raise PointFileError(file, came="a folder" if file.is_dir() else "a pipe or a device", wanted="a file")
    return read_points(file, reading)


def _report_suffix(target: Path) -> str:
    """That of a picture, other than the target's, so that the fitted points are the only file of their kind."""
    return ".jpg" if target.suffix.lower() == ".png" else ".png"


@contextmanager
def progress(settings: FitSettings, quiet: bool) -> Iterator[Callable[[FitRecord, float], None]]:
    """A bar that shows the loss, the held-out distance and the time left until the last step or second."""
    from tqdm.auto import tqdm

    with tqdm(total=1.0, bar_format=_LAYOUT, disable=True if quiet else None) as bar:

        def show(record: FitRecord, distance: float) -> None:  # NaN where nothing is held out
            parts = [record.step / max(settings.steps, 1), record.seconds / (settings.max_seconds or math.inf)]
            bar.update(min(max(parts), 1.0) - bar.n)
            made = f"step {record.step} of {settings.steps}"
            judged = "" if math.isnan(distance) else f", held-out sliced W₂ {distance:.3g}"
            bar.set_postfix_str(f"{made}, loss {record.loss:.3g}{judged}")

        yield show
