"""What clouds and their weights must look like. Shapes are checked always, values where they can be read.

Values cannot be read while `torch.compile` traces or inside a `torch.func` transform: there, checks of values are left
out, so that a loss that passes them outside compiles to one graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from interflow._torch_compat import is_transforming
from interflow.errors import ArgumentError

_SAME_MASS: Final = 1e-3
"""Measures whose masses differ by less, relative to the larger, are compared."""


def check_choice(argument: str, came: str, choices: Sequence[str]) -> None:
    """Raise `ArgumentError` unless ``came`` is one of the choices."""
    if came not in choices:
        raise ArgumentError(argument, came=repr(came), wanted=" or ".join(repr(choice) for choice in choices))


def is_count(came: object, *, at_least: int) -> bool:
    """Whether ``came`` is a whole number, and not below a least one."""
    return isinstance(came, int) and not isinstance(came, bool) and came >= at_least


def check_instance(argument: str, came: object, wanted: type) -> None:
    """Raise `ArgumentError` unless ``came`` is an instance of a class."""
    if not isinstance(came, wanted):
        raise ArgumentError(argument, came=f"a {type(came).__name__}", wanted=f"a {wanted.__name__}")


def check_cloud(
    positions: Tensor,
    weights: Tensor | None = None,
    *,
    names: tuple[str, str] = ("positions", "weights"),
    batched: bool = False,
    accepts_vectors: bool = False,
) -> None:
    """Raise `ArgumentError` unless the positions are ``(N, d)`` floating numbers and the weights ``(N,)`` alike.

    Args:
        positions: the points.
        weights: their weights, of the same dtype and device; None for uniform ones.
        names: what the caller calls the two.
        batched: accept ``(B, N, d)`` with ``(B, N)`` as well.
        accepts_vectors: accept weights ``(N, E)``, or ``(B, N, E)``, as well: a vector a point.
    """
    name, weights_name = names
    wanted = "a floating tensor of shape (N, d) or (B, N, d)" if batched else "a floating tensor of shape (N, d)"
    if not isinstance(positions, Tensor):
        raise ArgumentError(name, came=type(positions).__name__, wanted=wanted)
    if not positions.is_floating_point():
        raise ArgumentError(name, came=positions.dtype, wanted=wanted, remedy=f"Convert it with {name}.float().")
    if positions.ndim not in ((2, 3) if batched else (2,)):
        remedy = f"Points on a line are {name}[:, None]." if positions.ndim == 1 else ""
        raise ArgumentError(name, came=_shape(positions), wanted=wanted, remedy=remedy)
    if positions.shape[-1] == 0:
        raise ArgumentError(name, came=_shape(positions), wanted="at least one coordinate a point")
    if weights is not None:
        _check_weights(weights, positions, weights_name, name, accepts_vectors)


def _check_weights(weights: Tensor, positions: Tensor, name: str, positions_name: str, accepts_vectors: bool) -> None:
    if not isinstance(weights, Tensor):
        raise ArgumentError(
            name, came=type(weights).__name__, wanted=f"a tensor, one weight a point of `{positions_name}`"
        )
    points = positions.shape[:-1]
    is_vectors = accepts_vectors and weights.shape[:-1] == points and weights.shape[-1] > 0
    if weights.shape != points and not is_vectors:
        wanted = f"shape {tuple(points)}, one weight a point of `{positions_name}`"
        if accepts_vectors:
            wanted += f", or {(*points, 'E')}, a vector a point".replace("'E'", "E")
        raise ArgumentError(name, came=_shape(weights), wanted=wanted)
    _check_alike(weights, positions, name, positions_name)


MAX_NAME: Final = 92
"""Characters of the name of what is observed or belongs to particles, which names an array of a run."""
OWN_NAMES: Final = ("position", "weight", "velocity", "mass")
"""What laws read of every particle, and no feature may be called."""


def check_features(features: Mapping[str, Tensor] | None, positions: Tensor) -> None:
    """Raise `ArgumentError` unless features are tensors ``(N,)`` or ``(N, k)`` by name, alike the positions.

    Floating ones have the dtype of the positions, others are whole numbers.
    """
    if features is None:
        return
    if not isinstance(features, Mapping):
        raise ArgumentError("features", came=f"a {type(features).__name__}", wanted="a mapping of tensors by name")
    for name, value in features.items():
        word = f"{name}"
        if not word.isidentifier() or not word.isascii() or len(word) > MAX_NAME or word in OWN_NAMES:
            came = f"the name {word!r}" if len(word) <= MAX_NAME else f"a name of {len(word)} characters"
            wanted = f"at most {MAX_NAME} letters, digits and underscores, other than {', '.join(OWN_NAMES)}"
            raise ArgumentError("features", came=came, wanted=wanted)
        _check_feature(f"features[{name!r}]", value, positions)


def _check_feature(argument: str, value: Tensor, positions: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise ArgumentError(argument, came=f"a {type(value).__name__}", wanted="a tensor, one entry a particle")
    if value.dtype == torch.bool or value.is_complex():
        raise ArgumentError(argument, came=value.dtype, wanted="numbers or whole numbers", remedy="Convert it first.")
    if value.ndim not in (1, 2) or value.shape[0] != positions.shape[0]:
        count = positions.shape[0]
        wanted = f"shape ({count},) or ({count}, k), one entry a particle"
        raise ArgumentError(argument, came=_shape(value), wanted=wanted)
    _check_alike(value, positions, argument, "positions", any_dtype=not value.is_floating_point())


def check_same_space(x: Tensor, y: Tensor, names: tuple[str, str] = ("x", "y")) -> None:
    """Raise `ArgumentError` unless two clouds share dimension, batch, dtype and device."""
    x_name, y_name = names
    if y.shape[-1] != x.shape[-1]:
        wanted = f"{x.shape[-1]} coordinates a point, as in `{x_name}`"
        raise ArgumentError(y_name, came=_shape(y), wanted=wanted)
    if y.shape[:-2] != x.shape[:-2]:
        wanted = f"the same batch as `{x_name}`, which has {_shape(x)}"
        raise ArgumentError(y_name, came=_shape(y), wanted=wanted, remedy="A cloud shared by a batch can be expanded.")
    _check_alike(y, x, y_name, x_name)


def check_not_empty(positions: Tensor, name: str) -> None:
    """Raise `ArgumentError` if there is no point, or no cloud in the batch."""
    if positions.numel() == 0:
        raise ArgumentError(name, came=_shape(positions), wanted="at least one point")


def check_masses(weights: Tensor | None, name: str) -> None:
    """Raise `ArgumentError` for a negative or undefined weight, where values can be read."""
    if weights is not None and can_read(weights) and not bool((weights >= 0).all()):
        lowest = weights.detach().min().item()
        remedy = "A discrepancy compares measures; sums with signed weights are `potential` and `field`."
        raise ArgumentError(name, came=f"a weight of {lowest:g}", wanted="weights ≥ 0", remedy=remedy)


def check_same_mass(
    x_weights: Tensor | None, y_weights: Tensor | None, names: tuple[str, str] = ("x_weights", "y_weights")
) -> None:
    """Raise `ArgumentError` for two measures of different mass, or of none, where values can be read.

    Weights of None are of mass 1. The masses are compared to 1e-3, or what the dtype of the weights can tell.
    """
    given = [weights for weights in (x_weights, y_weights) if weights is not None]
    if not given or not can_read(*given):
        return
    a, b = torch.broadcast_tensors(*(_mass(weights, given[0].device) for weights in (x_weights, y_weights)))
    slack = max(_SAME_MASS, *(torch.finfo(weights.dtype).eps for weights in given))
    same = ((a - b).abs() <= slack * torch.maximum(a, b)) & (a > 0)
    if bool(same.all()):
        return
    check_some_mass(x_weights, names[0])
    check_some_mass(y_weights, names[1])
    first, second = (float(mass.flatten()[int((~same).flatten().nonzero()[0])]) for mass in (a, b))
    raise ArgumentError(
        names[x_weights is None],
        came=f"a mass of {first:g} in `{names[0]}` and of {second:g} in `{names[1]}`",
        wanted="two measures of the same mass, which is 1 where no weights are given",
        remedy="Take the discrepancy with normalise=True, or divide each by its sum.",
    )


def check_some_mass(weights: Tensor | None, name: str) -> None:
    """Raise `ArgumentError` for a measure of no mass, where values can be read."""
    if weights is not None and can_read(weights) and not bool((_mass(weights, weights.device) > 0).all()):
        raise ArgumentError(name, came="weights that are all 0", wanted="some mass")


def _mass(weights: Tensor | None, device: torch.device) -> Tensor:
    """The sum of the weights of each cloud, ``()`` or ``(B,)``, in float64."""
    if weights is None:
        return torch.ones((), dtype=torch.float64, device=device)
    return weights.detach().sum(-1, dtype=torch.float64)


def can_read(*tensors: Tensor) -> bool:
    """Whether values may be looked at: no tracing, no `torch.func` transform, no tensor without data."""
    if torch.compiler.is_compiling() or is_transforming():
        return False
    return not any(tensor.is_meta for tensor in tensors)


def _check_alike(tensor: Tensor, model: Tensor, name: str, model_name: str, *, any_dtype: bool = False) -> None:
    if tensor.dtype != model.dtype and not any_dtype:
        wanted = f"{model.dtype}, as `{model_name}`"
        raise ArgumentError(name, came=tensor.dtype, wanted=wanted, remedy=f"Convert one with .to({model.dtype}).")
    if tensor.device != model.device:
        wanted = f"{model.device}, as `{model_name}`"
        raise ArgumentError(name, came=f"device {tensor.device}", wanted=wanted, remedy="Move both to one device.")


def _shape(tensor: Tensor) -> str:
    return f"shape {tuple(tensor.shape)}"
