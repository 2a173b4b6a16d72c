"""``interflow fit`` makes a complete folder or none, in the format of its target."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tqdm import tqdm

from interflow.cli import main
from interflow.cli.fit import progress
from interflow.fitting import FitSettings
from interflow.fitting.settings import FitRecord
from interflow.storage.points import PointCloud, PointReadOptions, format_of, read_points, write_points
from tests.faults.disks import SIZE, small_disk

SMALL = ["--set", "descent.steps=4", "--set", "backend.kind=dense", "--set", "reading.samples=200"]


@pytest.fixture
def interflow(tmp_path, monkeypatch):
    """Runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def samples(count=80, dimension=2):
    generator = np.random.default_rng(0)
    return PointCloud(
        generator.normal(size=(count, dimension)), columns={"label": generator.integers(0, 9, count).astype(np.int32)}
    )


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "tsv", "xyz", "ply", "obj", "stl", "las", "laz"])
def test_the_folder_holds_the_points_in_the_format_of_the_target(interflow, tmp_path, suffix):
    write_points(tmp_path / f"scan.{suffix}", samples(dimension=3))
    done = interflow("fit", f"scan.{suffix}", "--points", "10", "--out", "here", *SMALL)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "here"
    assert {file.name for file in (tmp_path / "here").iterdir()} == {f"fitted.{suffix}", "report.png", "summary.json"}
    fitted = read_points(tmp_path / "here" / f"fitted.{suffix}", PointReadOptions(samples=10))
    assert fitted.positions.shape == (10, 3)


def test_it_says_to_how_many_points_each_distance_is(interflow, tmp_path, monkeypatch):
    monkeypatch.setattr("interflow.fitting.evaluation.MAX_EXACT_POINTS", 20)
    write_points(tmp_path / "scan.csv", samples(200))
    done = interflow("fit", "scan.csv", "--points", "10", "--out", "here", *SMALL)
    assert "sliced W₂ to 40 held-out points" in done.output
    assert "\nW₂ to 20 held-out points" in done.output


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_of_an_image_come_stipples_of_its_size_and_its_mass(interflow, tmp_path, suffix):
    shades = np.add.outer(np.arange(24), np.arange(36)) * 4
    Image.fromarray(shades.astype(np.uint8)).save(tmp_path / f"photo.{suffix}")
    done = interflow("fit", f"photo.{suffix}", "--points", "30", "--out", "here", *SMALL)
    assert done.exit_code == 0, done.output
    names = {file.name for file in (tmp_path / "here").iterdir()}
    report = "report.jpg" if suffix == "png" else "report.png"  # fitted.png is to be the only PNG
    assert names == {f"fitted.{suffix}", "fitted.svg", report, "summary.json"}
    with Image.open(tmp_path / "here" / f"fitted.{suffix}") as picture:
        assert picture.size == (36, 24)
    assert (tmp_path / "here/fitted.svg").read_text().count("<circle") == 30


def test_columns_are_those_of_the_nearest_point(interflow, tmp_path):
    target = samples()
    write_points(tmp_path / "scan.csv", target)
    assert interflow("fit", "scan.csv", "--points", "10", "--out", "here", *SMALL).exit_code == 0
    fitted = read_points(tmp_path / "here/fitted.csv")
    distances = np.linalg.norm(fitted.positions[:, None] - target.positions[None], axis=2)
    np.testing.assert_array_equal(fitted.columns["label"], target.columns["label"][distances.argmin(1)])


@pytest.mark.parametrize("names", ["x,y,x", "X,Y,x", "x,z", "x0,x1", "x,y,mass,weight", "0,1"])
def test_a_table_comes_back_under_its_own_names(interflow, tmp_path, names):
    others = np.full((80, names.count(",") - 1), 5.0)
    rows = np.column_stack([samples().positions + 1000.0, others])
    text = "\n".join(",".join(map(str, row)) for row in rows.tolist())
    (tmp_path / "table.csv").write_text(f"{names}\n{text}\n")
    assert interflow("fit", "table.csv", "--points", "10", "--out", "here", *SMALL).exit_code == 0
    header, *_ = (tmp_path / "here/fitted.csv").read_text().splitlines()
    assert sorted(header.replace("x.1", "x").split(",")) == sorted(names.split(","))
    fitted = read_points(tmp_path / "here/fitted.csv")
    assert fitted.positions.shape == (10, 2)
    assert (np.abs(fitted.positions - 1000.0) < 5).all()


