"""What discrepancies refuse, and what they warn of."""

import warnings

import pytest
import torch

from interflow import BandlimitedEnergyKernel, GaussianKernel, Kernel, LaplacianKernel, PeriodicBoundary, RadialKernel
from interflow.discrepancies import (
    MMD,
    Discrepancy,
    EnergyDistance,
    SinkhornDivergence,
    SlicedWasserstein,
    sliced_energy_distance,
)
from interflow.errors import ArgumentError, InterflowWarning
from tests.discrepancies.clouds import cloud, masses

LOSS = MMD(GaussianKernel(0.4))


class Coulomb(RadialKernel):
    """Singular at 0."""

    def profile(self, squared_distance):
        return squared_distance.rsqrt()


class Skewed(Kernel):
    """Not symmetric."""

    def pair(self, displacement):
        return (-displacement[0].square() - displacement[0]).exp()


class Ring(RadialKernel):
    """A user's kernel, of which nothing is known."""

    def profile(self, squared_distance):
        return (squared_distance - 1.0).square()


class Parabola(RadialKernel):
    """Known not to be positive definite."""

    definite = False

    def profile(self, squared_distance):
        return squared_distance


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((cloud()[0], cloud()), "`x`"),
        ((cloud(), cloud(dimension=3)), "`y`"),
        ((cloud(batch=(2,)), cloud()), "`y`"),
        ((cloud(batch=(2,)), cloud(batch=(3,))), "`y`"),
        ((cloud(batch=(2, 2)), cloud(batch=(2, 2))), "`x`"),
        ((cloud(), cloud(dtype=torch.float32)), "`y`"),
        ((cloud().long(), cloud()), "`x`"),
        (([[0.0]], cloud()), "`x`"),
        ((cloud(0), cloud()), "`x`"),
        ((cloud(), cloud(0)), "`y`"),
        ((cloud(dimension=0), cloud(dimension=0)), "`x`"),
        ((cloud(batch=(0,)), cloud(batch=(0,))), "`x`"),
        ((cloud(), cloud(), masses(11)), "`x_weights`"),
        ((cloud(), cloud(), None, masses(11)), "`y_weights`"),
        ((cloud(), cloud(), masses()[:, None]), "`x_weights`"),
        ((cloud(), cloud(), masses(dtype=torch.float32)), "`x_weights`"),
        ((cloud(), cloud(), -masses()), "`x_weights`"),
        ((cloud(), cloud(), None, masses() * float("nan")), "`y_weights`"),
        ((cloud(), cloud(), 1.0), "`x_weights`"),
        ((cloud(), cloud().to("meta")), "`y`"),
    ],
)
def test_clouds_that_do_not_fit_are_refused_by_name(arguments, name):
    with pytest.raises(ArgumentError, match=name):
        LOSS(*arguments)


def test_a_velocity_is_of_one_cloud():
    for loss in (LOSS, EnergyDistance()):
        for method in (loss.velocity, loss.value_and_velocity):
            with pytest.raises(ArgumentError, match="`x`"):
                method(cloud(batch=(2,)), cloud(batch=(2,)))


def test_a_negative_weight_is_told():
    with pytest.raises(ArgumentError, match=r"a weight of -0\.5, wanted weights ≥ 0"):
        LOSS(cloud(2), cloud(2), torch.tensor([1.5, -0.5], dtype=torch.float64))


def test_zero_weights_are_accepted():
    assert LOSS(cloud(2), cloud(2), torch.tensor([1.0, 0.0], dtype=torch.float64)).isfinite()


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_a_singular_kernel_is_refused(estimator):
    with pytest.raises(ArgumentError, match="singular at 0"):
        MMD(Coulomb(), estimator=estimator)


def test_a_kernel_that_is_not_symmetric_is_refused():
    with pytest.raises(ArgumentError, match="not symmetric"):
        MMD(Skewed())


@pytest.mark.parametrize("option", ["estimator", "reduction"])
def test_an_unknown_option_is_refused(option):
    for make in (EnergyDistance, lambda **options: MMD(GaussianKernel(1.0), **options)):
        with pytest.raises(ArgumentError, match=f"`{option}`: got 'median'"):
            make(**{option: "median"})


def test_what_is_not_a_kernel_is_refused():
    with pytest.raises(ArgumentError, match="`kernel`"):
        MMD(torch.exp)


