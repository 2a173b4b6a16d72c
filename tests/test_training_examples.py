"""The examples that train reach what they promise: here at small size."""

import re
import runpy
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[1] / "examples"


def script(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def printed(name, capsys, *arguments):
    script(name)["main"](list(arguments))
    return capsys.readouterr().out


def test_a_generator_comes_nearer_to_digits_that_it_has_not_seen(capsys):
    text = printed("generator", capsys, "--iterations", "100", "--batch", "64", "--hidden", "128")
    before, after, floor = (float(number) for number in re.findall(r"(-?[\d.]+e[+-]\d+)", text))
    assert after < 0.25 * before
    assert floor < after


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of torch, about what Lightning calls
def test_a_generator_in_lightning_comes_nearer_to_digits_that_it_has_not_seen(capsys):
    text = printed("lightning_generator", capsys, "--epochs", "20", "--batch", "64", "--hidden", "64")
    before, after, floor = (float(number) for number in re.findall(r"(-?[\d.]+e[+-]\d+)", text))
    assert after < 0.25 * before
    assert floor < after


def test_the_parameters_of_a_morse_kernel_are_recovered_within_two_percent():
    law = script("law")
    frames = law["observed"](12, 4)
    kernel = law["fl"].MorseKernel(**law["GUESS"], learnable=True)
    law["fit"](kernel, frames, 40)
    for name, true in law["TRUTH"].items():
        assert abs(getattr(kernel, name).item() / true - 1) <= 0.02


def test_a_network_learns_the_forces_of_a_law_that_it_does_not_know():
    law = script("law")
    frames = law["observed"](10, 3)
    kernel = law["neural_kernel"](6)
    start = law["force_error"](kernel, frames)
    law["fit"](kernel, frames, 25)
    assert law["force_error"](kernel, frames) < min(0.35, 0.5 * start)


def test_the_script_of_the_law_prints_both(capsys):
    text = printed("law", capsys, "--particles", "6", "--frames", "2", "--iterations", "2", "--neural-iterations", "2")
    assert "repulsion_length" in text
    assert "neural profile" in text


def test_a_cloud_is_steered_to_a_ring_through_200_steps():
    steer = script("steer")
    assert steer["STEPS"] == 200
    target = steer["ring"](12)
    push, history = steer["steer"](steer["flock"](steer["blob"](12)), target, 10)
    assert history[-1] < 0.3 * history[0]
    assert torch.isfinite(push).all()
