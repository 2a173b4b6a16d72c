"""Export of runs to files for other programs; the suffix selects the format.

``.npz``   arrays ``positions``, ``velocities``, ``weights``, ``times``, ``steps``, ``scalars.NAME`` and
           ``features.NAME``, for NumPy
``.csv``   a row a frame: step, time and the scalars
``.xyz``   extended XYZ (the format of ASE): a block a frame, with its time, scalars, masses, features, and the domain
           if it ends
``.ply``   a file a frame, numbered: ``cloud.0000.ply``, …, with a property a number of a feature
``.gsd``   the format of HOOMD-blue, which OVITO opens; needs the package ``gsd``. It has float32, and boxes around the
           origin: where the domain ends, positions are counted from its centre. The features ``species`` and ``charge``
           are its types and charges, others are in its log
"""

from __future__ import annotations

import os
import string
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from interflow.errors import ArgumentError, needed_package
from interflow.reporters.series import columns, heading, numbers, write_rows
from interflow.solution import Solution
from interflow.state import State
from interflow.storage.outputs import output_file
from interflow.storage.points import PointCloud, check_points, write_points
from interflow.storage.points.format import Lattice, distinct
from interflow.storage.points.xyz import write_frame

MAX_TYPES: Final = 1024
"""Species of GSD, each of which has a name."""


def export(solution: Solution, file: str | os.PathLike[str]) -> list[Path]:
    """Write the frames of a run to a file, or to one a frame.

    Args:
        solution: in memory or on disk; frames are read one by one.
        file: where to; its suffix is one of ``.npz``, ``.csv``, ``.xyz``, ``.ply`` and ``.gsd``.

    Returns:
        The files that were written.

    Raises:
        ArgumentError: for another suffix, clouds that the format cannot hold, or a file that cannot be written or is
            a part of a run.
        MissingPackageError: if the package that writes the format is not installed.
        StorageError: if the run is damaged, or the disk is full; then no file is left.

    Example:
        >>> import tempfile
        >>> import torch
        >>> import interflow as fl
        >>> well = fl.ExternalEnergy(lambda x: x.square().sum(-1))
        >>> system = fl.ParticleSystem(torch.ones(4, 2), energy=well, integrator=fl.Euler(step_size=0.1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [file.name for file in export(system.simulate(2, progress=False), f"{folder}/run.npz")]
        ['run.npz']
    """
    path = Path(file)
    if path.suffix not in FORMATS:
        raise ArgumentError("file", came=str(file), wanted=f"a name that ends in one of {', '.join(FORMATS)}")
    return FORMATS[path.suffix](solution, path)


def _npz(solution: Solution, file: Path) -> list[Path]:
    moving = {} if solution.velocities is None else {"velocities": np.asarray(solution.velocities)}
    names = ("weights", "times", "steps")
    scalars = {f"scalars.{name}": _array(values) for name, values in solution.scalars.items()}
    features = {f"features.{name}": _array(values) for name, values in solution.features.items()}
    arrays = {name: _array(getattr(solution, name)) for name in names} | moving | scalars | features
    with output_file(file) as unfinished:
        np.savez(unfinished, positions=np.asarray(solution.positions), **arrays)
    return [file]


def _csv(solution: Solution, file: Path) -> list[Path]:
    first = {name: values[0] for name, values in solution.scalars.items()}
    rows: list[list[Any]] = [heading(first)]
    for frame in range(len(solution)):
        observed = {name: values[frame] for name, values in solution.scalars.items()}
        rows.append([int(solution.steps[frame]), float(solution.times[frame]), *numbers(observed)])
    with output_file(file) as unfinished:
        write_rows(unfinished, rows)
    return [file]


def _xyz(solution: Solution, file: Path) -> list[Path]:
    lattice = _lattice(solution)
    with output_file(file) as unfinished, open(unfinished, "w", encoding="utf-8") as stream:
        for frame in range(len(solution)):
            observed = {name: values[frame] for name, values in solution.scalars.items() if values.ndim == 1}
            scalars = dict(zip(columns(observed), numbers(observed), strict=True))
            said = [f"Time={solution.times[frame].item()!r}", *(f"{name}={value!r}" for name, value in scalars.items())]
            write_frame(stream, _cloud(solution[frame], lattice), said)
    return [file]


def _lattice(solution: Solution) -> Lattice | None:
    """Return the box of a bounded domain, around all clouds along open axes; missing axes have no length."""
    periodic = solution.extent.periodic.tolist()
    (ends,) = _pad_to_3d((solution.extent.upper - solution.extent.lower)[None])
    if not np.isfinite(ends[: len(periodic)]).any():
        return None
    centre, lengths = _box(solution)
    sides = np.where(np.arange(3) < len(periodic), lengths, 0.0)
    first, second, third = (*periodic, False, False)[:3]
    return Lattice(np.diag(sides), (first, second, third), centre - sides / 2)


def _cloud(state: State, lattice: Lattice | None) -> PointCloud:
    """Return particles in space, with the names of extended XYZ."""
    velocities: Any = [] if state.velocities is None else _pad_to_3d(state.velocities).T
    moving = {f"velo_{axis}": values for axis, values in enumerate(velocities)}
    named = {"species": np.full(len(state.positions), "X"), **moving}
    named |= _columns(state, named)
    return PointCloud(_pad_to_3d(state.positions), _array(state.weights), named, weight_name="mass", lattice=lattice)


