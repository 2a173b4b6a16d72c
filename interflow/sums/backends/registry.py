"""The backends by name, and by the key under which a compiled program holds one."""

from __future__ import annotations

from typing import Final

from interflow._torch_compat import constant_to_compilers
from interflow.errors import ArgumentError
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

_instances: dict[str, Backend] = {}


@constant_to_compilers
def backend_key(backend: str | Backend) -> str:
    """The key of a backend given by name or as an instance."""
    if isinstance(backend, str):
        if backend not in BACKENDS:
            raise ArgumentError("backend", came=repr(backend), wanted=f"one of {', '.join(BACKENDS)}, or an instance")
        backend = BACKENDS[backend]()
    elif not isinstance(backend, Backend):
        raise ArgumentError("backend", came=repr(backend), wanted=f"one of {', '.join(BACKENDS)}, or an instance")
    _instances[repr(backend)] = backend
    return repr(backend)


def backend_of(key: str) -> Backend:
    """The backend of a key."""
    return _instances[key]


def pair_backend_of(key: str) -> PairBackend:
    """The backend of a key that visits every pair."""
    backend = _instances[key]
    assert isinstance(backend, PairBackend)  # approximations answer before any pair is visited
    return backend


def repeated(backend: str | Backend) -> Backend:
    """The backend as an energy or a loss means it, which is evaluated again and again."""
    return backend_of(backend_key(backend)).repeated()
