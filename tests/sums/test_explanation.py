"""An explanation says what the sums themselves would do."""

from dataclasses import dataclass

import pytest
import torch

import interflow as fl
from interflow.errors import ArgumentError
from interflow.sums.api import prepare
from interflow.sums.backends.base import candidates
from tests.sums.cases import cloud

KERNEL = fl.GaussianKernel(0.3)


@dataclass(frozen=True)
class Slow(fl.Dense):
    """Seconds that nothing else has."""

    def run_seconds(self, request):
        return 0.25

    def setup_seconds(self, request):
        return 75.0


@pytest.mark.parametrize("self_pairs", [False, "images"])
def test_it_takes_the_arguments_of_the_sums(self_pairs):
    x, y = cloud(4, 2, 0), cloud(3, 2, 1)
    for total in (fl.explain, fl.potential):
        with pytest.raises(ArgumentError, match="self_pairs"):
            total(KERNEL, x, y, self_pairs=self_pairs)
    assert fl.explain(KERNEL, x, x, self_pairs=self_pairs).backend == "dense"


def test_seconds_of_a_sum_and_seconds_before_it_are_those_of_the_backend():
    x = cloud(50, 2, 0)
    explanation = fl.explain(KERNEL, x, x)
    question = prepare(KERNEL, x, x).asked(order=1)
    backends = {backend.name: backend for backend in candidates()}
    able = [candidate for candidate in explanation.candidates if candidate.unsupported_reason is None]
    for candidate in able:
        backend = backends[candidate.name]
        assert (candidate.run_seconds, candidate.setup_seconds) == (
            backend.run_seconds(question),
            backend.setup_seconds(question),
        )
        assert candidate.run_seconds != candidate.setup_seconds
    header, *rows = str(explanation).splitlines()
    assert header.index("run [s]") < header.index("setup [s]")
    shown = {row.split()[0]: row.split()[1:] for row in rows[:-1]}
    for candidate in able:
        assert shown[candidate.name] == ["exact", f"{candidate.run_seconds:.2g}", f"{candidate.setup_seconds:.2g}"]


def test_setup_and_run_are_not_taken_for_each_other(monkeypatch):
    monkeypatch.setattr("interflow.sums.explanation.candidates", lambda: (Slow(),))
    x = torch.zeros(2, 2)
    (slow,) = fl.explain(KERNEL, x, x).candidates
    assert (slow.run_seconds, slow.setup_seconds) == (0.25, 75.0)