FRAMES = "".join(
    f'40\nLattice="9 0 0 0 9 0 0 0 9" Origin="{place} {place} {place}" pbc="T T T" Properties=id:I:1:pos:R:3\n'
    + "".join(f"{i} {place + i % 9} {place + i % 7} {place + i % 5}\n" for i in range(40))
    for place in (0, 100, 200)
)


@pytest.mark.parametrize(("arguments", "place"), [([], 200), (["--frame", "1"], 100), (["--frame", "-3"], 0)])
def test_of_several_frames_the_last_is_fitted_or_the_one_that_is_named(interflow, tmp_path, arguments, place):
    (tmp_path / "frames.xyz").write_text(FRAMES)
    done = interflow("fit", "frames.xyz", "--points", "5", "--out", "here", *SMALL, *arguments)
    assert done.exit_code == 0, done.output
    fitted = read_points(tmp_path / "here/fitted.xyz")
    assert (np.abs(fitted.positions - place - 4) < 9).all()
    assert fitted.columns["id"].dtype == np.int64


def test_the_cell_of_a_file_is_offered_as_the_domain_and_what_is_offered_can_be_taken(interflow, tmp_path):
    (tmp_path / "frames.xyz").write_text(FRAMES)
    offered = interflow("fit", "frames.xyz", "--points", "5", "--out", "here", *SMALL)
    (domain,) = re.findall("--set '(boundary=.*)'", offered.stderr)
    kernel = "discrepancy={kind: mmd, kernel: {kind: gaussian, sigma: 0.5}}"
    taken = interflow("fit", "frames.xyz", "--points", "5", "--out", "there", *SMALL, "--set", domain, "--set", kernel)
    assert taken.exit_code == 0, taken.output
    assert "boundary=" not in taken.stderr
    positions = read_points(tmp_path / "there/fitted.xyz").positions
    assert ((positions >= 200) & (positions <= 209)).all()


@pytest.fixture
def no_fit(monkeypatch):
    """No fit may begin."""
    monkeypatch.setattr("interflow.fitting.fit", lambda *_, **__: pytest.fail("a fit began"))


@pytest.mark.parametrize("suffix", ["ply", "las"])
def test_what_cannot_be_written_is_told_before_the_work_begins(interflow, no_fit, tmp_path, suffix):
    write_points(tmp_path / f"scan.{suffix}", samples(dimension=3))
    write_points(tmp_path / "own.csv", replace(samples(5, 3), columns={"name": np.array(list("abcde"))}))
    done = interflow("fit", f"scan.{suffix}", "--source", "own.csv", "--out", "here", *SMALL)
    assert done.exit_code == 2
    assert "`name`: got values of" in done.stderr
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("x,y\n1e200,0\n-1e200,1\n0,5\n", "coordinates that spread over 1e+200"),
        ("x,y\n1e-200,0\n0,1e-200\n0,0\n", "coordinates that spread over 6.67e-201"),
        ("x,y,weight\n1,0,1e300\n2,0,1e300\n0,0,1e300\n", "weights that sum to 3e+300"),
        ("x,y,weight\n1,0,1e-300\n2,0,1e-300\n0,0,1e-300\n", "weights that sum to 3e-300"),
        ("x,y\n1e308,0\n1e308,1\n-1e308,5\n", "coordinates that spread over"),
    ],
)
def test_numbers_that_the_arithmetic_would_lose_are_refused(interflow, no_fit, tmp_path, rows, said):
    (tmp_path / "far.csv").write_text(rows)
    done = interflow("fit", "far.csv", "--points", "2", *SMALL)
    assert done.exit_code == 2
    assert f"far.csv: got {said}" in done.stderr
    assert "the range of float32" in done.stderr


