"""Checkpoints: the complete state of a run in one file with a checksum, and resuming from it.

The file is a line of text, the SHA-256 digest of what follows in hexadecimal on a line of its own, and then the tensors
as `torch.save` writes them. The digest is checked before anything else is read. The one before is kept as well.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from interflow.errors import ArgumentError, StorageError
from interflow.solution import FramePlan
from interflow.state import CARRY, FEATURES, State
from interflow.storage.files import atomic_write
from interflow.storage.manifest import Manifest, NumericalEnvironment, StoredExtent, comma_list
from interflow.system import ParticleSystem

LAST, PREVIOUS = "last.checkpoint", "prev.checkpoint"
TITLE = b"interflow checkpoint 1\n"
_DIGEST_LENGTH = 64

_logger = logging.getLogger("interflow")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The complete state of a run after one step.

    Args:
        step: steps that the system had made.
        frames: how many of the run's frames belong to the steps up to this one.
        config: the config of the run as text; empty where it has none.
        modules: class name of every submodule, by its path; used to detect that a different system is being resumed.
        choices: numerical environment, on which the next step depends beside the system.
        system: the system's ``state_dict``: the state with its carry, the generator's state, and all hyperparameters.
        report: the digest of the rows of the run's table up to this step; empty where it has none.
    """

    step: int
    frames: int
    config: str
    modules: Mapping[str, str]
    choices: NumericalEnvironment
    system: Mapping[str, Any]
    report: str = ""

    def __post_init__(self) -> None:
        kinds = {"step": int, "frames": int, "config": str, "modules": Mapping, "system": Mapping, "report": str}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"`{name}` is none")
        for name in ("positions", "weights", "time"):
            if not isinstance(self.system.get(name), Tensor):
                raise TypeError(f"the system has no {name}")

    @property
    def state(self) -> State:
        """The state that it holds."""
        names = ("positions", "weights", "velocities", "time")
        parts = (CARRY, FEATURES)
        tensors = {name: tensor for name, tensor in self.system.items() if name in names or name.startswith(parts)}
        return State.from_dict({**tensors, "step": torch.tensor(self.step)})

    def write(self, folder: Path) -> None:
        """Make it the last checkpoint of a folder, and what was the last one the previous one."""
        payload = io.BytesIO()
        plain = {"modules": dict(self.modules), "choices": self.choices.model_dump(), "system": dict(self.system)}
        torch.save({**vars(self), **plain}, payload)

        def save(stream: IO[bytes]) -> None:
            content = payload.getbuffer()
            stream.write(TITLE + hashlib.sha256(content).hexdigest().encode() + b"\n")
            stream.write(content)

        atomic_write(folder / LAST, save, backup=folder / PREVIOUS)

    @classmethod
    def read(cls, file: Path) -> Checkpoint:
        """Read the checkpoint in a file. Nothing in it is executed.

        Raises:
            FileNotFoundError: if there is no such file.
            StorageError: if it is damaged, or no checkpoint.
        """
        content = file.read_bytes()
        start = len(TITLE) + _DIGEST_LENGTH + 1
        head, payload = content[:start], content[start:]
        if not head.startswith(TITLE) or len(head) < start:
            raise StorageError(f"{file}: no checkpoint of this version of interflow, or its head is damaged.")
        if head != TITLE + hashlib.sha256(payload).hexdigest().encode() + b"\n":
            raise StorageError(f"{file}: damaged: its digest is not that of its content.")
        try:
            fields = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
            return cls(**{**fields, "choices": NumericalEnvironment.model_validate(fields["choices"])})
        except Exception as error:  # whatever torch finds wrong with a file that somebody made
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise StorageError(f"{file}: no checkpoint: {reason}") from None


def latest(folder: Path) -> Checkpoint:
    """Read the last checkpoint of a folder; if it is damaged, warn and read the previous one.

    Raises:
        StorageError: if neither can be read.
    """
    try:
        return Checkpoint.read(folder / LAST)
    except (StorageError, FileNotFoundError) as error:
        damage = f"{folder / LAST}: missing." if isinstance(error, FileNotFoundError) else str(error)
    try:
        found = Checkpoint.read(folder / PREVIOUS)
    except (StorageError, FileNotFoundError):
        raise StorageError(f"{damage} There is no earlier checkpoint that can be read.") from None
    _logger.warning("%s The one before is used, of step %d.", damage, found.step)
    return found


