"""Packed frames come back within half a cell, and within their budget."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interflow.views.page.packing import BITS, BudgetError, decode, encode, pack, unpack


def motion(frames, count, axes, *, seed=0, constant=None, scale=1.0):
    """Noisy motion on a torus, so that particles jump across its seam; one axis may stand still."""
    random = np.random.default_rng(seed)
    steps = 0.1 * random.standard_normal((frames, count, axes))
    clouds = scale * np.remainder(random.random((count, axes)) + steps.cumsum(axis=0), 1.0)
    if constant is not None:
        clouds[..., constant] = 3.0
    return clouds


def corners(clouds):
    flat = clouds.reshape(-1, clouds.shape[-1])
    axes = clouds.shape[-1]
    return (flat.min(0), flat.max(0)) if len(flat) else (np.zeros(axes), np.ones(axes))


@given(
    frames=st.integers(1, 5),
    count=st.integers(0, 40),
    axes=st.integers(1, 3),
    constant=st.sampled_from([None, 0]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 99),
)
def test_positions_come_back_within_half_a_cell(frames, count, axes, constant, scale, seed):
    clouds = motion(frames, count, axes, seed=seed, constant=constant, scale=scale)
    packed = pack(clouds.__getitem__, frames, *corners(clouds), budget=1e6)
    for cloud, again in zip(clouds, unpack(packed), strict=True):
        assert (np.abs(again - cloud) <= packed.grid.sides * (0.5 + 1e-4)).all()


@given(bits=st.integers(2, 16), frames=st.integers(1, 4), count=st.integers(0, 20), axes=st.integers(1, 3))
def test_cells_come_back_exactly_however_far_they_jump(bits, frames, count, axes):
    random = np.random.default_rng(bits)
    cells = random.integers(0, 2**bits, (frames, count, axes)).astype(np.uint16)
    again = list(decode(encode(list(cells), bits), (count, axes), bits))
    np.testing.assert_array_equal(np.stack(again), cells)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_smaller_budget_lowers_bits_first_and_frames_then_and_is_kept(axes):
    clouds = motion(12, 400, axes)
    whole = pack(clouds.__getitem__, 12, *corners(clouds), budget=1e9)
    assert (whole.grid.bits, len(whole.kept)) == (BITS[axes][0], 12)
    seen = [whole]
    for share in (0.95, 0.8, 0.5, 0.3):
        packed = pack(clouds.__getitem__, 12, *corners(clouds), budget=share * whole.size)
        assert packed.size <= share * whole.size
        assert packed.grid.bits <= seen[-1].grid.bits
        assert len(packed.kept) <= len(seen[-1].kept)
        assert len(packed.kept) == 12 or packed.grid.bits == BITS[axes][1]
        assert {packed.kept[0], packed.kept[-1]} == {0, 11}
        seen.append(packed)
    assert len(seen[-1].kept) < 12


def test_a_budget_below_one_frame_is_refused():
    clouds = motion(3, 400, 2)
    with pytest.raises(BudgetError):
        pack(clouds.__getitem__, 3, *corners(clouds), budget=50)


def test_steady_motion_is_smaller_than_noise():
    steady = np.random.default_rng(0).random((500, 2)) + 0.01 * np.arange(8)[:, None, None]
    sizes = [pack(run.__getitem__, 8, *corners(run), budget=1e9).size for run in (steady, motion(8, 500, 2))]
    assert sizes[0] < sizes[1] / 2
