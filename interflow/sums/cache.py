"""Bounded caches, the keys by which modules are told apart, and results kept of a measure while it stays."""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import torch
from torch import Tensor, nn

from interflow.parameters import hyperparameters
from interflow.validation import can_read

ResultT = TypeVar("ResultT")
KeyT = TypeVar("KeyT", bound=Hashable)


@final
class BoundedCache(Generic[KeyT, ResultT]):
    """A mapping that forgets the entry whose last use is the longest ago, once it has more than a number of them.

    Args:
        size: how many entries it keeps.

    Example:
        >>> cache = BoundedCache[str, int](size=2)
        >>> [cache.get_or_compute(key, lambda: len(key)) for key in ("a", "bb", "a", "ccc")]
        [1, 2, 1, 3]
        >>> "a" in cache, "bb" in cache
        (True, False)
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[KeyT, ResultT] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: KeyT) -> bool:
        return key in self._entries

    def __getitem__(self, key: KeyT) -> ResultT:
        with self._lock:
            self._entries.move_to_end(key)
            return self._entries[key]

    def __setitem__(self, key: KeyT, result: ResultT) -> None:
        with self._lock:
            self._entries[key] = result
            self._entries.move_to_end(key)
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)

    def get_or_compute(self, key: KeyT, compute: Callable[[], ResultT]) -> ResultT:
        """The result of a key, computed by one thread alone where it is not there."""
        with self._lock:
            if key not in self._entries:
                self[key] = compute()
            return self[key]


_MOST = 2
"""Results that are kept, since a target is often there in two dtypes."""


@final
class ValueCache(Generic[ResultT]):
    """The last two results for measures that do not require gradients; copies of the cache start empty.

    Numbers are compared with those of then: that is cheap beside any sum, and sees every change, also those through
    NumPy or ``.data``, of which a tensor's version does not tell.

    Example:
        >>> cache, points = ValueCache[int](), torch.zeros(3, 2)
        >>> [cache.get_or_compute(points, None, key="a", compute=lambda: result) for result in (1, 2)]
        [1, 1]
        >>> cache.get_or_compute(points.add_(1.0), None, key="a", compute=lambda: 3)
        3
    """

    def __init__(self) -> None:
        self._entries: list[_Entry[ResultT]] = []

    def get_or_compute(
        self, points: Tensor, weights: Tensor | None, *, key: Hashable, compute: Callable[[], ResultT]
    ) -> ResultT:
        """The result for a measure: from before if points, weights and key are those of then.

        Args:
            points: where the measure is.
            weights: its masses, if it has its own.
            key: all else that the result depends on.
            compute: makes it.
        """
        measure = (points,) if weights is None else (points, weights)
        if not all(map(_is_constant, measure)):
            return compute()
        for entry in self._entries:
            if entry.key == key and _equal(entry.measure, measure):
                return entry.result
        with torch.inference_mode(False), torch.no_grad():  # a tensor of that mode could not serve where gradients are
            made = _Entry(tuple(tensor.clone() for tensor in measure), key, compute())
        self._entries = [made, *self._entries][:_MOST]
        return made.result

    def __reduce__(self) -> tuple[type[ValueCache[ResultT]], tuple[()]]:
        return ValueCache, ()


@dataclass(frozen=True, eq=False)
class _Entry(Generic[ResultT]):
    """A result, and of what it is."""

    measure: tuple[Tensor, ...]
    key: Hashable
    result: ResultT


def _is_constant(tensor: Tensor) -> bool:
    """Whether its numbers may be looked at, and nothing is differentiated by it."""
    return can_read(tensor) and not tensor.requires_grad and not tensor.is_inference()


def _equal(kept: tuple[Tensor, ...], given: tuple[Tensor, ...]) -> bool:
    return len(kept) == len(given) and all(
        a.dtype == b.dtype and a.device == b.device and torch.equal(a, b) for a, b in zip(kept, given, strict=True)
    )


# --- keys by which modules are told apart -----------------------------------------------------------------------------


def structure(module: nn.Module) -> Hashable:
    """What a module's formula depends on: its class, its plain attributes, the shapes of its tensors, its children."""
    plain = tuple((name, _told_apart(value)) for name, value in vars(module).items() if name not in _TORCH_ATTRIBUTES)
    tensors = tuple(
        (name, tensor.shape)
        for name, tensor in (*module._parameters.items(), *module._buffers.items())
        if tensor is not None
    )
    children = tuple((name, structure(child)) for name, child in module._modules.items() if child is not None)
    return type(module), plain, tensors, children


def _told_apart(value: object) -> Hashable:
    """An attribute as part of a key; of lists, arrays and the like what they hold, which may change in place."""
    try:
        hash(value)
    except TypeError:
        try:
            return pickle.dumps(value)
        except (pickle.PicklingError, AttributeError, TypeError):
            return _Itself(value)
    return value


class _Itself:
    """A value that equals itself alone; it is held, since its address would else be given to another one."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def value_key(*modules: nn.Module) -> Hashable | None:
    """A hashable key of the modules' structure and parameter values; None if these are traced or require gradients."""
    tensors = [tensor for module in modules for tensor in hyperparameters(module).values()]
    if not can_read(*tensors) or any(tensor.requires_grad for tensor in tensors):
        return None
    values = tuple(number for tensor in tensors for number in tensor.reshape(-1).tolist())
    return tuple(map(structure, modules)), values


_TORCH_ATTRIBUTES = frozenset(vars(nn.Module()))
