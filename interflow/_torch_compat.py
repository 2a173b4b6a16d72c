"""Every use of what PyTorch does not promise to keep, in one place, as seen in version 2.13.

`tests/test_torch_compat.py` says in one sentence what changed when one of these breaks. Nothing here imports PyTorch's
compiler: that takes seconds, which a program that never compiles should not spend.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._functorch.utils import unwrap_dead_wrappers
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class OperationMode(TorchDispatchMode):
    """A context in which ``__torch_dispatch__`` sees every ATen operation; to enter it does not import the compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def is_transforming() -> bool:
    """Whether a `torch.func` transform (grad, vmap, jvp, …) is running, in which values cannot be read."""
    return torch._C._are_functorch_transforms_active()


def apply(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    """``function.apply`` of all arguments by position, without looking up its signature at each call."""
    if torch._C._are_functorch_transforms_active():
        return function.apply(*arguments)
    return super(torch.autograd.Function, function).apply(*unwrap_dead_wrappers(arguments))  # type: ignore[misc]


def is_plain_arithmetic(tensors: Sequence[Tensor]) -> bool:
    """Whether nothing watches what is done to tensors: no gradient, tangent, transform, mode or compiler."""
    if torch._C._are_functorch_transforms_active() or torch._C._len_torch_dispatch_stack():
        return False
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return False
    return forward_ad._current_level < 0 and all(type(tensor) in _PLAIN for tensor in tensors)


_PLAIN = (Tensor, torch.nn.Parameter)


def outside_transforms() -> AbstractContextManager[None]:
    """A block in which tensors are made outside of all running `torch.func` transforms."""
    return torch._C._DisableFuncTorch()


def decomposition(operator: Any) -> Callable[..., Any] | None:
    """The code of an ATen operator in terms of simpler ones; None if it has none."""
    from torch._decomp import decomposition_table

    found: Callable[..., Any] | None = decomposition_table.get(operator)
    return found


def compile_for_all_sizes(
    function: Callable[..., Tensor], examples: Sequence[Tensor], options: dict[str, Any]
) -> Callable[..., Tensor]:
    """A function of tensors compiled by Inductor without guards: sizes that differ among the examples are variables.

    Args:
        function: from tensors to a tensor.
        examples: its arguments; sizes that are equal among them are taken for one and the same.
        options: settings of Inductor.
    """
    from torch._inductor import standalone_compile
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(function, tracing_mode="symbolic")(*examples)
    artifact = standalone_compile(graph, list(examples), dynamic_shapes="from_graph", options=options)

    def compiled(*arguments: Tensor) -> Tensor:
        result = artifact(*arguments)
        total: Tensor = result[0] if isinstance(result, list | tuple) else result
        return total

    return compiled


def constant_to_compilers(function: FunctionT) -> FunctionT:
    """Mark a function that `torch.compile` calls while it traces, and whose result it takes for a constant.

    It is ``torch.compiler.assume_constant_result``, without that function's import of the compiler.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def opaque_to_compilers(function: FunctionT) -> FunctionT:
    """Mark a function that stands as one call in the graphs of `torch.compile`, which does not look inside.

    It is ``torch.compiler.allow_in_graph``, put off until something compiles: whoever calls the function calls
    `hide_opaque_functions` first.
    """
    _opaque_functions.append(function)
    return function


_opaque_functions: list[Callable[..., Any]] = []


@constant_to_compilers
def hide_opaque_functions() -> None:
    """Tell the compiler, if one is there, which functions it is not to look into; it runs this as it traces."""
    if "torch._dynamo" not in sys.modules:
        return
    while _opaque_functions:
        torch.compiler.allow_in_graph(_opaque_functions.pop())
