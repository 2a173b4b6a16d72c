"""What a run gives back: the frames that it saved, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

import torch
from torch import Tensor

from interflow.boundaries import Extent
from interflow.errors import ArgumentError
from interflow.state import State
from interflow.validation import MAX_NAME, is_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ENERGY = "energy"
"""The scalar that every frame has."""
OF_EVERY_FRAME = (ENERGY, "step", "time")
"""The columns of every table of a run."""


class Frames(Protocol):
    """A tensor whose first axis counts frames: in memory, or on disk and read where it is indexed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(frames, N, d)``."""

    @property
    def dtype(self) -> torch.dtype:
        """That of the positions."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Tensor: ...

    def __array__(self, dtype: Any = None, /) -> Any: ...


class Solution(Protocol):
    """The frames of a run, wherever they are kept; ``len(solution)`` of them, each a state ``solution[frame]``."""

    @property
    def positions(self) -> Frames:
        """``(frames, N, d)``."""

    @property
    def velocities(self) -> Frames | None:
        """``(frames, N, d)``; None for a motion of first order."""

    @property
    def weights(self) -> Tensor:
        """``(N,)``."""

    @property
    def features(self) -> Mapping[str, Tensor]:
        """Those of the particles, by name: ``(N,)`` or ``(N, k)``."""

    @property
    def times(self) -> Tensor:
        """``(frames,)``, float64, on the CPU."""

    @property
    def steps(self) -> Tensor:
        """``(frames,)``, int64: the number of steps made before each frame, counted over the life of the system."""

    @property
    def energies(self) -> Tensor:
        """``(frames,)``: the energy of each frame."""

    @property
    def scalars(self) -> Mapping[str, Tensor]:
        """``(frames, …)`` each: the energy, and what else was observed at the frames, by name."""

    @property
    def extent(self) -> Extent:
        """Where the domain ends."""

    @property
    def stats(self) -> Mapping[str, Any]:
        """How the run went: ``steps``, ``seconds``, ``steps_per_second``, and what the energy says about itself.

        Of a run that was resumed, ``steps_before`` of them were made before, and not in these seconds.
        """

    @property
    def final(self) -> State:
        """The whole state at the end, from which a run can go on."""

    def __len__(self) -> int: ...

    def __getitem__(self, frame: int) -> State: ...

    def plot(self, kind: str = "evolution", *, colour: Any = None, title: str = "") -> Figure:
        """A picture of the run that notebooks show.

        Args:
            kind: ``"evolution"``, ``"energy"`` or ``"density"``.
            colour: what the colours of dots show: ``"time"``, ``"density"``, ``"speed"``, ``"start"``, ``"weight"``, or
                numbers of one's own, ``(N,)`` or ``(frames, N)``.
            title: first line.
        """


@final
@dataclass(frozen=True)
class FramePlan:
    """Which states of a run of ``steps`` steps are saved: every ``save_every``-th, and always the first and the last.

    There are ``1 + ⌈steps / save_every⌉`` of them; ``save_every=None`` saves the first and the last alone.

    Example:
        >>> plan = FramePlan(steps=5, save_every=2)
        >>> [count for count in range(6) if plan.saves(count)]
        [0, 2, 4, 5]
    """

    steps: int
    save_every: int | None = None

    def __post_init__(self) -> None:
        _check_count("steps", self.steps, at_least=0)
        if self.save_every is not None:
            _check_count("save_every", self.save_every, at_least=1)

    def saves(self, count: int) -> bool:
        """Whether the state after ``count`` steps of the run is a frame."""
        return count in (0, self.steps) or (self.save_every is not None and count % self.save_every == 0)

    def __len__(self) -> int:
        return 1 + -(-self.steps // (self.save_every or max(self.steps, 1)))


def check_observables(observables: Mapping[str, object] | None) -> None:
    """Raise `ArgumentError` unless the values are functions, and the names words that mean nothing else yet."""
    for name, observe in (observables or {}).items():
        word = f"{name}"
        if not word.isidentifier() or not word.isascii() or len(word) > MAX_NAME or word in OF_EVERY_FRAME:
            came = f"the name {word!r}" if len(word) <= MAX_NAME else f"a name of {len(word)} characters"
            wanted = f"at most {MAX_NAME} letters, digits and underscores, other than {', '.join(OF_EVERY_FRAME)}"
            raise ArgumentError("observables", came=came, wanted=f"{wanted}, which every frame has")
        if not callable(observe):
            raise ArgumentError("observables", came=f"{observe!r} as {name!r}", wanted="a function of the state")


def _check_count(name: str, value: object, *, at_least: int) -> None:
    if not is_count(value, at_least=at_least):
        raise ArgumentError(name, came=repr(value), wanted=f"an integer ≥ {at_least}")