def _ply(solution: Solution, file: Path) -> list[Path]:
    digits = max(4, len(str(len(solution) - 1)))
    files = [file.with_suffix(f".{frame:0{digits}d}.ply") for frame in range(len(solution))]
    check_points(files[0], _vertices(solution[0]))
    with ExitStack() as unfinished:  # all of them get their names at the end
        for frame, path in enumerate(files):
            write_points(unfinished.enter_context(output_file(path)), _vertices(solution[frame]))
    return files


def _vertices(state: State) -> PointCloud:
    """Return particles with the names of PLY for velocities."""
    velocities: Any = [] if state.velocities is None else _array(state.velocities).T
    moving = dict(zip(("vx", "vy", "vz"), velocities, strict=False))
    return PointCloud(_array(state.positions), _array(state.weights), {**moving, **_columns(state, moving)})


def _columns(state: State, taken: Collection[str]) -> dict[str, Any]:
    """Return a column for each number of a feature; one whose name is taken gets a number."""
    columns = {
        name if values.ndim == 1 else f"{name}_{place}": column
        for name, values in state.features.items()
        for place, column in enumerate(_array(values[:, None] if values.ndim == 1 else values).T)
    }
    names = distinct([*taken, *columns])[len(taken) :]
    return dict(zip(names, columns.values(), strict=True))


def _gsd(solution: Solution, file: Path) -> list[Path]:
    with needed_package("gsd", extra="gsd", needed_for=f"The format of {file.name}"):
        import gsd.hoomd

    centre, lengths = _box(solution)
    with output_file(file) as unfinished, gsd.hoomd.open(name=str(unfinished), mode="w") as trajectory:
        try:
            for index in range(len(solution)):
                trajectory.append(_gsd_frame(solution, index, centre, lengths))
            trajectory.flush()
        except BaseException:
            trajectory.truncate()  # or it would write the rest as it closes, fail once more, and stay open
            raise
    return [file]


def _gsd_frame(solution: Solution, index: int, centre: Any, lengths: list[float]) -> Any:
    import gsd.hoomd

    state, frame = solution[index], gsd.hoomd.Frame()
    frame.configuration.step = state.step
    frame.configuration.dimensions = 2 if lengths[2] == 0 else 3
    frame.configuration.box = [*lengths, 0, 0, 0]
    frame.particles.N = len(state.positions)
    features = dict(state.features)
    frame.particles.types = _type_names(features.get("species"))
    if len(frame.particles.types) > 1:
        frame.particles.typeid = _array(features.pop("species"))
    if "charge" in features and features["charge"].ndim == 1:
        frame.particles.charge = _array(features.pop("charge"))
    frame.particles.mass = _array(state.weights)
    frame.particles.position = _pad_to_3d(state.positions) - centre
    if state.velocities is not None:
        frame.particles.velocity = _pad_to_3d(state.velocities)
    scalars = {name: np.atleast_1d(_array(values[index])) for name, values in solution.scalars.items()}
    others = {f"particles/{name}": _array(values) for name, values in features.items()}
    frame.log = {"time": np.atleast_1d(_array(state.time)), **scalars, **others}
    return frame


def _type_names(species: Tensor | None) -> list[str]:
    """Return a name for each species, if these are whole numbers from 0 on; else one for all particles."""
    if species is None or species.ndim != 1 or species.is_floating_point() or not len(species):
        return ["X"]
    lowest, highest = int(species.min()), int(species.max())
    if lowest < 0 or not 0 < highest < MAX_TYPES:
        return ["X"]
    letters = string.ascii_uppercase
    return [letters[kind] if highest < len(letters) else f"T{kind}" for kind in range(highest + 1)]


def _box(solution: Solution) -> tuple[np.ndarray[Any, np.dtype[Any]], list[float]]:
    """Return centre and lengths of a run's box: of the domain, or along open axes of all clouds."""
    extent, dimension = solution.extent, solution.positions.shape[2]
    reach = np.full(3, 0.5)
    for frame in range(len(solution)):
        reach = np.maximum(reach, np.abs(_pad_to_3d(solution.positions[frame])).max(0, initial=0.5))
    ends = _pad_to_3d(extent.lower[None])[0], _pad_to_3d(extent.upper[None])[0]
    bounded = np.isfinite(ends).all(0) & (np.arange(3) < dimension)
    centre = np.where(bounded, np.add(*np.where(bounded, ends, 0.0)) / 2, 0.0)
    lengths = np.where(bounded, np.subtract(*np.where(bounded, ends, 0.0)[::-1]), 2 * reach)
    lengths[2] *= dimension == 3
    return centre, lengths.tolist()


def _pad_to_3d(vectors: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Return vectors ``(N, 3)``, with zeros for missing axes."""
    array = _array(vectors)
    if array.shape[1] > 3:
        raise ArgumentError("solution", came=f"{array.shape[1]} axes", wanted="at most 3 in this format; .npz has any")
    return np.pad(array, ((0, 0), (0, 3 - array.shape[1])))


def _array(tensor: Any) -> np.ndarray[Any, np.dtype[Any]]:
    return np.asarray(tensor.detach().cpu())


FORMATS: Final[dict[str, Callable[[Solution, Path], list[Path]]]] = {
    ".npz": _npz,
    ".csv": _csv,
    ".xyz": _xyz,
    ".ply": _ply,
    ".gsd": _gsd,
}