@pytest.mark.parametrize("suffix", ["csv", "las"])
def test_a_failure_at_writing_keeps_the_points_and_says_where(interflow, tmp_path, monkeypatch, suffix):
    write_points(tmp_path / f"scan.{suffix}", replace(samples(dimension=3), weights=np.ones(80)))
    kind = type(format_of(f"scan.{suffix}"))
    monkeypatch.setattr(kind, "check", lambda *_: None)

    def full(self, file, cloud, options):
        file.write_bytes(b"a part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kind, "save", full)
    done = interflow("fit", f"scan.{suffix}", "--points", "10", "--out", "here", *SMALL)
    assert done.exit_code == 1
    assert f"fitted.{suffix}: cannot write it: no space left on device" in done.stderr
    assert "kept in here/fitted.npy" in done.stderr
    assert np.load(tmp_path / "here/fitted.npy").shape == (10, 3)
    assert np.load(tmp_path / "here/fitted_weights.npy").sum() == pytest.approx(80)
    names = {file.name for file in (tmp_path / "here").iterdir()}
    assert names == {"fitted.npy", "fitted_weights.npy", "report.png", "summary.json"}


def test_coordinates_of_a_country_keep_their_digits(interflow, tmp_path):
    target = PointCloud(samples(dimension=3).positions + np.array([4.5e6, 5.1e6, 100.0]))
    write_points(tmp_path / "scan.ply", target)
    assert interflow("fit", "scan.ply", "--points", "10", "--out", "here", *SMALL).exit_code == 0
    fitted = read_points(tmp_path / "here/fitted.ply").positions
    spacing = np.unique(np.diff(np.sort(fitted[:, 0])))
    assert (np.abs(fitted - target.positions.mean(0)) < 5).all()
    assert len(spacing) > 5


def test_the_summary_says_how_it_was_made_and_how_good_it_is(interflow, tmp_path):
    write_points(tmp_path / "scan.csv", samples())
    assert interflow("fit", "scan.csv", "--points", "10", "--out", "here", *SMALL).exit_code == 0
    summary = json.loads((tmp_path / "here/summary.json").read_text())
    assert (summary["points"], summary["target_points"], summary["steps"]) == (10, 64, 4)
    assert summary["stopped"] == "4 steps were made"
    assert summary["held_out"]["points"] == 16
    for who in ("fitted", "independent_sample"):
        assert summary["held_out"][who]["sliced_w2"] > 0
    assert [sums["backend"] for sums in summary["sums"]] == ["dense"]
    assert summary["sums"][0]["count"] > summary["steps"]
    assert summary["config"]["descent"]["steps"] == 4


def test_a_config_says_how(interflow, tmp_path):
    write_points(tmp_path / "scan.csv", samples())
    (tmp_path / "how.yaml").write_text(
        "points: 7\nbackend: {kind: dense}\ndiscrepancy: {kind: mmd, kernel: {kind: gaussian, sigma: 0.3}}\n"
        "integrator: {kind: optimizer, name: adam, learning_rate: 0.05}\n"
        "descent: {steps: 6, bandwidth_factors: [4, 1], noise: 0.1, batch_size: 20, init: box}\n"
    )
    done = interflow("fit", "scan.csv", "--config", "how.yaml", "--out", "here")
    assert done.exit_code == 0, done.output
    assert len(read_points(tmp_path / "here/fitted.csv")) == 7


@pytest.mark.parametrize(
    "discrepancy",
    [
        "{kind: sinkhorn, blur: 0.2, scaling: 0.3}",
        "{kind: sliced_wasserstein, projections: 16}",
        "{kind: mmd, kernel: {kind: laplacian, sigma: 0.5}}",
        "{kind: energy_distance}",
    ],
)
def test_discrepancies_are_chosen_by_name(interflow, tmp_path, discrepancy):
    write_points(tmp_path / "scan.csv", samples())
    asked = ["--set", f"discrepancy={discrepancy}", "--set", "descent.steps=30", "--set", "descent.init=box"]
    done = interflow("fit", "scan.csv", "--points", "10", "--out", "here", *asked, "--set", "backend.kind=dense")
    assert done.exit_code == 0, done.output
    losses = json.loads((tmp_path / "here/summary.json").read_text())["losses"]
    assert losses[-1] < 0.5 * losses[0]


def test_points_of_one_s_own_are_moved_and_keep_their_columns(interflow, tmp_path):
    write_points(tmp_path / "scan.csv", samples())
    own = PointCloud(samples(12).positions + 3.0, columns={"name": np.array([f"p{index}" for index in range(12)])})
    write_points(tmp_path / "own.npz", own)
    asked = ["--set", "descent.steps=30", "--set", "backend.kind=dense"]
    done = interflow("fit", "scan.csv", "--source", "own.npz", "--out", "here", *asked)
    assert done.exit_code == 0, done.output
    fitted = read_points(tmp_path / "here/fitted.csv")
    assert fitted.columns["name"].tolist() == own.columns["name"].tolist()
    assert np.linalg.norm(fitted.positions.mean(0) - samples().positions.mean(0)) < 0.5


def test_the_progress_tells_loss_distance_and_time_left(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    with progress(FitSettings(steps=40), quiet=False) as show:
        show(FitRecord(10, 1.0, 0.5), 0.25)
    assert "25 %" in screen.getvalue()
    assert re.search(r"\d\d:\d\d left, step 10 of 40, loss 0\.5, held-out sliced W₂ 0\.25", screen.getvalue())


def test_the_progress_of_a_fit_with_a_time_limit_is_that_of_its_time(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    with progress(FitSettings(steps=1000, max_seconds=4.0), quiet=False) as show:
        show(FitRecord(10, 3.0, 0.5), 0.25)
    assert "75 %" in screen.getvalue()


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(interflow, tmp_path):
    write_points(tmp_path / "scan.csv", samples())
    with small_disk(tmp_path / "disk") as disk:
        (disk / "filler").write_bytes(bytes(SIZE))
        done = interflow("fit", "scan.csv", "--points", "5", "--out", "disk/here", *SMALL)
        assert [path.name for path in disk.iterdir()] == ["filler"]
    assert done.exit_code == 1, done.output
    assert "disk/here: cannot write the fit: no space left on device" in done.stderr
    assert "Traceback" not in done.output


def test_a_disk_that_holds_all_but_the_report_keeps_the_fit_and_says_so(interflow, tmp_path):
    write_points(tmp_path / "scan.csv", samples())
    with small_disk(tmp_path / "disk") as disk:
        (disk / "filler").write_bytes(bytes(SIZE - 20_000))
        done = interflow("fit", "scan.csv", "--points", "5", "--out", "disk/here", *SMALL)
        assert sorted(path.name for path in (disk / "here").iterdir()) == ["fitted.csv", "summary.json"]
    assert done.exit_code == 1, done.output
    assert "The fit is whole, but its report is not drawn" in done.stderr
    assert "Traceback" not in done.output


def test_quiet_prints_the_path_alone(interflow, tmp_path):
    write_points(tmp_path / "scan.csv", samples())
    done = interflow("fit", "scan.csv", "--points", "5", "--out", "here", "--quiet", *SMALL)
    assert (done.stdout, done.stderr) == ("here\n", "")


def test_the_folder_is_named_after_the_target_and_the_time(interflow, tmp_path):
    write_points(tmp_path / "scan.csv", samples())
    for _ in range(2):
        assert interflow("fit", "scan.csv", "--points", "5", *SMALL).exit_code == 0
    assert [folder.name.startswith("scan-") for folder in (tmp_path / "fits").iterdir()] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.csv"], "missing.csv: got no such file"),
        (["scan.doc"], "the suffix '.doc'"),
        (["bad.csv"], "bad.csv, row 2: got 'b', wanted a finite number"),
        (["scan.csv", "--points", "0"], "--points"),
        (["scan.csv", "--set", "descent.stops=1"], "Did you mean `steps`?"),
        (["scan.csv", "--set", "descent.steps=-1"], "descent.steps: got -1"),
        (["scan.csv", "--set", "reading.gamma=0"], "reading"),
        (["scan.csv", "--set", "descent.noise=-1"], "descent.noise"),
        (["scan.csv", "--set", "descent.bandwidth_factors=[2, 1]"], "bandwidth_factors"),
        (["scan.csv", "--config", "missing.yaml"], "missing.yaml"),
        (["scan.csv", "--source", "space.csv"], "space.csv: got 3 coordinates a point, wanted 2"),
        (["scan.csv", "--source", "scan.csv", "--points", "3"], "--source brings its own points"),
        (["scan.csv", "--out", "taken"], "taken, a path that exists"),
        (["scan.csv", "--out", "link"], "link, a path that exists"),
        (["scan.csv", "--out", "scan.csv/fit"], "a folder that can be made"),
    ],
)
def test_bad_input_is_told_in_few_lines_with_exit_code_2(interflow, tmp_path, arguments, said):
    write_points(tmp_path / "scan.csv", samples())
    (tmp_path / "space.csv").write_text("1,2,3\n")
    (tmp_path / "bad.csv").write_text("1,2\n3,b\n")
    (tmp_path / "taken").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    before = sorted(tmp_path.iterdir())
    done = interflow("fit", *arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert len(done.stderr.splitlines()) <= 4
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "fits"] == before


@pytest.mark.parametrize("target", ["x\n1\n", "x,y\n1,2\n", "x,y,weight\n1,2,1\n3,4,0\n"])
def test_where_nothing_can_be_held_out_nothing_is_judged_and_no_nan_is_told(interflow, tmp_path, monkeypatch, target):
    monkeypatch.setattr("tqdm.auto.tqdm", lambda **options: tqdm(**{**options, "disable": False}))
    (tmp_path / "one.csv").write_text(target)
    done = interflow("fit", "one.csv", "--points", "5", "--out", "here", *SMALL)
    assert done.exit_code == 0, done.output
    assert "step 4 of 4" in done.output
    assert "nan" not in done.output
    assert "held-out" not in done.output
    summary = json.loads((tmp_path / "here/summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["held_out"]["points"] == 0
    assert (tmp_path / "here/report.png").exists()
