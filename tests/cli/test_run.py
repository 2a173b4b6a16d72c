"""``interflow run`` makes a complete folder or none, and says in one line what is wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import interflow as fl
from interflow.cli import main
from interflow.cli.common import load_plugin
from tests.config.cases import TOUR

FILES = {
    "config.yaml",
    "evolution.png",
    "frames.zarr",
    "last.checkpoint",
    "manifest.json",
    "prev.checkpoint",
    "summary.json",
}


@pytest.fixture
def interflow(tmp_path, monkeypatch):
    """Runs the command line in a folder that holds ``tour.yaml``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tour.yaml").write_text(TOUR)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def test_a_run_ends_with_a_folder_and_says_where(interflow, tmp_path):
    done = interflow("run", "tour.yaml", "--out", "here")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "here"
    assert "20 particles, 4 steps" in done.stdout
    assert {file.name for file in (tmp_path / "here").iterdir()} == FILES


def test_the_folder_is_named_after_the_config_and_the_time(interflow, tmp_path):
    assert interflow("run", "tour.yaml").exit_code == 0
    assert interflow("run", "tour.yaml").exit_code == 0
    first, second = (tmp_path / "runs").iterdir()
    assert first.name.startswith("tour-")
    assert second.name.startswith("tour-")


def test_the_frames_are_those_of_the_system(interflow, tmp_path):
    assert interflow("run", "tour.yaml", "--out", "here").exit_code == 0
    frames = fl.open_run(tmp_path / "here")
    solution = fl.config.load(tmp_path / "tour.yaml").build().simulate(4, save_every=2, progress=False)
    for name in ("positions", "times", "steps", "energies", "weights"):
        np.testing.assert_array_equal(np.asarray(getattr(frames, name)), getattr(solution, name).numpy())


def test_the_config_in_the_folder_runs_again_to_the_same_frames(interflow, tmp_path):
    assert interflow("run", "tour.yaml", "--out", "first", "--set", "seed=7").exit_code == 0
    assert interflow("run", "first/config.yaml", "--out", "second").exit_code == 0
    first, second = fl.open_run(tmp_path / "first"), fl.open_run(tmp_path / "second")
    np.testing.assert_array_equal(first.positions, second.positions)
    assert (tmp_path / "first/config.yaml").read_text() == (tmp_path / "second/config.yaml").read_text()


def test_the_summary_says_what_ran_and_how(interflow, tmp_path):
    assert interflow("run", "tour.yaml", "--out", "here").exit_code == 0
    summary = json.loads((tmp_path / "here/summary.json").read_text())
    assert (summary["name"], summary["particles"], summary["dimension"], summary["steps"]) == ("tour", 20, 2, 4)
    assert summary["sums"] == [{"backend": "dense", "count": 4 + len(summary["energies"])}]
    assert summary["energies"] == fl.open_run(tmp_path / "here").energies.tolist()
    assert {"python", "torch", "interflow-particles"} <= summary["versions"].keys()
    assert summary["seconds"] > 0


def test_fields_are_set_before_the_run(interflow, tmp_path):
    done = interflow(
        "run", "tour.yaml", "--out", "here", "--set", "particles.count=7", "--set", "energy.kernel.kind=laplacian"
    )
    assert done.exit_code == 0, done.output
    assert fl.open_run(tmp_path / "here").positions.shape == (3, 7, 2)
    assert yaml.safe_load((tmp_path / "here/config.yaml").read_text())["energy"]["kernel"]["kind"] == "laplacian"


def test_quiet_prints_the_path_alone(interflow):
    done = interflow("run", "tour.yaml", "--out", "here", "--quiet")
    assert (done.stdout, done.stderr) == ("here\n", "")


