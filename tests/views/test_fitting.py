"""The picture of a fit has its five panels, whatever the dimension."""

import numpy as np
import pytest
from matplotlib.text import Text

from interflow.views import fit_report
from interflow.views.fitting import POINTS

HISTORY = [(0.0, 1.0, 0.5), (1.0, 0.1, 0.05)]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_clouds_above_and_curves_below(dimension, tmp_path):
    cloud = np.random.default_rng(0).normal(size=(30, dimension))
    figure = fit_report(cloud, cloud[:5], cloud[:5], history=HISTORY, reference=0.3, title="scan.ply")
    assert [panel.get_title() for panel in figure.axes[:3]] == [
        "target, 30 points",
        "start, 5 points",
        "result, 5 points",
    ]
    assert [panel.get_ylabel() for panel in figure.axes[3:]] == ["loss", "held-out sliced W₂"]
    figure.savefig(tmp_path / "report.png")


def test_the_second_axis_of_an_image_points_down_and_black_is_the_most_mass():
    pixels = np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]])
    figure = fit_report(pixels, pixels, pixels, target_weights=np.array([1.0, 0.5, 0.2]), history=HISTORY, image=True)
    low, high = figure.axes[0].get_ylim()
    assert low > high
    (image,) = figure.axes[0].images
    assert image.get_array().tolist() == [[1.0, 0.5], [0.2, 0.0]]


def test_a_loss_that_is_not_positive_is_drawn_on_a_plain_scale():
    cloud = np.zeros((3, 2))
    figure = fit_report(cloud, cloud, cloud, history=[(0.0, 1.0, 0.5), (1.0, -1e-9, 0.05)])
    assert figure.axes[3].get_yscale() == "linear"
    assert figure.axes[4].get_yscale() == "log"


def test_points_that_are_not_drawn_or_lie_outside_are_told():
    target = np.random.default_rng(0).uniform(size=(POINTS + 1, 2))
    far = np.array([[0.5, 0.5], [3.0, 0.5], [0.5, -9.0]])
    figure = fit_report(target, far, target[:5], history=HISTORY)
    assert [panel.get_title() for panel in figure.axes[:3]] == [
        f"target, {POINTS + 1:,} points, {POINTS:,} drawn",
        "start, 3 points, 2 outside",
        "result, 5 points",
    ]


def test_where_nothing_is_held_out_the_figure_says_so():
    cloud = np.ones((1, 2))
    figure = fit_report(cloud, cloud, cloud, history=[(0.0, 1.0, np.nan), (1.0, 0.5, np.nan)])
    figure.draw_without_rendering()
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert "nothing was held out" in texts
    assert not any("nan" in text for text in texts)
