from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.fx.experimental.proxy_tensor import make_fx

from interflow.kernels.powers import power

BASES = torch.tensor([0.01, 0.3, 1.0, 2.5, 40.0], dtype=torch.float64)


@given(st.floats(-8, 8).filter(bool) | st.integers(-32, 32).filter(bool).map(lambda count: count / 4))
def test_power_is_the_power(exponent: float) -> None:
    torch.testing.assert_close(power(BASES, exponent), BASES**exponent, rtol=1e-13, atol=0)
    tensor = torch.tensor(exponent, dtype=torch.float64)
    torch.testing.assert_close(power(BASES, tensor), BASES**exponent, rtol=1e-13, atol=0)


@pytest.mark.parametrize("quarters", [count for count in range(-24, 25) if count])
def test_multiples_of_a_quarter_need_no_general_power(quarters: int) -> None:
    graph = make_fx(lambda base: power(base, quarters / 4))(BASES).graph
    names = {str(node.target) for node in graph.nodes if node.op == "call_function"}
    assert not any("Tensor_Tensor" in name for name in names)
    exponents = [node.args[1] for node in graph.nodes if "pow" in str(node.target)]
    assert set(exponents) <= {2}  # a square
