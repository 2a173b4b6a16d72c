"""What is exported is what other programs read."""

import csv

import numpy as np
import pytest
import torch

from interflow import (
    ArgumentError,
    Euler,
    OpenBoundary,
    ParticleSystem,
    PeriodicBoundary,
    ProductBoundary,
    ReflectingBoundary,
    StorageError,
    export,
    open_run,
)
from interflow.storage.points import PointReadOptions, read_points
from tests.faults.disks import SIZE, small_disk
from tests.flows import cloud, repulsion, torus_system
from tests.storage.runs import simulate, system
from tests.views.runs import solution as drawn


@pytest.fixture(params=["memory", "disk"])
def solution(request, tmp_path):
    observables = {"mean": lambda state: state.positions.mean(0), "spread": lambda state: state.positions.var()}
    folder = None if request.param == "memory" else tmp_path / "run"
    simulated = simulate(system("momentum"), folder, observables=observables)
    return simulated if folder is None else open_run(folder)


def test_npz_holds_every_array(solution, tmp_path):
    export(solution, tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as arrays:
        assert set(arrays) == {
            "positions", "velocities", "weights", "times", "steps", "scalars.energy", "scalars.mean", "scalars.spread",
        }  # fmt: skip
        np.testing.assert_array_equal(arrays["positions"], np.asarray(solution.positions))
        np.testing.assert_array_equal(arrays["scalars.mean"], solution.scalars["mean"].numpy())


def test_csv_has_a_row_a_frame_and_a_column_a_number(solution, tmp_path):
    export(solution, tmp_path / "run.csv")
    with open(tmp_path / "run.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [0, 3, 6, 9, 12]
    assert [float(row["energy"]) for row in rows] == solution.energies.tolist()
    assert [float(row["mean_1"]) for row in rows] == solution.scalars["mean"][:, 1].tolist()


def test_xyz_has_a_block_a_frame_with_its_time_and_scalars(solution, tmp_path):
    export(solution, tmp_path / "run.xyz")
    lines = (tmp_path / "run.xyz").read_text().splitlines()
    assert len(lines) == 5 * (12 + 2)
    assert lines[14] == "12"
    assert lines[15].startswith("Properties=species:S:1:pos:R:3:velo:R:3:mass:R:1 Lattice=")
    assert 'Lattice="1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 0.0" Origin="0.0 0.0 0.0" pbc="T T F" Time=' in lines[15]
    assert f"spread={solution.scalars['spread'][1].item()!r}" in lines[15]
    numbers = np.array([line.split()[1:] for line in lines[16:28]], dtype=float)
    np.testing.assert_array_equal(numbers[:, :2], solution.positions[1].numpy())
    np.testing.assert_array_equal(numbers[:, 3:5], solution.velocities[1].numpy())
    assert not numbers[:, 2].any()
    np.testing.assert_array_equal(numbers[:, 6], solution.weights.numpy())


def test_xyz_names_no_box_where_the_domain_has_no_end(tmp_path):
    run = ParticleSystem(cloud(), energy=repulsion(), integrator=Euler(0.1)).simulate(1, progress=False)
    export(run, tmp_path / "run.xyz")
    assert 'mass:R:1 pbc="F F F" Time=' in (tmp_path / "run.xyz").read_text()
    assert "Lattice" not in (tmp_path / "run.xyz").read_text()


def test_xyz_of_a_slab_has_the_cell_of_its_domain_with_all_particles_in_it(tmp_path):
    axes = [PeriodicBoundary(4.0, lower=-1.0), OpenBoundary(), ReflectingBoundary(-3.0, 3.0)]
    boundary = ProductBoundary(axes)
    system = ParticleSystem(3 * cloud(20, 3) - 1, energy=repulsion(boundary), integrator=Euler(0.1))
    run = system.simulate(1, progress=False)
    export(run, tmp_path / "run.xyz")
    lattice = read_points(tmp_path / "run.xyz").lattice
    lengths = np.diag(lattice.vectors)
    np.testing.assert_array_equal(lattice.vectors, np.diag(lengths))
    assert (lengths[0], lengths[2]) == (4.0, 6.0)
    assert lattice.origin[[0, 2]].tolist() == [-1.0, -3.0]
    assert lattice.periodic == (True, False, False)
    for frame in run.positions.numpy():
        assert ((frame >= lattice.origin) & (frame <= lattice.origin + lengths)).all()


def test_frames_of_an_exported_run_are_read_again(solution, tmp_path):
    export(solution, tmp_path / "run.xyz")
    for frame in (0, 2, -1):
        back = read_points(tmp_path / "run.xyz", PointReadOptions(frame=frame))
        np.testing.assert_array_equal(back.positions[:, :2], solution.positions[frame].numpy())
        np.testing.assert_array_equal(back.columns["velo_1"], solution.velocities[frame][:, 1].numpy())
        np.testing.assert_array_equal(back.weights, solution.weights.numpy())
        assert back.lattice.periodic == (True, True, False)
        assert np.diag(back.lattice.vectors).tolist() == [1, 1, 0]
    np.testing.assert_array_equal(read_points(tmp_path / "run.xyz").positions, back.positions)


def test_ply_is_a_file_a_frame(solution, tmp_path):
    files = export(solution, tmp_path / "cloud.ply")
    assert [file.name for file in files] == [f"cloud.{frame:04d}.ply" for frame in range(5)]
    found = read_points(files[3])
    np.testing.assert_array_equal(found.positions[:, :2], solution.positions[3].numpy())
    np.testing.assert_array_equal(found.columns["vy"], solution.velocities[3][:, 1].numpy())


def test_gsd_holds_the_frames(solution, tmp_path):
    hoomd = pytest.importorskip("gsd.hoomd")
    export(solution, tmp_path / "run.gsd")
    with hoomd.open(str(tmp_path / "run.gsd")) as trajectory:
        assert [frame.configuration.step for frame in trajectory] == [0, 3, 6, 9, 12]
        frame = trajectory[2]
    assert frame.configuration.box.tolist() == [1, 1, 0, 0, 0, 0]
    assert frame.configuration.dimensions == 2
    np.testing.assert_array_equal(frame.particles.position[:, :2], (solution.positions[2] - 0.5).float().numpy())
    np.testing.assert_array_equal(frame.particles.velocity[:, :2], solution.velocities[2].float().numpy())
    np.testing.assert_array_equal(frame.particles.mass, solution.weights.float().numpy())
    assert frame.log["energy"].tolist() == [solution.energies[2].item()]
    assert frame.log["time"].tolist() == [solution.times[2].item()]
    np.testing.assert_array_equal(frame.log["mean"], solution.scalars["mean"][2].numpy())


@pytest.mark.parametrize(
    ("axes", "box"),
    [
        ([PeriodicBoundary(4.0, lower=-1.0), OpenBoundary(), ReflectingBoundary(-3.0, 3.0)], [4, None, 6]),
        ([OpenBoundary(), PeriodicBoundary(2.0)], [None, 2, 0]),
        ([PeriodicBoundary(2.0, lower=-1.0)], [2, 1, 0]),
    ],
)
def test_gsd_has_the_box_of_the_domain_and_all_particles_are_in_it(tmp_path, axes, box):
    hoomd = pytest.importorskip("gsd.hoomd")
    boundary = ProductBoundary(axes)
    system = ParticleSystem(3 * cloud(20, len(axes)) - 1, energy=repulsion(boundary), integrator=Euler(0.1))
    export(system.simulate(1, progress=False), tmp_path / "run.gsd")
    with hoomd.open(str(tmp_path / "run.gsd")) as trajectory:
        for frame in trajectory:
            lengths = frame.configuration.box[:3]
            assert all(length == wanted for length, wanted in zip(lengths, box, strict=True) if wanted is not None)
            assert (2 * np.abs(frame.particles.position) <= lengths + 1e-6).all()


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_gsd_has_one_box_that_holds_the_widest_cloud_of_a_run(tmp_path, factor):
    hoomd = pytest.importorskip("gsd.hoomd")
    start = cloud(20, 3) - torch.tensor([5.0, 0.0, -2.0])
    frames = torch.stack([start, factor**0.5 * start, factor * start])
    export(drawn(positions=frames), tmp_path / "run.gsd")
    widest = 2.0 * frames.abs().amax((0, 1)).clamp(min=0.5)
    with hoomd.open(str(tmp_path / "run.gsd")) as trajectory:
        for frame, positions in zip(trajectory, frames, strict=True):
            np.testing.assert_allclose(frame.configuration.box[:3], widest, rtol=1e-6)
            np.testing.assert_allclose(frame.particles.position, positions, rtol=1e-6)
            assert (2 * np.abs(frame.particles.position) <= frame.configuration.box[:3] * (1 + 1e-6)).all()


def test_gsd_leaves_nothing_on_a_full_disk_and_no_file_open(tmp_path):
    pytest.importorskip("gsd.hoomd")
    with small_disk(tmp_path / "disk") as disk:  # which cannot be unmounted while a file on it is open
        (disk / "filler").write_bytes(bytes(SIZE - 300_000))
        with pytest.raises(StorageError, match="cannot write it: no space left on device"):
            export(drawn(positions=torch.rand(40, 3000, 2)), disk / "run.gsd")
        assert [file.name for file in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("name", ["missing/run", "folder"])
@pytest.mark.parametrize("suffix", [".npz", ".csv", ".xyz", ".gsd"])
def test_a_file_that_cannot_be_written_is_named(solution, tmp_path, name, suffix):
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ArgumentError, match="a file that can be written"):
        export(solution, tmp_path / f"{name}{suffix}")


def test_a_suffix_that_says_nothing_is_named(solution, tmp_path):
    with pytest.raises(ArgumentError, match="file"):
        export(solution, tmp_path / "run.pdf")


def test_clouds_of_many_axes_are_refused_where_there_are_three(tmp_path):
    run = torus_system(Euler(0.1), positions=cloud(5, dimension=4)).simulate(1, progress=False)
    with pytest.raises(ArgumentError, match="4 axes"):
        export(run, tmp_path / "run.xyz")
    assert export(run, tmp_path / "run.npz") == [tmp_path / "run.npz"]


def test_a_run_is_exported_from_the_command_line(tmp_path):
    from click.testing import CliRunner

    from interflow.cli import main

    simulate(system(), tmp_path / "run")
    done = CliRunner().invoke(main, ["export", str(tmp_path / "run"), str(tmp_path / "run.csv")])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'run.csv'}\n")
    wrong = CliRunner().invoke(main, ["export", str(tmp_path / "run"), str(tmp_path / "run.pdf")])
    assert wrong.exit_code == 2
