"""A checkpoint is right or refused, and the one before is there when it is."""

import io
import os
import pickle

import pytest
import torch

from interflow import StorageError
from interflow.storage.checkpoint import LAST, PREVIOUS, TITLE, Checkpoint, latest
from interflow.storage.run_folder import make_checkpoint
from tests.flows import same
from tests.storage.runs import system


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints, of steps 2 and 4."""
    running = system("adam")
    for _ in range(2):
        running.simulate(2, progress=False)
        make_checkpoint(running, frames=1, config="seed: 0\n").write(tmp_path)
    return tmp_path


def test_what_was_written_is_read(folder):
    running = system("adam")
    running.simulate(4, progress=False)
    found = latest(folder)
    assert (found.step, found.frames, found.config) == (4, 1, "seed: 0\n")
    assert found.modules["integrator"] == "Optimizer"
    assert found.choices.backends == ["dense"]
    assert same(found.state, running.state)


def test_the_one_before_is_kept(folder):
    assert Checkpoint.read(folder / PREVIOUS).step == 2
    assert {path.name for path in folder.iterdir()} == {LAST, PREVIOUS}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:40],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:],
        lambda content: bytes([content[0] ^ 1]) + content[1:],
    ],
)
def test_a_damaged_one_is_detected_and_the_one_before_is_used_aloud(folder, caplog, damage):
    (folder / LAST).write_bytes(damage((folder / LAST).read_bytes()))
    assert latest(folder).step == 2
    assert "last.checkpoint" in caplog.text
    assert "step 2" in caplog.text


def test_one_that_is_missing_is_replaced_by_the_one_before(folder, caplog):
    (folder / LAST).unlink()
    assert latest(folder).step == 2
    assert "missing" in caplog.text


def test_two_damaged_ones_are_an_error(folder):
    for name in (LAST, PREVIOUS):
        (folder / name).write_bytes(b"no checkpoint")
    with pytest.raises(StorageError, match="no earlier checkpoint"):
        latest(folder)


class _Bomb:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


@pytest.mark.parametrize("save", [torch.save, lambda value, stream: stream.write(pickle.dumps(value))])
def test_a_forged_one_with_a_good_digest_is_not_executed(tmp_path, monkeypatch, save):
    import hashlib

    monkeypatch.chdir(tmp_path)
    payload = io.BytesIO()
    save({"step": _Bomb()}, payload)
    digest = hashlib.sha256(payload.getvalue()).hexdigest().encode()
    (tmp_path / LAST).write_bytes(TITLE + digest + b"\n" + payload.getvalue())
    with pytest.raises(StorageError):
        Checkpoint.read(tmp_path / LAST)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "change", [{"system": {}}, {"step": "4"}, {"choices": {}}, {"modules": None}, {"more": 1}, {"frames": None}]
)
def test_one_with_other_contents_is_refused(folder, change):
    import hashlib

    content = (folder / LAST).read_bytes()
    fields = torch.load(io.BytesIO(content[len(TITLE) + 65 :]), weights_only=True)
    payload = io.BytesIO()
    torch.save({**fields, **change}, payload)
    digest = hashlib.sha256(payload.getvalue()).hexdigest().encode()
    (folder / LAST).write_bytes(TITLE + digest + b"\n" + payload.getvalue())
    with pytest.raises(StorageError, match="no checkpoint"):
        Checkpoint.read(folder / LAST)


def test_a_disk_that_fills_up_leaves_both(folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        make_checkpoint(system(), frames=0, config="").write(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
