"""Names of formulas under concurrent use: threads that ask for one formula at once get one name."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import torch

from interflow import GaussianKernel, OpenBoundary, RadialKernel
from interflow.sums import formula
from interflow.sums.cache import BoundedCache
from interflow.sums.formula import formula_name, lookup, untraced_name

THREADS = 8


def together(ask):
    """What a function answers to threads that ask at the same moment, by their numbers."""
    barrier = threading.Barrier(THREADS)

    def wait_and_ask(number):
        barrier.wait(30)
        return ask(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(wait_and_ask, range(THREADS)))


def test_a_formula_is_traced_once_and_has_one_name_for_all_threads(monkeypatch):
    traced, trace = [], formula._formula

    def slowly(kernel, *arguments):
        traced.append(kernel)
        time.sleep(0.05)
        return trace(kernel, *arguments)

    monkeypatch.setattr(formula, "_formula", slowly)
    monkeypatch.setattr(formula, "_names", BoundedCache(100))
    names = together(lambda number: formula_name(GaussianKernel(sigma=0.1 + number), OpenBoundary(), 2))
    assert len(set(names)) == 1
    assert len(traced) == 1


def test_threads_that_ask_for_different_formulas_get_their_own(monkeypatch):
    monkeypatch.setattr(formula, "_names", BoundedCache(100))
    names = together(lambda number: formula_name(GaussianKernel(sigma=0.1), OpenBoundary(), 1 + number % 4))
    assert names == 2 * [formula_name(GaussianKernel(sigma=0.1), OpenBoundary(), 1 + axes) for axes in range(4)]
    assert [lookup(name).rows for name in names] == 2 * [1, 2, 3, 4]


def test_formulas_without_a_trace_have_names_of_their_own_in_all_threads(monkeypatch):
    kernels = [type(f"Kernel{number}", (RadialKernel,), {"profile": lambda self, s: s})() for number in range(THREADS)]
    monkeypatch.setattr(formula, "_untraced", BoundedCache(100))
    names = together(lambda number: untraced_name(kernels[number], OpenBoundary(), 2, torch.float32))
    assert len(set(names)) == THREADS
    assert names == [untraced_name(kernel, OpenBoundary(), 2, torch.float32) for kernel in kernels]
