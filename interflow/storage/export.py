"""Runs as files that other programs read; the suffix tells which.

``.npz``   arrays ``positions``, ``velocities``, ``weights``, ``times``, ``steps`` and ``scalars.NAME``, for NumPy
``.csv``   a row a frame: step, time and the scalars
``.xyz``   extended XYZ (the format of ASE): a block a frame, with its time and scalars
``.ply``   a file a frame, numbered: ``cloud.0000.ply``, …
``.gsd``   the format of HOOMD-blue, which OVITO opens; needs the package ``gsd``
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from interflow.errors import ArgumentError
from interflow.reporters.series import columns, numbers, write_rows
from interflow.solution import Solution
from interflow.state import State
from interflow.storage.points import PointCloud, write_points


def export(solution: Solution, file: str | os.PathLike[str]) -> list[Path]:
    """Write the frames of a run to a file, or to one a frame.

    Args:
        solution: in memory or on disk; frames are read one by one.
        file: where to; its suffix is one of ``.npz``, ``.csv``, ``.xyz``, ``.ply`` and ``.gsd``.

    Returns:
        The files that were written.

    Raises:
        ArgumentError: for another suffix, a format whose package is missing, or clouds that the format cannot hold.
    """
    path = Path(file)
    if path.suffix not in FORMATS:
        raise ArgumentError("file", came=str(file), wanted=f"a name that ends in one of {', '.join(FORMATS)}")
    return FORMATS[path.suffix](solution, path)


def _npz(solution: Solution, file: Path) -> list[Path]:
    moving = {} if solution.velocities is None else {"velocities": np.asarray(solution.velocities)}
    names = ("weights", "times", "steps")
    scalars = {f"scalars.{name}": _array(values) for name, values in solution.scalars.items()}
    arrays = {name: _array(getattr(solution, name)) for name in names} | moving | scalars
    np.savez(file, positions=np.asarray(solution.positions), **arrays)
    return [file]


def _csv(solution: Solution, file: Path) -> list[Path]:
    first = {name: values[0] for name, values in solution.scalars.items()}
    rows: list[list[Any]] = [["step", "time", *columns(first)]]
    for frame in range(len(solution)):
        observed = {name: values[frame] for name, values in solution.scalars.items()}
        rows.append([int(solution.steps[frame]), float(solution.times[frame]), *numbers(observed)])
    write_rows(file, rows)
    return [file]


def _xyz(solution: Solution, file: Path) -> list[Path]:
    with open(file, "w", encoding="ascii") as stream:
        for frame in range(len(solution)):
            observed = {name: values[frame] for name, values in solution.scalars.items() if values.ndim == 1}
            _write_xyz(stream, solution[frame], dict(zip(columns(observed), numbers(observed), strict=True)))
    return [file]


def _write_xyz(stream: IO[str], state: State, scalars: dict[str, float]) -> None:
    properties, table = "species:S:1:pos:R:3", [_in_space(state.positions)]
    if state.velocities is not None:
        properties, table = f"{properties}:velo:R:3", [*table, _in_space(state.velocities)]
    said = " ".join(f"{name}={value!r}" for name, value in scalars.items())
    stream.write(f"{len(state.positions)}\nProperties={properties} Time={state.time.item()!r} {said}\n")
    for row in np.concatenate(table, axis=1).tolist():
        stream.write("X " + " ".join(map(repr, row)) + "\n")


def _ply(solution: Solution, file: Path) -> list[Path]:
    digits = max(4, len(str(len(solution) - 1)))
    files = [file.with_suffix(f".{frame:0{digits}d}.ply") for frame in range(len(solution))]
    for frame, path in enumerate(files):
        state = solution[frame]
        velocities: Any = [] if state.velocities is None else _array(state.velocities).T
        moving = dict(zip(("vx", "vy", "vz"), velocities, strict=False))
        write_points(path, PointCloud(_array(state.positions), _array(state.weights), moving))
    return files


def _gsd(solution: Solution, file: Path) -> list[Path]:
    if importlib.util.find_spec("gsd") is None:
        raise ArgumentError("file", came=str(file), wanted="another format: gsd is missing", remedy="pip install gsd")
    import gsd.hoomd

    extent = max(float(np.abs(_in_space(solution[frame].positions)).max(initial=0.5)) for frame in range(len(solution)))
    with gsd.hoomd.open(name=str(file), mode="w") as trajectory:
        for index in range(len(solution)):
            state, frame = solution[index], gsd.hoomd.Frame()
            frame.configuration.step = state.step
            frame.configuration.dimensions = min(max(state.positions.shape[1], 2), 3)
            frame.configuration.box = [2 * extent, 2 * extent, 2 * extent, 0, 0, 0]
            frame.particles.N = len(state.positions)
            frame.particles.position = _in_space(state.positions)
            if state.velocities is not None:
                frame.particles.velocity = _in_space(state.velocities)
            trajectory.append(frame)
    return [file]


def _in_space(vectors: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """``(N, 3)``, with zeros for axes that are missing."""
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
