"""What is written is on the disk before it has its name, and has its name before anything counts on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interflow import ArgumentError, RunFolder, StorageError
from interflow.reporters import CsvReport
from interflow.storage.files import atomic_write, check_free, give_name, locked, new_file, new_folder
from interflow.storage.outputs import OF_A_RUN, output_file
from tests.storage.runs import SAVE_EVERY, simulate, system


@pytest.fixture
def events(monkeypatch):
    """What is flushed and what is renamed, in order: ``("flush", path)`` and ``("rename", old, new)``."""
    seen: list[tuple[str, ...]] = []
    fsync, replace = os.fsync, Path.replace

    def flush(descriptor):
        seen.append(("flush", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def rename(self, target):
        seen.append(("rename", str(self), str(target)))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    return seen


def test_a_file_is_flushed_then_named_and_then_its_folder_is_flushed(tmp_path, events):
    atomic_write(tmp_path / "file", lambda stream: stream.write(b"content"))
    new, file = str(tmp_path / ".file.new"), str(tmp_path / "file")
    assert events == [("flush", new), ("rename", new, file), ("flush", str(tmp_path))]


def test_the_old_file_has_another_name_before_the_new_one_has_its_own(tmp_path, events):
    for content in (b"old", b"new"):
        events.clear()
        atomic_write(tmp_path / "file", lambda stream, data=content: stream.write(data), backup=tmp_path / "old")
    assert [event[0] for event in events] == ["flush", "rename", "rename", "flush"]
    assert [Path(event[-1]).name for event in events[1:3]] == ["old", "file"]
    assert ((tmp_path / "old").read_bytes(), (tmp_path / "file").read_bytes()) == (b"old", b"new")


def test_a_checkpoint_comes_after_the_frames_that_it_counts(tmp_path, events):
    folder = tmp_path / "run"
    simulate(system("momentum"), folder, checkpoint_every=SAVE_EVERY)
    arrays = [folder / "frames.zarr" / name for name in ("positions", "velocities", "times", "steps", "scalars/energy")]
    named = [place for place, event in enumerate(events) if event[-1] == str(folder / "last.checkpoint")]
    flushed, before = set(), 0
    for frames, moment in zip((2, 3, 4, 5), named, strict=False):  # at steps 3, 6, 9 and 12
        since = {event[1] for event in events[before:moment] if event[0] == "flush"}
        flushed |= since
        for array in arrays:
            chunks = [
                found for frame in range(frames) for found in [array / "c" / str(frame), *array.rglob(f"c/{frame}/0/0")]
            ]
            assert {str(chunk) for chunk in chunks if chunk.is_file()} <= flushed
            assert str(array / "c") in since  # the list of the chunks
        before = moment


def test_a_new_file_is_flushed_before_it_has_its_name_and_gone_where_it_fails(tmp_path, events):
    with new_file(tmp_path / "file") as unfinished:
        unfinished.write_text("content")
    assert [event[0] for event in events] == ["flush", "rename"]
    assert events[0][1] == events[1][1] == str(unfinished)
    with pytest.raises(UnicodeError), new_file(tmp_path / "file") as unfinished:
        unfinished.write_text("half \ud800", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "content"


def test_what_is_unfinished_is_a_process_s_own(tmp_path):
    with new_folder(tmp_path / "fit") as first, new_folder(tmp_path / "fit") as second:
        assert first != second
        assert first.is_dir()
        with new_file(tmp_path / "file") as one, new_file(tmp_path / "file") as other:
            assert one != other


def test_names_are_numbered_where_they_are_taken_and_nothing_is_replaced(tmp_path):
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit-2").write_text("mine")
    (tmp_path / "fit-3").symlink_to(tmp_path / "nowhere")
    with new_folder(tmp_path / "fit") as folder:
        with pytest.raises(ArgumentError, match="a path that exists"):
            give_name(folder, tmp_path / "fit")
        assert give_name(folder, tmp_path / "fit", numbered=True) == tmp_path / "fit-4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit", "fit-2", "fit-3", "fit-4"]


def test_a_name_that_is_taken_in_the_last_moment_is_passed_over(tmp_path, monkeypatch):
    rename = Path.rename

    def late(self, target):
        if target.name == "fit":
            (target / "of another process").mkdir(parents=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with new_folder(tmp_path / "fit") as folder:
        assert give_name(folder, tmp_path / "fit", numbered=True).name == "fit-2"


def test_a_dangling_link_is_no_free_path(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArgumentError, match="a path that exists"):
        check_free(tmp_path / "link")


def test_a_lock_is_of_the_folder_and_not_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run") as lock:
        (tmp_path / "run").rename(tmp_path / "moved")
        assert lock.holds(tmp_path / "moved")
        (tmp_path / "run").mkdir()
        assert not lock.holds(tmp_path / "run")
    opened = os.open

    def slow(path, *arguments):
        descriptor = opened(path, *arguments)
        Path(path).rename(tmp_path / "deleted")
        Path(path).mkdir()
        return descriptor

    monkeypatch.setattr(os, "open", slow)
    with pytest.raises(StorageError, match="replaced"), locked(tmp_path / "run"):
        pass


@pytest.mark.parametrize("name", [*OF_A_RUN, "frames.zarr/new.png", "frames.zarr/positions/zarr.json"])
@pytest.mark.parametrize("linked", [False, True])
def test_no_output_goes_over_the_files_of_a_run(tmp_path, name, linked):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/manifest.json").write_text("{}")
    (tmp_path / "run/frames.zarr/positions").mkdir(parents=True)
    file = tmp_path / "run" / name
    if linked:
        file = tmp_path / "link"
        file.symlink_to(tmp_path / "run" / name)
    with pytest.raises(ArgumentError, match="a part of the run"), output_file(file):
        pass
    with output_file(tmp_path / "run/page.html") as unfinished:
        unfinished.write_text("page")


def test_an_output_that_is_a_link_is_written_where_it_leads(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "deep/file")
    with output_file(tmp_path / "link.png") as unfinished:
        assert unfinished.suffix == ".png"
        unfinished.write_text("picture")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "deep/file").read_text() == "picture"


def test_a_pipe_is_no_place_for_an_output(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ArgumentError, match="no regular file"), output_file(tmp_path / "pipe.csv"):
        pass
    assert (tmp_path / "pipe.csv").is_fifo()


def test_the_rows_of_a_table_are_on_the_disk_before_the_checkpoint_that_knows_them(tmp_path, events):
    table = CsvReport(tmp_path / "run/report.csv", {}, every=1, resume=True)
    system().simulate(2, callbacks=[table], out=RunFolder(tmp_path / "run", checkpoint_every=2), progress=False)
    names = [(event[0], Path(event[-1]).name) for event in events]
    last = len(names) - 1 - names[::-1].index(("rename", "last.checkpoint"))
    assert names.index(("flush", "report.csv")) < last
