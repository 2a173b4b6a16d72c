"""The file of a page: its size, what it says, and what it refuses."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
import torch

import interflow as fl
from interflow.views.page.document import SCRIPTS, asset, scripts
from interflow.views.page.drawing import PARTICLES, Drawing
from interflow.views.page.scene import bundle, scene
from tests.views.page.runs import noise, run


def text(solution, path, **options):
    return fl.views.write_page(solution, path / "page.html", **options).read_text(encoding="utf-8")


def test_the_page_carries_the_licences_of_what_it_carries(tmp_path):
    page = text(noise(2, 10, 2), tmp_path)
    assert "K3D authors" in page
    assert "Three.js Authors" in page
    assert "Permission is hereby granted, free of charge" in page


def test_the_page_lets_the_browser_load_nothing(tmp_path):
    page = text(noise(2, 10, 2), tmp_path)
    assert "default-src 'none'" in page
    assert "connect-src 'none'" in page
    assert re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=\"(?!data:)", page) is None


def test_the_page_stays_within_its_size_and_says_what_it_gave_up_for_that(tmp_path):
    solution = noise(12, 20_000, 2, scale=0.3)
    whole, smaller = (text(solution, tmp_path, megabytes=size) for size in (25, 1.8))
    assert len(smaller) < 1.8e6 < len(whole)
    assert "To keep the page small, positions are rounded to 1/2 048 of the box (11 bits, not 14)" in smaller
    assert re.search(r"and \d+ of 12 frames are kept\.", smaller)
    assert "To keep the page small" not in whole
    assert "rounded to 1/16 384 of the box" in whole


def test_speeds_stay_within_the_size_too(tmp_path):
    solution = noise(12, 20_000, 3, scale=0.3, moving=True)
    assert len(text(solution, tmp_path, megabytes=2.0)) < 2.0e6


def test_a_size_that_holds_no_frame_is_refused_with_one_that_does(tmp_path):
    solution = noise(3, 300_000, 3)
    with pytest.raises(fl.ArgumentError, match=r"`megabytes`: .* wanted at least \d+") as refused:
        text(solution, tmp_path, megabytes=1.5)
    least = int(re.search(r"at least (\d+)", str(refused.value))[1])
    assert len(text(solution, tmp_path, megabytes=least)) <= 1e6 * least


def test_particles_and_axes_that_are_left_out_are_said():
    drawing = Drawing(run(torch.zeros(1, PARTICLES + 1, 4)))
    assert drawing.positions(0).shape == (PARTICLES, 3)
    assert drawing.notes == ["1 000 000 of 1 000 001 particles are drawn.", "The first 3 of 4 axes are drawn."]


def test_the_box_is_the_domain_where_that_ends_and_around_the_points_where_not():
    clouds = torch.tensor([[[0.2, 5.0], [0.4, 7.0]]])
    mixed = fl.ProductBoundary([fl.ReflectingBoundary(0.0, 1.0), fl.OpenBoundary()])
    about = scene(run(clouds, boundary=mixed), 1e6).about
    assert (about["lower"][0], about["upper"][0]) == (0.0, 1.0)
    assert about["lower"][1] < 5.0 < 7.0 < about["upper"][1]
    assert about["periodic"] == [False, False]


def test_points_are_drawn_inside_a_periodic_box():
    about = scene(run([[[1.25, -0.5]], [[7.0, 0.5]]]), 1e6).about
    assert (about["lower"], about["upper"]) == ([0.0, 0.0], [1.0, 1.0])


def test_the_facts_say_how_the_run_went():
    sums = [{"backend": "dense", "count": 7}]
    told = {"device": "cpu", "sums": sums, "versions": {"torch": "2"}}
    facts = dict(scene(noise(3, 10, 2), 1e6, summary=told).about["facts"])
    assert facts["particles"] == "10 particles in 2 dimensions, float64 on cpu"
    assert facts["sums"] == "7 on the backend dense"
    assert facts["steps"] == "0 to 2 in 1 s, 2 a second"
    assert facts["box"] == "[0, 1)², periodic"
    assert facts["energy"] == "1 → 0.818731"


def test_positions_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(fl.ArgumentError, match="not finite in frame 1"):
        text(run([[[0.5, 0.5]], [[0.5, np.nan]]], boundary=fl.OpenBoundary()), tmp_path)


def test_without_k3d_the_error_says_what_to_install(tmp_path, monkeypatch):
    bundle.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(fl.MissingPackageError, match=r"pip install 'interflow-particles\[page\]'"):
        text(noise(2, 10, 2), tmp_path)


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(fl.ArgumentError, match="`path`"):
        fl.views.write_page(noise(2, 10, 2), tmp_path / "missing" / "page.html")


def test_no_script_ends_the_tag_that_it_stands_in():
    assert "</script" not in scripts().lower()
    assert all(asset(name) in scripts() for name in SCRIPTS)
