"""Checkpoints: all that a run needs to go on, in one file that is right or refused.

The file is a line of text, the SHA-256 digest of what follows in hexadecimal on a line of its own, and then the tensors
as `torch.save` writes them. The digest is checked before anything else is read. The one before is kept as well.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from interflow.errors import StorageError
from interflow.state import CARRY, State
from interflow.storage.choices import Choices
from interflow.storage.files import replace_file

LAST, PREVIOUS = "last.checkpoint", "prev.checkpoint"
TITLE = b"interflow checkpoint 1\n"
_DIGEST_LENGTH = 64

_logger = logging.getLogger("interflow")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A moment of a run.

    Args:
        step: steps that the system had made.
        frames: how many of the run's frames belong to the steps up to this one.
        config: the config of the run as text; empty where it has none.
        modules: the names of the classes that the system is made of, by their places, to tell another system by.
        choices: what the next step depends on beside the system.
        system: the system's ``state_dict``: the state with its carry, the generator's state, and all hyperparameters.
        report: the digest of the rows of the run's table up to this step; empty where it has none.
    """

    step: int
    frames: int
    config: str
    modules: Mapping[str, str]
    choices: Choices
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
        tensors = {name: tensor for name, tensor in self.system.items() if name in names or name.startswith(CARRY)}
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

        replace_file(folder / LAST, save, keep_old_as=folder / PREVIOUS)

    @classmethod
    def read(cls, file: Path) -> Checkpoint:
        """The checkpoint in a file. Nothing in it is executed.

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
            return cls(**{**fields, "choices": Choices.model_validate(fields["choices"])})
        except Exception as error:  # whatever torch finds wrong with a file that somebody made
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise StorageError(f"{file}: no checkpoint: {reason}") from None


def latest(folder: Path) -> Checkpoint:
    """The last checkpoint of a folder; where that is damaged, the previous one, said aloud.

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
