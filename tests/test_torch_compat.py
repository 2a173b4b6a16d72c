"""What interflow needs of PyTorch beyond its promises: each failure says in one sentence what has changed."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import interflow as fl
from interflow._torch_compat import (
    OperationMode,
    constant_to_compilers,
    decomposition,
    is_transforming,
    outside_transforms,
)


def test_a_mode_sees_the_operations_that_composite_functions_are_made_of():
    seen = []

    class Watching(OperationMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    rows, matrix = torch.ones(2, 3), torch.ones(4, 3)
    with Watching():
        torch.nn.functional.linear(rows, matrix) * 2.0
    aten = torch.ops.aten
    assert seen == [aten.t.default, aten.mm.default, aten.mul.Tensor], "ATen operations reach modes in another form"


def test_entering_a_mode_does_not_import_the_compiler():
    program = (
        "import sys, torch\n"
        "from interflow._torch_compat import OperationMode\n"
        "class Plain(OperationMode):\n"
        "    def __torch_dispatch__(self, func, types, args=(), kwargs=None):\n"
        "        return func(*args, **(kwargs or {}))\n"
        "with Plain():\n"
        "    torch.ones(2) + 1\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, f"`_should_skip_dynamo` no longer keeps the compiler away: {done.stderr}"


def test_transforms_are_seen_and_can_be_left():
    inside, outside = [], []

    def watched(x):
        inside.append(is_transforming())
        with outside_transforms():
            outside.append(torch.ones(2).sum().item())
        return x.sum()

    torch.func.grad(watched)(torch.ones(2))
    assert (inside, is_transforming()) == ([True], False), "running torch.func transforms are told in another way"
    assert outside == [2.0], "tensors made outside of transforms cannot be read any more"


def test_operators_have_their_decompositions_in_the_table():
    assert decomposition(torch.ops.aten.silu.default) is not None, "the table of decompositions has moved"
    assert decomposition(torch.ops.aten.add.Tensor) is not torch.ops.aten.add.Tensor


def test_a_constant_function_runs_while_a_program_is_compiled_and_not_afterwards():
    calls = []

    @constant_to_compilers
    def number() -> int:
        calls.append(1)
        return 3

    compiled = torch.compile(lambda x: x * number(), fullgraph=True, backend="eager")
    assert [compiled(torch.ones(())).item() for _ in range(3)] == [3.0] * 3
    assert len(calls) == 1, "functions are marked as constant in another way than by `_dynamo_marked_constant`"


ORDERS = {
    "the compiler first": "import torch._dynamo\nimport interflow as fl\nfl.MMD\n",
    "interflow first": "import interflow as fl\nfl.MMD\nimport torch._dynamo\n",
    "sums before the compiler": (
        "import interflow as fl\n"
        "fl.potential(fl.GaussianKernel(sigma=1.0), torch.ones(2, 2), torch.ones(2, 2))\n"
        "import torch._dynamo\n"
    ),
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_loss_stands_as_one_graph_in_every_order_of_import(order):
    program = (
        f"import torch\n{ORDERS[order]}"
        "loss = fl.MMD(fl.GaussianKernel(sigma=1.0), backend='dense')\n"
        "x, y = torch.rand(5, 2, requires_grad=True), torch.rand(6, 2)\n"
        "compiled = torch.compile(loss, fullgraph=True, backend='eager')\n"
        "(expected,) = torch.autograd.grad(loss(x, y), x)\n"
        "(gradient,) = torch.autograd.grad(compiled(x, y), x)\n"
        "torch.testing.assert_close(gradient, expected)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, f"opaque functions are marked too late: {done.stderr}"


def test_a_first_dense_sum_needs_neither_the_compiler_nor_symbols():
    program = (
        "import sys, torch\n"
        "import interflow as fl\n"
        "fl.MMD, fl.ParticleSystem\n"
        "heavy = {'torch._dynamo', 'sympy', 'matplotlib'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "x, y = torch.rand(5, 2, requires_grad=True), torch.rand(6, 2)\n"
        "fl.MMD(fl.MaternKernel(sigma=0.3, nu=1.5))(x, y).backward()\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_random_numbers_and_numbers_read_out_of_a_pair_are_refused_with_the_reason():
    class Noisy(fl.RadialKernel):
        def profile(self, squared_distance):
            return squared_distance + torch.rand_like(squared_distance)

    class Literal(fl.RadialKernel):
        def profile(self, squared_distance):
            return squared_distance * torch.tensor(2.0) * torch.arange(3).sum()

    x = torch.rand(3, 2)
    with pytest.raises(fl.errors.KernelError, match="Noisy"):
        fl.potential(Noisy(), x, x)
    expected = 6.0 * torch.cdist(x, x).square().mean(1)
    torch.testing.assert_close(fl.potential(Literal(), x, x), expected)