def test_an_existing_folder_is_refused_and_left_alone(interflow, tmp_path):
    (tmp_path / "here").mkdir()
    done = interflow("run", "tour.yaml", "--out", "here")
    assert done.exit_code == 2
    assert "here" in done.stderr
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.yaml"], "no such file"),
        (["tour.yaml", "--set", "energy.kernel.sigma=-1"], "energy.kernel.sigma: got -1.0, wanted a positive number"),
        (["tour.yaml", "--set", "energy.kernel.sigm=1"], "Did you mean `sigma`?"),
        (["tour.yaml", "--set", "nonsense"], "run.steps=100"),
        (["tour.yaml", "--set", "a=!!python/name:os.system x"], "tag"),
        (["tour.yaml", "--set", "boundary.lengths=[1, 1, 1]"], "particles: got 2 coordinates"),
        (["tour.yaml", "--set", "backend.tolerance=1e-9"], "tolerance"),
        (["tour.yaml", "--plugin", "no_such_module"], "no_such_module"),
        (["tour.yaml", "--plugin", "./no_such_file.py"], "no_such_file.py"),
        (["tour.yaml", "--nonsense"], "--nonsense"),
    ],
)
def test_bad_input_is_told_in_few_lines_with_exit_code_2(interflow, tmp_path, arguments, said):
    done = interflow("run", *arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert len(done.stderr.splitlines()) <= 4
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_run_that_fails_is_told_with_exit_code_1_and_keeps_its_last_good_state(interflow, tmp_path):
    settings = [
        "energy.kernel.kind=inverse_power",
        "energy.kernel.exponent=4",
        "integrator.step_size=1e40",
        "energy.scale=1e30",
    ]
    done = interflow("run", "tour.yaml", "--out", "here", *[part for text in settings for part in ("--set", text)])
    assert done.exit_code == 1, done.output
    assert "not finite" in done.stderr
    assert "Usual causes" in done.stderr
    assert "here keeps it" in done.stderr
    assert "Traceback" not in done.output
    assert fl.open_run(tmp_path / "here").final.is_finite()
    assert not (tmp_path / "here/summary.json").exists()


def test_debug_lets_the_error_through(interflow):
    done = CliRunner().invoke(main, ["--debug", "run", "missing.yaml"])
    assert isinstance(done.exception, fl.ConfigError)


PLUGIN = """
import interflow as fl

@fl.config.register("{kind}")
class Ring(fl.RadialKernel):
    '''A ring.'''

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.radius = fl.PositiveParameter(radius)

    def profile(self, squared_distance):
        return (squared_distance.sqrt() - self.radius).square()
"""


@pytest.mark.parametrize("plugin", ["./rings_of_a_file.py", "rings_of_a_module"])
def test_a_plugin_brings_kinds_of_its_own(interflow, tmp_path, monkeypatch, plugin):
    name = plugin.strip("./").removesuffix(".py").removesuffix("py")
    (tmp_path / f"{name}.py").write_text(PLUGIN.format(kind=name))
    monkeypatch.syspath_prepend(tmp_path)
    kernel = f"energy.kernel={{kind: {name}, radius: 0.3}}"
    done = interflow("run", "tour.yaml", "--out", "here", "--plugin", plugin, "--set", kernel)
    sys.modules.pop(name, None)
    fl.config.builtin_kinds.KERNELS.models.pop(name, None)
    assert done.exit_code == 0, done.output


def test_a_plugin_in_a_file_takes_no_other_module_s_place(tmp_path, monkeypatch):
    import random

    before = dict(sys.modules)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "random.py").write_text(f"where = {folder!r}\n")
    plugins = [load_plugin(str(tmp_path / folder / "random.py")) for folder in ("one", "two")]
    assert [plugin.where for plugin in plugins] == ["one", "two"]
    assert sys.modules["random"] is random
    assert all(sys.modules[name] is module for name, module in before.items())
    assert all(sys.modules[plugin.__name__] is plugin for plugin in plugins)


def test_without_the_plugin_its_kind_is_unknown(interflow):
    done = interflow("run", "tour.yaml", "--set", "energy.kernel={kind: rings, radius: 0.3}")
    assert done.exit_code == 2


def test_a_file_that_is_no_config_is_refused_before_torch_is_imported(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [")
    program = (
        "import sys\nfrom interflow.cli import main\n"
        "try:\n    main(['run', 'bad.yaml'])\n"
        "except SystemExit as end:\n    assert end.code == 2\n"
        "assert not {'torch', 'pydantic', 'matplotlib'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)
