"""The examples of fitting run: here with few points."""

import re
import runpy
from pathlib import Path

from PIL import Image

from interflow.storage.points import read_points

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_photograph_is_stippled(tmp_path, capsys):
    script = runpy.run_path(str(EXAMPLES / "stipples.py"))
    script["main"](["--points", "100", "--steps", "10", "--pixels", "1000", "--out", str(tmp_path)])
    first, last = _losses(capsys.readouterr().out)
    assert last < 0.5 * first
    with Image.open(tmp_path / "stipples.png") as picture:
        assert picture.size == (640, 427)


def test_the_digits_are_represented(capsys):
    script = runpy.run_path(str(EXAMPLES / "digits.py"))
    script["main"](["--points", "40", "--steps", "20"])
    output = capsys.readouterr().out
    first, last = _losses(output)
    assert last < 0.7 * first
    assert output.count(": ") >= 8  # most digits have a representative


def test_points_are_spread_over_the_mesh(tmp_path, capsys):
    script = runpy.run_path(str(EXAMPLES / "mesh.py"))
    script["main"](["--points", "150", "--steps", "60", "--samples", "1500", "--out", str(tmp_path)])
    output = capsys.readouterr().out
    first, last = _losses(output)
    assert last < 0.1 * first
    spread, random = map(float, re.findall(r"(?:distances:|random points) (\S+?),?\s", output))
    assert spread < 0.7 * random
    assert read_points(tmp_path / "airplane_points.ply").positions.shape == (150, 3)


def _losses(output):
    words = output.splitlines()[0].split(";")[0].split()
    return float(words[1]), float(words[3])
