"""The Sinkhorn divergence, computed by GeomLoss."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal, final, get_args

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from interflow._torch_compat import hide_opaque_functions, opaque_to_compilers
from interflow.discrepancies.base import Discrepancy, in_single_precision
from interflow.discrepancies.mmd import Reduction
from interflow.errors import ArgumentError, BackendError, needed_package
from interflow.sums.autograd import attach_gradient
from interflow.sums.backends.keops import quiet_keops
from interflow.sums.pairsum import needs_gradient
from interflow.validation import can_read, check_choice


def samples_loss() -> Any:
    """GeomLoss's class ``SamplesLoss``.

    Raises:
        MissingPackageError: if the package is missing.
    """
    with quiet_keops(), needed_package("geomloss", extra="geomloss", needed_for="SinkhornDivergence"):
        from geomloss import SamplesLoss
    return SamplesLoss


Solver = Literal["auto", "tensorized", "online", "multiscale"]

_SMALL: Final = 5000**2


@final
class SinkhornDivergence(Discrepancy):
    """``S = OT_ε(α, β) − ½ OT_ε(α, α) − ½ OT_ε(β, β)`` of the cost ``|x − y|ᵖ`` (Feydy et al., 2019), by GeomLoss.

    ``OT_ε = min_π Σ π |x − y|ᵖ + pε KL(π | α ⊗ β)`` with ``ε = blurᵖ``. As the blur goes to 0, S tends to ``W_pᵖ``: it
    is squared for p = 2, without a factor ½, as an MMD is. GeomLoss returns ``S / p``.

    The gradient by points and weights is that of converged potentials, which are not themselves differentiated: under
    `torch.func` there are ``grad``, ``vmap`` and ``jvp``, and a second derivative is refused.

    Args:
        blur: the length ``ε^(1/p)``, in units of the positions, below which detail is not resolved.
        p: the exponent of the cost, 1 or 2.
        scaling: the ratio of the blurs of successive iterations, between 0 and 1; nearer to 1 is more precise. What is
            left comes out too low: at a blur of 0.05, for clouds in the unit square whose centres are 0.3 apart, by
            4.2 % at 0.5, 0.7 % at 0.9 and 0.1 % at 0.97, which take 1, 3.5 and 12 times as long; for clouds that lie
            over each other by 14 %, 2.3 % and 0.3 %.
        diameter: the distance at which the blurs begin, in units of the positions; None for that of the clouds of a
            batch together, padding too, by which a cloud's value then depends a little on the others.
        solver: ``"tensorized"`` holds the cost matrix in memory; ``"online"`` recomputes it by KeOps; ``"multiscale"``
            does so by blocks of near points, for one cloud of d ≤ 3; ``"auto"`` chooses by size.
        normalise: divide the weights of each measure by their sum, so that a 0/1 mask serves as weights.
        reduction: what is made of a batch: its ``"mean"``, its ``"sum"``, or ``"none"`` for all ``(B,)`` values.

    Raises:
        ArgumentError: at construction for arguments out of range; in a call for shapes, dtypes or devices that do not
            fit, an empty cloud, a negative weight, or measures whose masses differ by more than 1e-3, unless
            ``normalise``.
        MissingPackageError: in a call, without the package geomloss.
        BackendError: if a second derivative is asked for.

    Example:
        >>> import torch
        >>> round(SinkhornDivergence(blur=0.01)(torch.zeros(1, 2), torch.ones(1, 2)).item(), 4)
        2.0
    """

    def __init__(
        self,
        *,
        blur: float = 0.05,
        p: int = 2,
        scaling: float = 0.5,
        diameter: float | None = None,
        solver: Solver = "auto",
        normalise: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(normalise=normalise)
        check_choice("solver", solver, get_args(Solver))
        check_choice("reduction", reduction, get_args(Reduction))
        if not 0.0 < blur < float("inf"):
            raise ArgumentError("blur", came=repr(blur), wanted="a positive number")
        if p not in (1, 2):
            raise ArgumentError("p", came=repr(p), wanted="1 or 2")
        if not 0.0 < scaling < 1.0:
            raise ArgumentError("scaling", came=repr(scaling), wanted="a number between 0 and 1")
        if diameter is not None and not 0.0 < diameter < float("inf"):
            raise ArgumentError("diameter", came=repr(diameter), wanted="a positive number, or None")
        self.blur = float(blur)
        self.p = p
        self.scaling = float(scaling)
        self.diameter = None if diameter is None else float(diameter)
        self.solver = solver
        self.reduction = reduction

    @in_single_precision
    def forward(self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        self.check(x, y, x_weights, y_weights)
        x_weights, y_weights = self.equal_masses(x_weights, y_weights)
        masses = [_masses(x, x_weights), _masses(y, y_weights)]
        clouds = [tensor if x.ndim == 3 else tensor[None] for tensor in (masses[0], x, masses[1], y)]
        value = self.p * self._tied(clouds)
        if self.reduction == "none":
            return value if x.ndim == 3 else value[0]
        return value.mean() if self.reduction == "mean" else value.sum()

    def _tied(self, clouds: list[Tensor]) -> Tensor:
        """The value of GeomLoss ``(B,)`` as a function of weights and points, ``(B, N)``, ``(B, N, d)``, …."""
        hide_opaque_functions()
        solver = self._chosen(clouds[1], clouds[3])
        needed = needs_gradient(clouds) if can_read(*clouds) else [True] * 4
        tangents = [unpack_dual(cloud).tangent is not None for cloud in clouds]
        if any(tangents):  # of the value, which needs those of no gradient
            needed = [True] * 4
        primal = [unpack_dual(cloud).primal if moves else cloud for cloud, moves in zip(clouds, tangents, strict=True)]
        value, *gradients = _solved(self.p, self.blur, self.scaling, self.diameter, solver, needed, *primal)
        inputs = [cloud if cloud.ndim == 3 else cloud[:, None] for cloud in clouds]
        slopes = [slope if slope.ndim == 3 else slope[:, None] for slope in gradients]
        chosen = [index for index, need in enumerate(needed) if need]
        tied: Tensor = attach_gradient(
            value[:, None, None], [inputs[index] for index in chosen], [slopes[index] for index in chosen]
        )
        return tied[:, 0, 0]

    def _chosen(self, x: Tensor, y: Tensor) -> str:
        batch, count, dimension = x.shape
        if self.solver == "multiscale" and (batch > 1 or dimension > 3):
            came = f"'multiscale' with {batch} clouds in dimension {dimension}"
            raise ArgumentError("solver", came=came, wanted="one cloud of at most 3 dimensions, or another solver")
        if self.solver != "auto":
            return self.solver
        if count * y.shape[1] <= _SMALL:
            return "tensorized"
        return "multiscale" if batch == 1 and dimension <= 3 and self.p == 2 else "online"


_library = torch.library.Library("interflow", "FRAGMENT")
_library.define(
    "sinkhorn(int p, float blur, float scaling, float? diameter, str solver, bool[] needed, "
    "Tensor a, Tensor x, Tensor b, Tensor y) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)

Solved = tuple[Tensor, ...]
"""The value ``(B,)`` and its gradients by a, x, b and y; zeros for those that are not needed."""


@opaque_to_compilers
def _solved(
    p: int, blur: float, scaling: float, diameter: float | None, solver: str, needed: list[bool], *clouds: Tensor
) -> Solved:
    """GeomLoss for ``(B, N)``, ``(B, N, d)``, ``(B, M)`` and ``(B, M, d)``, opaque to compilers and transforms."""
    result: Solved = _Solved.apply(p, blur, scaling, diameter, solver, tuple(needed), *clouds)  # type: ignore[no-untyped-call]
    return result


class _Solved(torch.autograd.Function):
    """The value and the gradients that GeomLoss gives at converged potentials: how these change is not known."""

    @staticmethod
    def forward(
        p: int,
        blur: float,
        scaling: float,
        diameter: float | None,
        solver: str,
        needed: Sequence[bool],
        *clouds: Tensor,
    ) -> Solved:
        result: Solved = torch.ops.interflow.sinkhorn(p, blur, scaling, diameter, solver, needed, *clouds)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Solved) -> None:
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[None, ...]:
        if all(cotangent is None for cotangent in cotangents):
            return (None,) * 10
        raise _differentiated_twice()

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Solved:
        raise _differentiated_twice()

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Solved, tuple[int, ...]]:
        size = info.batch_size
        front = [
            tensor.expand(size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
            for tensor, axis in zip(inputs[6:], in_dims[6:], strict=True)
        ]
        folded = (tensor.flatten(0, 1) for tensor in front)
        together = _Solved.apply(*inputs[:6], *folded)  # type: ignore[no-untyped-call]
        return tuple(part.unflatten(0, (size, -1)) for part in together), (0,) * 5


def _differentiated_twice() -> BackendError:
    return BackendError(
        "SinkhornDivergence is differentiated once: GeomLoss takes its potentials for constants. "
        "Take an MMD where second derivatives are needed."
    )


@torch.library.impl(_library, "sinkhorn", "CompositeExplicitAutograd")
def _run(
    p: int, blur: float, scaling: float, diameter: float | None, solver: str, needed: Sequence[bool], *clouds: Tensor
) -> Solved:
    loss = samples_loss()("sinkhorn", p=p, blur=blur, scaling=scaling, diameter=diameter, backend=solver, debias=True)
    inputs = [cloud.detach().contiguous().requires_grad_(need) for cloud, need in zip(clouds, needed, strict=True)]
    if not any(needed) or _records(inputs[list(needed).index(True)]):
        return _value_and_gradients(loss, inputs)
    with ThreadPoolExecutor(1) as fresh:  # compiled programs record nothing in their own thread
        return fresh.submit(_value_and_gradients, loss, inputs).result()


def _records(tensor: Tensor) -> bool:
    """Whether operations are recorded for a backward pass, if that is switched on."""
    with torch.enable_grad():
        return tensor[:0].clone().requires_grad


def _value_and_gradients(loss: Any, inputs: list[Tensor]) -> Solved:
    with torch.enable_grad():  # restores the mode, which GeomLoss leaves switched on
        single = loss.backend == "multiscale"
        value = torch.stack([loss(*(part[0] for part in inputs))]) if single else loss(*inputs)
        moving = [part for part in inputs if part.requires_grad]
        found = iter(torch.autograd.grad(value.sum(), moving) if moving else ())
    gradients = (next(found) if part.requires_grad else torch.zeros_like(part) for part in inputs)
    return value.detach(), *gradients


@torch.library.register_fake("interflow::sinkhorn", lib=_library)  # type: ignore[untyped-decorator]
def _shapes(
    p: int, blur: float, scaling: float, diameter: float | None, solver: str, needed: Sequence[bool], *clouds: Tensor
) -> Solved:
    return clouds[1].new_empty(clouds[1].shape[0]), *map(torch.empty_like, clouds)


def _masses(points: Tensor, weights: Tensor | None) -> Tensor:
    return points.new_full(points.shape[:-1], 1.0 / points.shape[-2]) if weights is None else weights
