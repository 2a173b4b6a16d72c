"""Names from outside are drawn as they are, whatever is in them, and never stop a picture."""

import io
from itertools import cycle, product

import numpy as np
import pytest
import torch

import interflow as fl
from interflow.views import (
    ByArray,
    boundary_curves,
    density,
    energy_curve,
    evolution,
    fit_report,
    kernel_profiles,
    movie,
)
from interflow.views.picture import plain
from tests.views.runs import solution

NAMES = {
    "mathtext": "a$b$c",
    "no mathtext": "$\\frac{$",
    "escaped": "price\\$ and \\$",
    "scripts": "x_1^2\\ {} %s #&~",
    "lines": "one\ntwo\r\tthree\u2028four",
    "controls": "\x00\x07\x1b[0m\u202e",
    "glyphs": "数据😀",
    "not UTF-8": "caf\udce9",
    "long": "n" * 255,
    "empty": "",
}
CLOUD = np.random.default_rng(0).normal(size=(20, 2))
DRAW = {
    "evolution": lambda name: evolution(solution(2), title=name),
    "colour": lambda name: evolution(solution(2), colour=ByArray(np.arange(30), name)),
    "density": lambda name: density(solution(2), title=name),
    "energy": lambda name: energy_curve(solution(2, **{name: torch.rand(2, 3)}), title=name),
    "boundary": lambda name: boundary_curves(fl.PeriodicBoundary(1.0), title=name),
    "kernel": lambda name: kernel_profiles(Named(name), title=name),
    "report": lambda name: fit_report(CLOUD, CLOUD, CLOUD, history=[(0.0, 1.0, 1.0)], title=name),
}


class Named(fl.GaussianKernel):
    def __init__(self, name):
        super().__init__(0.1)
        self.name = name

    def __repr__(self):
        return self.name


FORMATS = ("png", "svg", "pdf")
WRITTEN = [
    *((name, suffix) for name, suffix in zip(NAMES, cycle(FORMATS), strict=False)),
    *(("all", suffix) for suffix in FORMATS),
]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        pytest.param(*case, marks=[] if case in WRITTEN else [pytest.mark.full])
        for case in product([*NAMES, "all"], FORMATS)
    ],
)
def test_a_picture_is_drawn_with_any_name(name, suffix):
    """Each name in one format, and in each format one that holds the letters of all."""
    DRAW["energy"](NAMES.get(name, "".join(NAMES.values()))).savefig(io.BytesIO(), format=suffix, dpi=50)


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_every_picture_is_drawn_with_any_name(draw):
    for name in (NAMES["no mathtext"], "".join(NAMES.values())):
        draw(name).savefig(io.BytesIO(), dpi=50)


def test_movies_are_written_with_any_name(tmp_path):
    title = "".join(NAMES.values())
    assert movie(solution(1), tmp_path / "run.gif", title=title, rate=1.0, progress=False).exists()


@pytest.mark.parametrize("folder", ["12:30", "-r 5", "100%d", "a'b \"c"])
def test_movies_are_written_to_any_path(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder).mkdir()
    assert movie(solution(1), f"{folder}/run.gif", rate=1.0, progress=False).exists()
    assert movie(solution(1), f"{folder}.gif", rate=1.0, progress=False).exists()


@pytest.mark.parametrize("name", [NAMES["mathtext"], NAMES["no mathtext"], NAMES["escaped"], NAMES["scripts"]])
def test_a_name_is_drawn_letter_for_letter(name):
    title = evolution(solution(1), title=name)._suptitle
    assert title.get_text().startswith(name)
    assert title._preprocess_math(title.get_text()) == (title.get_text(), False)


def test_what_has_no_glyph_is_marked_and_what_is_too_long_loses_its_middle():
    assert plain("a\n数\x00", 100) == "a ��"
    assert plain("0123456789", 6) == "012…89"


def test_pictures_of_very_many_scalars_stay_within_what_can_be_drawn():
    figure = energy_curve(solution(2, **{f"scalar_{index}": torch.rand(2) for index in range(300)}))
    assert max(figure.get_size_inches()) * figure.dpi < 2**16
