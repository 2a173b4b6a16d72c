"""The maximum mean discrepancy."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, final, get_args

from torch import Tensor

from interflow import sums
from interflow.boundaries import Boundary
from interflow.discrepancies.base import Discrepancy, in_single_precision
from interflow.discrepancies.spectral import Excess, SpectralMMD
from interflow.errors import ArgumentError, InterflowWarning
from interflow.kernels import Kernel, stays_definite, torus_definiteness
from interflow.kernels.images import MOST_IMAGES
from interflow.measures import weighted_sum, zero_where_weightless
from interflow.sums import Backend
from interflow.sums.cache import ValueCache
from interflow.sums.spectra import Spectrum, spectrum
from interflow.validation import can_read, check_choice, check_instance

Estimator = Literal["biased", "unbiased"]
Reduction = Literal["mean", "sum", "none"]


@final
class MMD(Discrepancy):
    """``MMD² = Σ aᵢaⱼ k(xᵢ,xⱼ) + Σ bᵢbⱼ k(yᵢ,yⱼ) − 2 Σ aᵢbⱼ k(xᵢ,yⱼ)``, squared and without a factor ½.

    From Gretton et al., A kernel two-sample test (2012). It is 0 for equal clouds, to the bit. Otherwise it is a small
    difference of large sums, so that round-off can make the value of two close clouds slightly negative; it is not
    clamped, which would lose the gradient. The unbiased estimate is negative about as often as positive when both
    clouds are samples of one distribution.

    Where a tolerance is given and the kernel's Fourier series is summed, the same is ``Σₖ cₖ |x̂ₖ − ŷₖ|²``: never
    negative, and within the tolerance of ``MMD² + 0.01·(Σ aᵢaⱼ k(xᵢ,xⱼ) + Σ bᵢbⱼ k(yᵢ,yⱼ))``.

    What depends on the target alone, its sum of pairs or its transform ŷ, is kept for the next call with the same y,
    weights and kernel, unless a gradient by them is wanted.

    Args:
        kernel: the kernel k, symmetric and finite at 0.
        boundary: the domain; None for open space.
        estimator: ``"biased"`` for the formula above; ``"unbiased"`` drops ``i = j`` in the first two sums and
            multiplies each by ``A² / (A² − Σ aᵢ²)`` with ``A = Σ aᵢ``, which makes ``1/N(N−1)`` of uniform weights.
        normalise: divide the weights of each measure by their sum, so that a 0/1 mask serves as weights.
        reduction: what is made of a batch: its ``"mean"``, its ``"sum"``, or ``"none"`` for all ``(B,)`` values.
        backend: how pairs are summed, a name or an instance.
        tolerance: the error that the sums may have; None for exact ones.

    Raises:
        ArgumentError: at construction for a kernel that is singular or not symmetric; in a call for shapes, dtypes or
            devices that do not fit, an empty cloud, a negative weight, too few points for the unbiased estimate, or
            measures whose masses differ by more than 1e-3, unless ``normalise``.

    Warns:
        InterflowWarning: for a kernel that is not positive definite, in open space or on the torus at hand.

    Example:
        >>> import torch
        >>> from interflow import GaussianKernel
        >>> loss = MMD(GaussianKernel(sigma=1.0))
        >>> loss(torch.zeros(1, 2), torch.ones(1, 2))
        tensor(1.2642)
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        boundary: Boundary | None = None,
        estimator: Estimator = "biased",
        normalise: bool = False,
        reduction: Reduction = "mean",
        backend: str | Backend = "auto",
        tolerance: float | None = None,
    ) -> None:
        super().__init__(boundary, normalise=normalise)
        check_choice("estimator", estimator, get_args(Estimator))
        check_choice("reduction", reduction, get_args(Reduction))
        _check_kernel(kernel)
        self.kernel = kernel
        self.estimator = estimator
        self.reduction = reduction
        self.backend = backend
        self.tolerance = tolerance
        self._examined: set[int] = set()  # dimensions of which a warning was given, or is not due
        self._spectrum_of_target = ValueCache[Spectrum]()
        self._within_target = ValueCache[Tensor]()

    @in_single_precision
    def forward(self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> Tensor:
        x_weights, y_weights = self._checked(x, y, x_weights, y_weights, batched=True)
        value = self._combined(x, y, x_weights, y_weights)
        if self.reduction == "none":
            return value
        return value.mean() if self.reduction == "mean" else value.sum()

    def value_and_velocity(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """MMD² and ``vᵢ = −2 ∇(Σ aⱼ k(·,xⱼ) − Σ bⱼ k(·,yⱼ))(xᵢ)``, from the slope of the witness function."""
        a, y_weights = self._checked(x, y, x_weights, y_weights, batched=False)
        spectral = self._spectral(x, y, a, y_weights, of_velocity=True)
        if spectral is not None:
            return spectral.value()[0], self._per_mass(spectral.descent(), x_weights)
        potential_x, field_x = sums.potential_and_field(
            self.kernel, x, x, a, self_pairs=self._self_pairs, **self._options
        )
        potential_y, field_y = sums.potential_and_field(self.kernel, x, y, y_weights, **self._options)
        factor = self._pair_factor(x, a)
        within_x = factor * weighted_sum(potential_x, a)
        across = weighted_sum(potential_y, a)
        value = within_x + self._within_target_of(y, y_weights) - 2.0 * across
        return value, self._per_mass(2.0 * (field_y - factor * field_x), x_weights)

    def velocity(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> Tensor:
        """The velocity of `value_and_velocity` alone, for which no pairs of y are summed."""
        a, y_weights = self._checked(x, y, x_weights, y_weights, batched=False)
        spectral = self._spectral(x, y, a, y_weights, of_velocity=True)
        if spectral is not None:
            return self._per_mass(spectral.descent(), x_weights)
        field_x = sums.field(self.kernel, x, x, a, self_pairs=self._self_pairs, **self._options)
        field_y = sums.field(self.kernel, x, y, y_weights, **self._options)
        return self._per_mass(2.0 * (field_y - self._pair_factor(x, a) * field_x), x_weights)

    def relative(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> Tensor:
        """``Σ aᵢaⱼ k(xᵢ,xⱼ) − 2 Σ aᵢbⱼ k(xᵢ,yⱼ)``, for which no pairs of y are summed; MMD² where a series is."""
        x_weights, y_weights = self._checked(x, y, x_weights, y_weights, batched=False)
        spectral = self._spectral(x, y, x_weights, y_weights)
        if spectral is not None:
            return spectral.value()[0]
        across = sums.bilinear(self.kernel, x, y, x_weights, y_weights, **self._options)
        return self._within(x, x_weights) - 2.0 * across

    def kernels(self) -> list[Kernel]:
        return [self.kernel]

    def explain(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
    ) -> list[tuple[str, sums.Explanation]]:
        x_weights, y_weights = self._checked(x, y, x_weights, y_weights, batched=False)
        options = self._options
        if self._spectral(x, y, x_weights, y_weights) is not None:
            options["tolerance"] = self.tolerance
        within = sums.explain(self.kernel, x, x, x_weights, self_pairs=self._self_pairs, **options)
        across = sums.explain(self.kernel, x, y, y_weights, **options)
        return [("MMD, x with x", within), ("MMD, x with y", across)]

    def _combined(self, x: Tensor, y: Tensor, x_weights: Tensor | None, y_weights: Tensor | None) -> Tensor:
        """MMD², ``()`` or ``(B,)``. Equal clouds give 0 since the three sums then run in the same order."""
        spectral = self._spectral(x, y, x_weights, y_weights)
        if spectral is not None:
            value = spectral.value()
            return value if x.ndim == 3 else value[0]
        return sums.kernel_distance(
            self.kernel,
            x,
            y,
            x_weights,
            y_weights,
            factors=(self._pair_factor(x, x_weights), self._pair_factor(y, y_weights)),
            self_pairs=self._self_pairs,
            cache=self._within_target,
            **self._options,
        )

    def _spectral(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None, y_weights: Tensor | None, of_velocity: bool = False
    ) -> SpectralMMD | None:
        """The two measures on the modes of the kernel's series; None if pairs are to be summed."""
        if self.tolerance is None:
            return None
        series = sums.distance_series(
            self.kernel,
            x,
            y,
            boundary=self.boundary,
            backend=sums.for_repeated_calls(self.backend),
            tolerance=self.tolerance,
            of_velocity=of_velocity,
        )
        if series is None:
            return None
        excess = None
        if not self._self_pairs:
            at_zero = self.kernel.at_zero(x.shape[-1], self.boundary)
            assert at_zero is not None  # checked when it was made
            excess = Excess(at_zero, (self._pair_factor(x, x_weights), self._pair_factor(y, y_weights)))
        fold = self.boundary.fold
        of_target = self._spectrum_of_target.get_or_compute(
            y, y_weights, key=(series.modes, series.transform), compute=lambda: spectrum(series, fold(y), y_weights)
        )
        return SpectralMMD(series, spectrum(series, fold(x), x_weights), of_target, excess)

    def _within(self, points: Tensor, weights: Tensor | None, cache: ValueCache[Tensor] | None = None) -> Tensor:
        total = sums.quadratic(self.kernel, points, weights, self_pairs=self._self_pairs, cache=cache, **self._options)
        return self._pair_factor(points, weights) * total

    def _within_target_of(self, y: Tensor, weights: Tensor | None) -> Tensor:
        """The self term of the target, cached until the target, its weights, the kernel or the boundary changes."""
        return self._within(y, weights, cache=self._within_target)

    @property
    def _options(self) -> dict[str, Any]:
        """How pairs are summed where no series serves: exactly, unless a backend was named.

        A potential within a tolerance of its own scale may be far outside one of the discrepancy's.
        """
        backend = sums.for_repeated_calls(self.backend)
        tolerance = backend.distance_tolerance(self.tolerance)
        return {"boundary": self.boundary, "backend": backend, "tolerance": tolerance}

    @property
    def _self_pairs(self) -> bool:
        return self.estimator == "biased"

    def _per_mass(self, descent: Tensor, x_weights: Tensor | None) -> Tensor:
        """The velocity of points of the weights as given, from that of their shares."""
        mass = x_weights.sum() if self.normalise and x_weights is not None else 1.0
        return zero_where_weightless(descent / mass, x_weights)

    def _pair_factor(self, points: Tensor, weights: Tensor | None) -> Tensor | float:
        """``A² / (A² − Σ aᵢ²)`` for the unbiased estimate, else 1."""
        if self._self_pairs:
            return 1.0
        if weights is None:
            return points.shape[-2] / (points.shape[-2] - 1)
        square = weights.sum(-1).square()
        return square / (square - weights.square().sum(-1))

    def _checked(
        self, x: Tensor, y: Tensor, x_weights: Tensor | None, y_weights: Tensor | None, batched: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """The weights to compare."""
        self.check(x, y, x_weights, y_weights, batched=batched)
        x_weights, y_weights = self.equal_masses(x_weights, y_weights)
        if self.estimator == "unbiased":
            _check_two_points(x, x_weights, "x")
            _check_two_points(y, y_weights, "y")
        self._warn_unless_definite(x.shape[-1])
        return x_weights, y_weights

    def _warn_unless_definite(self, dimension: int) -> None:
        if not can_read() or dimension in self._examined:
            return
        self._examined.add(dimension)
        if stays_definite(self.kernel, self.boundary, dimension):
            return
        ratio = torus_definiteness(self.kernel, self.boundary, dimension)
        if ratio is not None and ratio < -1e-6:
            images = "all" if self.boundary.image_periods(dimension) is not None else "nearest"
            warnings.warn(
                f"`kernel`: {type(self.kernel).__name__} with images={images!r} is not positive definite on this torus "
                f"in dimension {dimension}: a Fourier coefficient is {ratio:.1e} of the largest, wanted none below 0. "
                "The loss can be negative, and descent can move away from the target. "
                f"Take {_definite_alternative(self.kernel, self.boundary, dimension)}.",
                InterflowWarning,
                stacklevel=2,
            )


def _definite_alternative(kernel: Kernel, boundary: Boundary, dimension: int) -> str:
    """What to take for a kernel that is not positive definite on a torus, in words."""
    lengths = tuple(boundary.periods(dimension).tolist())
    converges = math.isfinite(kernel.image_tail(lengths, MOST_IMAGES, 0))  # then definite kernels stay so, by Poisson
    if kernel.definite and converges and boundary.image_periods(dimension) is None:
        return 'PeriodicBoundary(..., images="all"), a narrower bandwidth, or a BandlimitedEnergyKernel'
    return "a BandlimitedEnergyKernel, or an open domain"


def _check_kernel(kernel: Kernel) -> None:
    check_instance("kernel", kernel, Kernel)
    name = type(kernel).__name__
    if kernel.at_zero() is None:
        remedy = "Give it a softening, or take another kernel."
        raise ArgumentError("kernel", came=f"{name}, singular at 0", wanted="a kernel with a value at 0", remedy=remedy)
    if not kernel.symmetric:
        remedy = "A class whose k is symmetric says so with `symmetric = True`."
        raise ArgumentError("kernel", came=f"{name}, not symmetric", wanted="k(x, y) = k(y, x)", remedy=remedy)
    if kernel.definite is False:
        warnings.warn(
            f"`kernel`: got {name}, wanted a positive definite kernel. The loss can be negative, and descent can move "
            "away from the target. Take a GaussianKernel or a DistanceKernel.",
            InterflowWarning,
            stacklevel=3,
        )


def _check_two_points(points: Tensor, weights: Tensor | None, name: str) -> None:
    remedy = 'Take estimator="biased".'
    if points.shape[-2] < 2:
        raise ArgumentError(name, came="1 point", wanted="at least 2 for an unbiased estimate", remedy=remedy)
    if weights is not None and can_read(weights) and bool(((weights > 0).sum(-1) < 2).any()):
        wanted = "at least 2 points of positive weight for an unbiased estimate"
        raise ArgumentError(f"{name}_weights", came="fewer positive weights", wanted=wanted, remedy=remedy)
