"""A system brought to where a run was broken off, once it is sure that it is the same run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.solution import FramePlan
from interflow.state import CARRY, State
from interflow.storage.checkpoint import Checkpoint
from interflow.storage.choices import Choices, listed
from interflow.storage.manifest import Manifest, StoredExtent
from interflow.storage.recording import classes
from interflow.system import ParticleSystem

_AS_BEGUN = "as the run began"

_logger = logging.getLogger("interflow")


@contextmanager
def resumed(system: ParticleSystem, plan: FramePlan, manifest: Manifest, checkpoint: Checkpoint) -> Iterator[None]:
    """A block in which a system goes on from a checkpoint, on as many threads as then.

    Raises:
        ArgumentError: where the arguments are not those that the run was started with, or pairs would be summed by
            another backend.
    """
    _check_same_run(system, plan, manifest, checkpoint)
    _restore(system, checkpoint)
    with checkpoint.choices.again():
        _check_choices(checkpoint.choices, Choices.now(system))
        yield


def _check_same_run(system: ParticleSystem, plan: FramePlan, manifest: Manifest, checkpoint: Checkpoint) -> None:
    present, then = classes(system), checkpoint.modules
    extent = StoredExtent.of(system.boundary.extent(system.positions.shape[1]))
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


def _check_choices(then: Choices, now: Choices) -> None:
    """Raise where the sums would be others; say what else differs."""
    for name in ("backends", "tolerances"):
        came, wanted = getattr(now, name), getattr(then, name)
        if came != wanted:
            remedy = "`interflow doctor` says which backends work here, and why others do not."
            raise ArgumentError(name, came=listed(came), wanted=f"{listed(wanted)}, {_AS_BEGUN}", remedy=remedy)
    if differences := then.differences(now):
        _logger.warning("The last bits may differ from those of an unbroken run: %s.", "; ".join(differences))


def _described(positions: Any) -> str:
    return f"shape {tuple(positions.shape)}, {positions.dtype}"
