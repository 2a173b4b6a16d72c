"""The backends by name, and by the key under which a compiled program holds one."""

from __future__ import annotations

import hashlib
import pickle
import threading
from functools import lru_cache
from typing import Final

from interflow._torch_compat import constant_to_compilers
from interflow.errors import ArgumentError, BackendError
from interflow.sums.backends.auto import Auto
from interflow.sums.backends.base import Backend, PairBackend
from interflow.sums.backends.compiled import Compiled
from interflow.sums.backends.dense import Dense
from interflow.sums.backends.fourier import Fourier
from interflow.sums.backends.keops import Keops
from interflow.sums.backends.nufft import Nufft
from interflow.sums.backends.sorted import Sorted

BACKENDS: Final[dict[str, type[Backend]]] = {
    "auto": Auto,
    "dense": Dense,
    "compiled": Compiled,
    "keops": Keops,
    "fourier": Fourier,
    "nufft": Nufft,
    "sorted": Sorted,
}

MAX_INSTANCES: Final = 1024
"""Backends that differ in their options and are remembered by their keys: those that were named last."""

_instances: dict[str, Backend] = {}
_naming = threading.Lock()


@constant_to_compilers
def backend_key(backend: str | Backend) -> str:
    """The key of a backend given by name or as an instance."""
    if isinstance(backend, str):
        if backend not in BACKENDS:
            raise ArgumentError("backend", came=repr(backend), wanted=f"one of {', '.join(BACKENDS)}, or an instance")
        backend = BACKENDS[backend]()
    elif not isinstance(backend, Backend):
        raise ArgumentError("backend", came=repr(backend), wanted=f"one of {', '.join(BACKENDS)}, or an instance")
    try:
        key = _key_of_equal(backend)
    except TypeError:  # an option that cannot be hashed
        key = _key_of(backend)
    with _naming:
        _instances.pop(key, None)
        _instances[key] = backend  # the latest one comes last
        while len(_instances) > MAX_INSTANCES:
            del _instances[next(iter(_instances))]
    return key


def _key_of(backend: Backend) -> str:
    """A key of the values of a backend's options; of one whose options cannot be pickled, of the object itself."""
    kind = type(backend)
    try:
        values = pickle.dumps((kind.__module__, kind.__qualname__, sorted(vars(backend).items())))
    except (pickle.PicklingError, AttributeError, TypeError):
        return f"{backend.name}@{id(backend)}"
    return f"{backend.name}-{hashlib.sha256(values).hexdigest()[:16]}"


_key_of_equal = lru_cache(maxsize=1024)(_key_of)


def backend_of(key: str) -> Backend:
    """The backend of a key."""
    backend = _instances.get(key)
    if backend is None:
        raise BackendError(f"The backend {key} was forgotten after {MAX_INSTANCES} others; name it again.")
    return backend


def pair_backend_of(key: str) -> PairBackend:
    """The backend of a key that visits every pair."""
    backend = backend_of(key)
    assert isinstance(backend, PairBackend)  # approximations answer before any pair is visited
    return backend


def repeated(backend: str | Backend) -> Backend:
    """The backend as an energy or a loss means it, which is evaluated again and again."""
    return backend_of(backend_key(backend)).repeated()