_AS_BEGUN = "as the run began"


@contextmanager
def restore_system(
    system: ParticleSystem, plan: FramePlan, manifest: Manifest, checkpoint: Checkpoint
) -> Iterator[None]:
    """Restore a system from a checkpoint, and its threads and precision for the length of the block.

    Raises:
        ArgumentError: where the arguments are not those that the run was started with, or pairs would be summed by
            another backend.
    """
    _check_same_run(system, plan, manifest, checkpoint)
    _restore(system, checkpoint)
    with checkpoint.choices.restored():
        _check_choices(checkpoint.choices, NumericalEnvironment.capture(system))
        yield


def _check_same_run(system: ParticleSystem, plan: FramePlan, manifest: Manifest, checkpoint: Checkpoint) -> None:
    present, then = module_class_names(system), checkpoint.modules
    extent = StoredExtent.from_extent(system.boundary.extent(system.positions.shape[1]))
    for name, came, wanted in (
        ("steps", plan.steps, manifest.steps),
        ("save_every", plan.save_every, manifest.save_every),
        ("positions", _described(system.positions), _described(checkpoint.system["positions"])),
        *((place, present.get(place), then.get(place)) for place in {**then, **present}),
        ("boundary", extent, manifest.extent or extent),
    ):
        if came != wanted:
            raise ArgumentError(name, came=came, wanted=f"{wanted}, {_AS_BEGUN}")


def _restore(system: ParticleSystem, checkpoint: Checkpoint) -> None:
    """Load the checkpoint, and say which hyperparameters and targets were others before."""
    before = _numbers(system)
    try:
        system.load_state_dict(checkpoint.system)
    except ArgumentError:
        raise
    except (RuntimeError, KeyError, TypeError, AttributeError, ValueError) as error:
        # torch's message has a line for each tensor that is missing, left over or of another shape
        came = "another system: " + (str(error).split("\n\t")[1:] or [str(error)])[0]
        raise ArgumentError("resume", came=came, wanted="the system that the run was started with") from None
    after, scheduled = _numbers(system), {_own(name) for name in system.schedules}
    changed = [name for name in before if _own(name) not in scheduled and not torch.equal(before[name], after[name])]
    if changed:
        _logger.warning("The run goes on with its own %s; what was given is not used.", ", ".join(changed))


def _numbers(system: ParticleSystem) -> dict[str, Tensor]:
    """Copies of all of a system's tensors but its state."""
    state = State.__dataclass_fields__.keys() | {"_extra_state"}
    tensors = system.state_dict().items()
    return {name: tensor.clone() for name, tensor in tensors if name not in state and not name.startswith(CARRY)}


def _own(name: str) -> str:
    return name.rpartition(".")[-1]


def _check_choices(then: NumericalEnvironment, now: NumericalEnvironment) -> None:
    """Raise where the sums would be others; say what else differs."""
    for name in ("backends", "tolerances"):
        came, wanted = getattr(now, name), getattr(then, name)
        if came != wanted:
            remedy = "`interflow doctor` says which backends work here, and why others do not."
            raise ArgumentError(name, came=comma_list(came), wanted=f"{comma_list(wanted)}, {_AS_BEGUN}", remedy=remedy)
    if differences := then.differences(now):
        _logger.warning("The last bits may differ from those of an unbroken run: %s.", "; ".join(differences))


def _described(positions: Any) -> str:
    return f"shape {tuple(positions.shape)}, {positions.dtype}"


def module_class_names(system: ParticleSystem) -> dict[str, str]:
    """Return the class name of every submodule of a system, by its path."""
    parts = system.named_modules(remove_duplicate=False)
    return {name.replace("_boundary", "boundary"): type(part).__name__ for name, part in parts if name}
