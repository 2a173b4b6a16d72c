"""The tasks of the training table: the ways compute the same, and graphs are counted right."""

import pytest
import torch

from benchmarks import training

CPU = torch.device("cpu")
TASKS = [training._wide, training._usual, training._small_clouds, training._rollout]


@pytest.mark.parametrize("make", TASKS, ids=lambda make: make.__name__)
def test_all_ways_of_a_task_give_one_result(make, monkeypatch):
    monkeypatch.setattr(training, "STEPS", 9)
    task = make(8, CPU)
    first, *others = (entry.call() for entry in task.entries)
    for other in others:
        torch.testing.assert_close(other, first, rtol=1e-3, atol=1e-5 * float(first.abs().max()))
    if task.exact is not None:
        torch.testing.assert_close(first.double(), task.exact, rtol=1e-3, atol=1e-5 * float(first.abs().max()))


def test_a_graph_is_counted_while_it_lives_and_each_memory_once():
    def product():
        a = torch.ones(100, requires_grad=True)
        return a.exp().exp()

    assert training.graph_bytes(product) == 800  # each exponential keeps its result, of 400 bytes
    assert training.graph_bytes(lambda: [product() for _ in range(5)] and None) == 4000
    assert training.graph_bytes(lambda: [product().sum().backward() for _ in range(5)]) == 800
