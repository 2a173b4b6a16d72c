"""The Sinkhorn divergence, by pair sums reduced with logsumexp."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, final, get_args

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from interflow import sums
from interflow._torch_compat import (
    constant_to_compilers,
    hide_opaque_functions,
    opaque_to_compilers,
    outside_transforms,
)
from interflow.boundaries import Boundary
from interflow.discrepancies.base import Discrepancy, in_single_precision
from interflow.discrepancies.mmd import Reduction
from interflow.errors import ArgumentError, BackendError
from interflow.kernels import Interaction
from interflow.parameters import hyperparameters
from interflow.sums import Backend
from interflow.sums.autograd import attach_gradient
from interflow.sums.backends import backend_key
from interflow.sums.cache import BoundedCache, structure
from interflow.sums.pairsum import needs_gradient
from interflow.validation import can_read, check_choice

MAX_MATRIX: Final = 1 << 22
"""Pairs of a batch up to which the matrix of costs is held in memory: 32 MB in float64."""


@final
class SinkhornDivergence(Discrepancy):
    """``S = OT_ε(α, β) − ½ OT_ε(α, α) − ½ OT_ε(β, β)`` of the cost ``|δ(x, y)|ᵖ`` (Feydy et al., 2019).

    ``OT_ε = min_π Σ π |δ|ᵖ + pε KL(π | α ⊗ β)`` with ``ε = blurᵖ``. As the blur goes to 0, S tends to ``W_pᵖ``: it is
    squared for p = 2, without a factor ½, as an MMD is. GeomLoss returns ``S / p``. With a reach the marginals of π may
    differ from α and β at the price of ``p·reachᵖ`` times their divergences from them (Séjourné et al., 2019).

    The dual potentials are found by symmetric iterations while the blur falls from the diameter to its value. Matrices
    of costs are held in memory up to four million pairs; beyond, pairs are summed anew in each iteration, in O(N + M)
    memory. The gradient by points and weights is that of converged potentials, which are not themselves differentiated:
    under `torch.func` there are ``grad``, ``vmap`` and ``jvp``, and a second derivative is refused.

    Args:
        boundary: the domain; None for open space.
        blur: the length ``ε^(1/p)``, in units of the positions, below which detail is not resolved.
        p: the exponent of the cost, 1 or 2.
        reach: the length beyond which mass is rather left than moved; None where all of it is moved.
        scaling: the ratio of the blurs of successive iterations, between 0 and 1; nearer to 1 is more precise. What is
            left comes out too low: at a blur of 0.05, for clouds in the unit square whose centres are 0.3 apart, by
            4.2 % at 0.5, 0.7 % at 0.9 and 0.1 % at 0.97, which take 1, 3.5 and 12 times as long; for clouds that lie
            over each other by 14 %, 2.3 % and 0.3 %.
        diameter: the distance at which the blurs begin, in units of the positions; None for that of the clouds of a
            batch together, padding too, by which a cloud's value then depends a little on the others.
        normalise: divide the weights of each measure by their sum, so that a 0/1 mask serves as weights.
        reduction: what is made of a batch: its ``"mean"``, its ``"sum"``, or ``"none"`` for all ``(B,)`` values.
        backend: how many pairs are summed, a name or an instance.

    Raises:
        ArgumentError: at construction for arguments out of range; in a call for shapes, dtypes or devices that do not
            fit, an empty cloud, a negative weight, or measures whose masses differ by more than 1e-3, unless
            ``normalise`` or with a reach.
        BackendError: if a second derivative is asked for.

    Example:
        >>> import torch
        >>> round(SinkhornDivergence(blur=0.01)(torch.zeros(1, 2), torch.ones(1, 2)).item(), 4)
        2.0
    """

    def __init__(
        self,
        *,
        boundary: Boundary | None = None,
        blur: float = 0.05,
        p: int = 2,
        reach: float | None = None,
        scaling: float = 0.5,
        diameter: float | None = None,
        normalise: bool = False,
        reduction: Reduction = "mean",
        backend: str | Backend = "auto",
    ) -> None:
        super().__init__(boundary, normalise=normalise)
        check_choice("reduction", reduction, get_args(Reduction))
        if not 0.0 < blur < math.inf:
            raise ArgumentError("blur", came=repr(blur), wanted="a positive number")
        if p not in (1, 2):
            raise ArgumentError("p", came=repr(p), wanted="1 or 2")
        if not 0.0 < scaling < 1.0:
            raise ArgumentError("scaling", came=repr(scaling), wanted="a number between 0 and 1")
        for name, length in (("reach", reach), ("diameter", diameter)):
            if length is not None and not 0.0 < length < math.inf:
                raise ArgumentError(name, came=repr(length), wanted="a positive number, or None")
        self.blur = float(blur)
        self.p = p
        self.reach = None if reach is None else float(reach)
        self.scaling = float(scaling)
        self.diameter = None if diameter is None else float(diameter)
        self.reduction = reduction
        self.backend = backend

    @in_single_precision
    def forward(self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        self.check(x, y, x_weights, y_weights)
        if self.reach is None:
            x_weights, y_weights = self.equal_masses(x_weights, y_weights)
        masses = [_masses(x, x_weights), _masses(y, y_weights)]
        clouds = [tensor if x.ndim == 3 else tensor[None] for tensor in (masses[0], x, masses[1], y)]
        value = self.p * self._tied(clouds)
        if self.reduction == "none":
            return value if x.ndim == 3 else value[0]
        return value.mean() if self.reduction == "mean" else value.sum()

    def _tied(self, clouds: list[Tensor]) -> Tensor:
        """The value ``S/p``, ``(B,)``, as a function of weights and points, ``(B, N)``, ``(B, N, d)``, …."""
        hide_opaque_functions()
        blurs = (self.p, self.blur, self.scaling, self.diameter, self.reach)
        solver = _solver_name(*blurs, self.boundary, self.backend)
        needed = needs_gradient(clouds) if can_read(*clouds) else [True] * 4
        tangents = [unpack_dual(cloud).tangent is not None for cloud in clouds]
        if any(tangents):  # of the value, which needs those of no gradient
            needed = [True] * 4
        primal = [unpack_dual(cloud).primal if moves else cloud for cloud, moves in zip(clouds, tangents, strict=True)]
        value, *gradients = _solved(solver, needed, *primal)
        inputs = [cloud if cloud.ndim == 3 else cloud[:, None] for cloud in clouds]
        slopes = [slope if slope.ndim == 3 else slope[:, None] for slope in gradients]
        chosen = [index for index, need in enumerate(needed) if need]
        tied: Tensor = attach_gradient(
            value[:, None, None], [inputs[index] for index in chosen], [slopes[index] for index in chosen]
        )
        return tied[:, 0, 0]


class _Exponent(Interaction):
    """``hⱼ − |δ|ᵖ / pε``, whose exponentials are summed."""

    def __init__(self, p: int, temperature: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("temperature", torch.tensor(temperature, dtype=torch.float64))

    def pair(self, displacement: Tensor, i: Any, j: Any) -> Tensor:
        square = displacement.square().sum()
        exponent: Tensor = j.potential - (square / 2.0 if self.p == 2 else square.sqrt()) / self.temperature
        return exponent


Softmin = Callable[[float, Tensor], Tensor]
"""``−ε log Σⱼ exp(hⱼ − cᵢⱼ/ε)``, ``(B, N)``, for a temperature ε and h, ``(B, M)``."""


@dataclass(frozen=True)
class _Solver:
    """Symmetric Sinkhorn iterations with a falling temperature.

    Attributes:
        p: the exponent of the cost ``|δ|ᵖ/p``.
        blur: the last ε^(1/p).
        scaling: the ratio of successive ones.
        diameter: the first one; None for that of the clouds.
        reach: ρ^(1/p), with ρ the price of a difference of the marginals; None for equal ones.
        boundary: the domain.
        backend: how many pairs are summed.
    """

    p: int
    blur: float
    scaling: float
    diameter: float | None
    reach: float | None
    boundary: Boundary
    backend: str | Backend

    def value(self, a: Tensor, x: Tensor, b: Tensor, y: Tensor) -> Tensor:
        """``S/p``, ``(B,)``, with gradients by weights and points at converged potentials."""
        points = x.detach(), y.detach()
        logs = a.detach().log(), b.detach().log()
        with torch.no_grad():
            potentials = self._iterated(points, logs)
        moving, last = (x, y), self.blur**self.p
        f, g, f_own, g_own = (
            self._damped(last) * self._softmin(moving[row], points[column])(last, logs[column] + h / last)
            for (row, column), h in zip(_KINDS, (potentials[1], potentials[0], *potentials[2:]), strict=True)
        )
        if self.reach is None:
            total: Tensor = (a * (f - f_own)).sum(-1) + (b * (g - g_own)).sum(-1)
            return total
        rho = self.reach**self.p
        left = (a * ((-f_own / rho).exp() - (-f / rho).exp())).sum(-1)
        right = (b * ((-g_own / rho).exp() - (-g / rho).exp())).sum(-1)
        unbalanced: Tensor = (rho + last / 2.0) * (left + right)
        return unbalanced

    def _iterated(self, points: tuple[Tensor, Tensor], logs: tuple[Tensor, Tensor]) -> list[Tensor]:
        """The potentials of x against y, y against x, x and y against themselves, when the temperature has fallen."""
        softmins = [self._softmin(points[row], points[column]) for row, column in _KINDS]
        schedule = self._temperatures(*points)
        potentials = [
            self._damped(schedule[0]) * softmin(schedule[0], logs[column])
            for softmin, (_, column) in zip(softmins, _KINDS, strict=True)
        ]
        for temperature in schedule:
            f, g, f_own, g_own = potentials
            fresh = [
                self._damped(temperature) * softmin(temperature, logs[column] + other / temperature)
                for softmin, (_, column), other in zip(softmins, _KINDS, (g, f, f_own, g_own), strict=True)
            ]
            potentials = [0.5 * (old + new) for old, new in zip(potentials, fresh, strict=True)]
        return potentials

    def _temperatures(self, x: Tensor, y: Tensor) -> list[float]:
        largest = self.diameter or _diameter(x, y)
        first, last, factor = max(largest, self.blur), self.blur, self.scaling
        count = max(0, math.ceil(math.log(last / first) / math.log(factor) - 1e-9))
        blurs = [first, *(first * factor**step for step in range(count)), last]
        return [blur**self.p for blur in blurs]

    def _damped(self, temperature: float) -> float:
        return 1.0 if self.reach is None else 1.0 / (1.0 + temperature / self.reach**self.p)

    def _softmin(self, x: Tensor, y: Tensor) -> Softmin:
        if x.shape[0] * x.shape[1] * y.shape[1] <= MAX_MATRIX:
            cost = self._cost(x, y)
            return lambda temperature, h: -temperature * torch.logsumexp(h[:, None] - cost / temperature, -1)

        def softmin(temperature: float, h: Tensor) -> Tensor:
            total = sums.pair_sum(
                _Exponent(self.p, temperature),
                x,
                y,
                y_features={"potential": h},
                boundary=self.boundary,
                self_pairs=True,
                backend=self.backend,
                reduction="logsumexp",
            )
            return -temperature * total

        return softmin

    def _cost(self, x: Tensor, y: Tensor) -> Tensor:
        """``|δ|ᵖ/p`` of all pairs, ``(B, N, M)``, with gradient 0 where points coincide."""
        square = _squared_distances(self.boundary, x, y)
        if self.p == 2:
            return square / 2.0
        apart = square > 0.0
        return torch.where(apart, torch.where(apart, square, 1.0).sqrt(), 0.0)


MANY_COORDINATES: Final = 8
"""Coordinates of a point from which on squared distances come of a matrix product."""

_KINDS: Final = ((0, 1), (1, 0), (0, 0), (1, 1))
"""Rows and columns of the four potentials: 0 for x, 1 for y."""


def _squared_distances(boundary: Boundary, x: Tensor, y: Tensor) -> Tensor:
    """``|δ(xᵢ, yⱼ)|²``, ``(B, N, M)``; by a matrix product for many coordinates in open space."""
    if x.shape[-1] < MANY_COORDINATES or not bool(boundary.periods(x.shape[-1]).isinf().all()):
        return boundary.displacement(x[:, :, None], y[:, None]).square().sum(-1)
    center = y.detach().mean(1, keepdim=True)
    x, y = x - center, y - center
    squares = x.square().sum(-1)[..., None] + y.square().sum(-1)[:, None] - 2.0 * x @ y.mT
    return squares.clamp(min=0.0)


def _diameter(x: Tensor, y: Tensor) -> float:
    """The diagonal of the box around both clouds of all of the batch."""
    both = torch.cat([x, y], 1).flatten(0, 1)
    return float(torch.linalg.vector_norm(both.amax(0) - both.amin(0)))


_solvers = BoundedCache[str, _Solver](1024)


@constant_to_compilers
def _solver_name(
    p: int,
    blur: float,
    scaling: float,
    diameter: float | None,
    reach: float | None,
    boundary: Boundary,
    backend: str | Backend,
) -> str:
    """The name of a solver, by which compiled programs know it; it is the same for equal settings."""
    lengths = list(hyperparameters(boundary).values())
    if any(tensor.requires_grad for tensor in lengths):
        wanted = "one of fixed lengths: a Sinkhorn divergence has no derivative by them"
        raise ArgumentError("boundary", came="a domain of learnable lengths", wanted=wanted)
    with outside_transforms():
        domain = structure(boundary), tuple(number for tensor in lengths for number in tensor.reshape(-1).tolist())
    settings = (p, blur, scaling, diameter, reach)
    whole = repr((settings, domain, backend_key(backend)))
    name = hashlib.sha256(whole.encode()).hexdigest()[:16]  # the same in every process, as graphs on disk need
    _solvers[name] = _Solver(*settings, boundary, sums.for_repeated_calls(backend))
    return name


_library = torch.library.Library("interflow", "FRAGMENT")
_library.define(
    "sinkhorn(str solver, bool[] needed, Tensor a, Tensor x, Tensor b, Tensor y) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)

Solved = tuple[Tensor, ...]
"""The value ``(B,)`` and its gradients by a, x, b and y; zeros for those that are not needed."""


@opaque_to_compilers
def _solved(solver: str, needed: list[bool], *clouds: Tensor) -> Solved:
    """The value and its gradients for ``(B, N)``, ``(B, N, d)``, ``(B, M)`` and ``(B, M, d)``; opaque to compilers."""
    result: Solved = _Solved.apply(solver, tuple(needed), *clouds)  # type: ignore[no-untyped-call]
    return result


class _Solved(torch.autograd.Function):
    """The value and the gradients at converged potentials, which are not themselves differentiated."""

    @staticmethod
    def forward(solver: str, needed: Sequence[bool], *clouds: Tensor) -> Solved:
        result: Solved = torch.ops.interflow.sinkhorn(solver, needed, *clouds)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Solved) -> None:
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[None, ...]:
        if all(cotangent is None for cotangent in cotangents):
            return (None,) * 6
        raise _differentiated_twice()

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Solved:
        raise _differentiated_twice()

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Solved, tuple[int, ...]]:
        size = info.batch_size
        front = [
            tensor.expand(size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
            for tensor, axis in zip(inputs[2:], in_dims[2:], strict=True)
        ]
        folded = (tensor.flatten(0, 1) for tensor in front)
        together = _Solved.apply(*inputs[:2], *folded)  # type: ignore[no-untyped-call]
        return tuple(part.unflatten(0, (size, -1)) for part in together), (0,) * 5


def _differentiated_twice() -> BackendError:
    return BackendError(
        "SinkhornDivergence is differentiated once: its potentials are taken for constants. "
        "Take an MMD where second derivatives are needed."
    )


@torch.library.impl(_library, "sinkhorn", "CompositeExplicitAutograd")
def _run(solver: str, needed: Sequence[bool], *clouds: Tensor) -> Solved:
    chosen = _solvers[solver]
    inputs = [cloud.detach().contiguous().requires_grad_(need) for cloud, need in zip(clouds, needed, strict=True)]
    if not any(needed) or _records(inputs[list(needed).index(True)]):
        return _value_and_gradients(chosen, inputs)
    with ThreadPoolExecutor(1) as fresh:  # compiled programs record nothing in their own thread
        return fresh.submit(_value_and_gradients, chosen, inputs).result()


def _records(tensor: Tensor) -> bool:
    """Whether operations are recorded for a backward pass, if that is switched on."""
    with torch.enable_grad():
        return tensor[:0].clone().requires_grad


def _value_and_gradients(solver: _Solver, inputs: list[Tensor]) -> Solved:
    with torch.enable_grad():
        value = solver.value(*inputs)
        moving = [part for part in inputs if part.requires_grad]
        found = iter(torch.autograd.grad(value.sum(), moving) if moving else ())
    gradients = (next(found) if part.requires_grad else torch.zeros_like(part) for part in inputs)
    return value.detach(), *gradients


@torch.library.register_fake("interflow::sinkhorn", lib=_library)  # type: ignore[untyped-decorator]
def _shapes(solver: str, needed: Sequence[bool], *clouds: Tensor) -> Solved:
    return clouds[1].new_empty(clouds[1].shape[0]), *map(torch.empty_like, clouds)


def _masses(points: Tensor, weights: Tensor | None) -> Tensor:
    return points.new_full(points.shape[:-1], 1.0 / points.shape[-2]) if weights is None else weights
