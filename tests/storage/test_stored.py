"""A run on disk is read as one in memory is, and only where it is looked at."""

import json

import numpy as np
import pytest
import torch
import zarr

from interflow import ArgumentError, StorageError, open_run
from interflow.validation import MAX_NAME
from tests.flows import same
from tests.storage.runs import simulate, system


@pytest.fixture
def stored(tmp_path):
    observables = {"spread": lambda state: state.positions.var(), "mean": lambda state: state.positions.mean(0)}
    simulate(system("momentum"), tmp_path / "run", observables=observables)
    return open_run(tmp_path / "run")


@pytest.fixture(scope="module")
def memory():
    observables = {"spread": lambda state: state.positions.var(), "mean": lambda state: state.positions.mean(0)}
    return simulate(system("momentum"), observables=observables)


@pytest.mark.parametrize(
    "index",
    [0, -1, slice(1, 4), slice(None, None, -2), [0, 3], (2, 5), (slice(None), slice(0, 3)), (-1, [1, 2], 0), ...,
     (..., 0), slice(3, 3), (slice(0, 0), slice(0, 2)), np.array([True, False, False, True, False])],
)  # fmt: skip
def test_an_index_gives_what_it_gives_of_a_tensor(stored, memory, index):
    wanted = memory.positions[index] if not (isinstance(index, slice) and index.step) else memory.positions.flip(0)[::2]
    assert torch.equal(stored.positions[index], wanted)
    assert stored.positions[index].dtype == memory.positions.dtype


def test_an_index_out_of_range_is_an_index_error(stored):
    for index in (5, -6, (0, 12)):
        with pytest.raises(IndexError):
            stored.positions[index]


def test_every_frame_is_the_state_it_was(stored, memory):
    assert len(stored) == len(memory) == 5
    assert all(same(ours, theirs) for ours, theirs in zip(stored, memory, strict=True))
    assert same(stored.final, memory.final)


def test_scalars_are_kept_with_the_frames(stored, memory):
    assert stored.scalars.keys() == memory.scalars.keys() == {"energy", "spread", "mean"}
    for name, values in memory.scalars.items():
        assert torch.equal(stored.scalars[name], values)
    assert torch.equal(stored.energies, memory.energies)
    assert stored.scalars["mean"].shape == (5, 2)


def test_frames_are_read_as_arrays(stored, memory):
    np.testing.assert_array_equal(np.asarray(stored.positions), memory.positions.numpy())
    np.testing.assert_array_equal(
        np.asarray(stored.velocities, dtype=np.float32), memory.velocities.numpy().astype("f4")
    )


def test_only_the_frames_that_are_looked_at_are_read(stored):
    for frame in (0, 1, 3, 4):
        (stored.folder / "frames.zarr/positions/c" / str(frame) / "0/0").write_bytes(b"")
    assert stored.positions[2].shape == (12, 2)


@pytest.mark.parametrize("name", ["positions/c/1/0/0", "steps/c/1", "scalars/energy/c/1", "velocities/c/1/0/0"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_a_damaged_chunk_is_never_read_in_silence(stored, name, damage):
    chunk = stored.folder / "frames.zarr" / name
    content = bytearray(chunk.read_bytes())
    content[3] ^= 4
    if damage == "remove":
        chunk.unlink()
    else:
        chunk.write_bytes({"flip": content, "cut": content[:-1], "empty": b""}[damage])
    with pytest.raises(StorageError, match=r"missing|damaged"):
        _ = [(stored[frame], stored.scalars) for frame in range(len(stored))]


def test_a_changed_description_of_an_array_is_refused(stored):
    description = stored.folder / "frames.zarr/positions/zarr.json"
    description.write_text(description.read_text().replace("float64", "float32"))
    with pytest.raises(StorageError, match=r"zarr\.json"):
        open_run(stored.folder)


def test_other_programs_read_it_as_zarr(stored, memory):
    group = zarr.open_group(stored.folder / "frames.zarr", mode="r")
    np.testing.assert_array_equal(group["positions"][...], memory.positions.numpy())
    assert group["positions"].chunks == (1, 12, 2)


def test_frames_that_the_manifest_does_not_count_do_not_exist(tmp_path):
    from interflow.storage.manifest import Manifest

    simulate(system(), tmp_path / "run")
    Manifest.read(tmp_path / "run").model_copy(update={"frames": 3}).write(tmp_path / "run")
    assert open_run(tmp_path / "run").steps.tolist() == [0, 3, 6]


def test_more_frames_than_there_is_room_for_are_refused_at_once(tmp_path):
    from interflow.storage.manifest import Manifest

    simulate(system(), tmp_path / "run")
    Manifest.read(tmp_path / "run").model_copy(update={"frames": 10**15}).write(tmp_path / "run")
    with pytest.raises(StorageError, match="more frames"):
        open_run(tmp_path / "run")


def test_what_is_no_run_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for name in (".", "missing", "file"):
        with pytest.raises(ArgumentError, match="run"):
            open_run(tmp_path / name)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"digest": 1}', "[" * 100_000])
def test_a_damaged_manifest_is_refused(stored, text):
    (stored.folder / "manifest.json").write_text(text)
    with pytest.raises(StorageError, match=r"manifest\.json: the manifest is damaged"):
        open_run(stored.folder)


def test_an_empty_cloud_is_kept_too(tmp_path):
    from interflow import Euler
    from tests.flows import cloud, torus_system
    from tests.storage.runs import same_frames

    runs = [simulate(torus_system(Euler(0.1), positions=cloud(0)), folder) for folder in (tmp_path / "run", None)]
    assert same_frames(*runs)


def test_what_is_observed_keeps_its_shape(tmp_path):
    observables = {"growing": lambda state: state.positions[: 1 + state.step]}
    with pytest.raises(ArgumentError, match="growing"):
        simulate(system(), tmp_path / "run", observables=observables)


@pytest.mark.parametrize("change", [{"frames": 4}, {"steps": 13}, {"finished": False}, {"first_step": 1}])
def test_a_manifest_of_another_number_is_refused(stored, change):
    file = stored.folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(StorageError, match="damaged"):
        open_run(stored.folder)


def test_a_manifest_that_could_not_be_read_again_is_not_written(stored):
    before = (stored.folder / "manifest.json").read_bytes()
    arrays = {**stored.manifest.arrays, "scalars/" + "a" * 93: "0" * 64}
    with pytest.raises(StorageError, match="cannot hold arrays"):
        stored.manifest.model_copy(update={"arrays": arrays}).write(stored.folder)
    assert (stored.folder / "manifest.json").read_bytes() == before


def test_the_longest_name_is_read_again(tmp_path):
    simulate(system(), tmp_path / "run", observables={"a" * MAX_NAME: lambda state: state.time})
    assert "a" * MAX_NAME in open_run(tmp_path / "run").scalars


@pytest.mark.parametrize("name", ["energy", "step", "time", "a" * (MAX_NAME + 1), "a b", "../x", ""])
def test_a_scalar_must_have_a_name_of_its_own(name):
    with pytest.raises(ArgumentError, match="observables"):
        simulate(system(), observables={name: lambda state: state.time})