def test_a_boundary_of_another_dimension_is_refused():
    with pytest.raises(ArgumentError, match="3"):
        MMD(GaussianKernel(0.1), boundary=PeriodicBoundary(torch.ones(3)))(cloud(), cloud())


@pytest.mark.parametrize(
    "arguments",
    [
        (cloud(1), cloud()),
        (cloud(), cloud(1)),
        (cloud(2), cloud(), torch.tensor([1.0, 0.0], dtype=torch.float64)),
    ],
)
def test_an_unbiased_estimate_needs_two_points(arguments):
    with pytest.raises(ArgumentError, match="at least 2"):
        MMD(GaussianKernel(0.4), estimator="unbiased")(*arguments)


def test_a_kernel_known_not_to_be_definite_warns():
    with pytest.warns(InterflowWarning, match="Parabola, wanted a positive definite kernel"):
        MMD(Parabola())


def test_a_kernel_of_ones_own_does_not_warn_in_open_space():
    assert MMD(Ring())(cloud(), cloud(9, seed=1)).isfinite()


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda torus: EnergyDistance(boundary=torus), "Take a BandlimitedEnergyKernel"),
        (lambda torus: MMD(GaussianKernel(0.3), boundary=torus), r"images=\"all\".*bandwidth.*BandlimitedEnergyKernel"),
    ],
    ids=["distance", "wide gaussian"],
)
def test_nearest_images_that_are_not_definite_warn_once_a_dimension(make, remedy):
    loss = make(PeriodicBoundary(1.0))
    with pytest.warns(InterflowWarning, match=rf"not positive definite on this torus in dimension 2.*{remedy}"):
        loss(cloud(), cloud(9, seed=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(cloud(), cloud(9, seed=1))
    with pytest.warns(InterflowWarning, match="dimension 3"):
        loss.velocity(cloud(dimension=3), cloud(9, dimension=3, seed=1))


def test_a_narrow_gaussian_on_the_torus_does_not_warn():
    assert MMD(GaussianKernel(0.1), boundary=PeriodicBoundary(1.0))(cloud(), cloud(9, seed=1)).isfinite()


@pytest.mark.parametrize("kernel", [GaussianKernel(0.3), LaplacianKernel(0.1), BandlimitedEnergyKernel(1.0, modes=3)])
def test_a_definite_kernel_of_all_images_does_not_warn(kernel):
    loss = MMD(kernel, boundary=PeriodicBoundary(1.0, images="all"))
    assert loss(cloud(), cloud(9, seed=1)) > 0


def test_a_kernel_that_is_not_definite_warns_with_all_images_as_well():
    torus = PeriodicBoundary(1.0, images="all")
    loss = MMD(GaussianKernel(0.1) - 2.0 * GaussianKernel(0.3), boundary=torus)
    with pytest.warns(InterflowWarning, match="images='all' is not positive definite on this torus"):
        loss(cloud(), cloud(9, seed=1))


def test_a_subclass_must_write_forward():
    with pytest.raises(TypeError, match="abstract"):
        Discrepancy()


def test_options_are_read_back():
    loss = EnergyDistance(estimator="unbiased", reduction="sum")
    assert (loss.estimator, loss.reduction) == ("unbiased", "sum")


OF_EQUAL_MASSES = {
    "mmd": lambda **options: MMD(GaussianKernel(0.4), **options),
    "unbiased": lambda **options: MMD(GaussianKernel(0.4), estimator="unbiased", **options),
    "series": lambda **options: MMD(
        GaussianKernel(0.1), boundary=PeriodicBoundary(1.0, images="all"), backend="fourier", tolerance=1e-3, **options
    ),
    "energy_distance": EnergyDistance,
    "sliced_wasserstein": SlicedWasserstein,
    "sinkhorn": SinkhornDivergence,
}

of_equal_masses = pytest.mark.parametrize("make", OF_EQUAL_MASSES.values(), ids=OF_EQUAL_MASSES)


@of_equal_masses
@pytest.mark.parametrize(
    ("a", "b", "name"),
    [
        (torch.ones(12), None, "x_weights"),
        (None, torch.ones(9), "y_weights"),
        (torch.ones(12), torch.ones(9), "x_weights"),
        (masses() * 1.002, masses(9), "x_weights"),
    ],
    ids=["mask", "mask of the target", "masks", "a little more"],
)
def test_measures_of_different_mass_are_refused_with_the_remedy(make, a, b, name):
    a, b = (None if weights is None else weights.double() for weights in (a, b))
    with pytest.raises(ArgumentError, match=rf"`{name}`: got a mass of .* same mass.*normalise=True, or divide"):
        make()(cloud(), cloud(9, seed=1), a, b)
    with pytest.raises(ArgumentError, match="same mass"):
        make().velocity(cloud(), cloud(9, seed=1), a, b)


@of_equal_masses
def test_arrays_of_numpy_are_refused_by_name(make):
    for arguments, name in (((cloud().numpy(), cloud()), "x"), ((cloud(), cloud().numpy()), "y")):
        with pytest.raises(ArgumentError, match=f"`{name}`: got ndarray, wanted a floating tensor"):
            make()(*arguments)
        with torch.autocast("cpu"), pytest.raises(ArgumentError, match=f"`{name}`: got ndarray"):
            make()(*arguments)
    with pytest.raises(ArgumentError, match="`x_weights`: got ndarray"):
        make()(cloud(), cloud(), masses().numpy())


@of_equal_masses
def test_each_cloud_of_a_batch_is_held_to_the_mass_of_its_target(make):
    x, y, weights = cloud(batch=(3,)), cloud(9, batch=(3,), seed=1), masses(batch=(3,))
    weights[1] *= 2.0
    with pytest.raises(ArgumentError, match="got a mass of 2 in `x_weights` and of 1 in `y_weights`"):
        make()(x, y, weights)


@of_equal_masses
@pytest.mark.parametrize("normalise", [False, True])
def test_a_measure_without_mass_is_refused(make, normalise):
    nothing = torch.zeros(12, dtype=torch.float64)
    for arguments in ((cloud(), cloud(), nothing, nothing), (cloud(), cloud(9), None, nothing[:9])):
        with pytest.raises(ArgumentError, match="_weights`: got weights that are all 0, wanted some mass"):
            make(normalise=normalise)(*arguments)


@of_equal_masses
def test_masses_that_differ_by_round_off_and_padding_of_no_weight_are_accepted(make):
    a = masses(dtype=torch.float32) * 1.0005
    a[:3] = 0.0
    a /= a.sum() / 1.0005
    assert make()(cloud(dtype=torch.float32), cloud(9, seed=1, dtype=torch.float32), a).isfinite()
    assert make()(cloud(), cloud(9, seed=1), masses() * 7.0, masses(9) * 7.0).isfinite()


@of_equal_masses
def test_normalised_any_weights_stand_for_their_shares(make):
    x, y, mask = cloud(), cloud(9, seed=1), torch.tensor([1.0, 0.0, 1.0] * 4, dtype=torch.float64)
    value, velocity = make(normalise=True).value_and_velocity(x, y, mask, 5.0 * masses(9))
    expected, of_shares = make().value_and_velocity(x, y, mask / 8.0, masses(9))
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(velocity, of_shares / 8.0)  # −(1/aᵢ) ∂D/∂xᵢ, of the weights as given
    torch.testing.assert_close(make(normalise=True)(x, y, mask, 5.0 * masses(9)), expected)
    torch.testing.assert_close(make(normalise=True).velocity(x, y, mask, 5.0 * masses(9)), of_shares / 8.0)


def test_an_estimate_by_slices_is_of_equal_masses():
    with pytest.raises(ArgumentError, match="same mass"):
        sliced_energy_distance(cloud(), cloud(9), torch.ones(12, dtype=torch.float64))
    ones = torch.ones(12, dtype=torch.float64)
    assert sliced_energy_distance(cloud(), cloud(9), ones, normalise=True) == sliced_energy_distance(
        cloud(), cloud(9), ones / 12
    )


def test_where_no_weights_are_given_nothing_is_summed_and_inside_a_transform_nothing_is_read():
    weights = torch.full((12,), 2.0, dtype=torch.float64)
    assert torch.func.grad(lambda x: LOSS(x, cloud(9), weights))(cloud()).isfinite().all()
    compiled = torch.compile(LOSS, fullgraph=True, backend="eager")
    assert compiled(cloud(), cloud(9), masses()).isfinite()
