"""The browser page of a run: its size, how soon it shows the cloud, and how fluid it is.

In headless Chromium with software WebGL, at 1280 × 800 pixels. The motion is noise, which packs worst: every particle
walks at random. The slider is moved by one frame whenever the page is ready to draw. The clock stops when a pixel of
the last drawing has been read back, so that no drawing counts that is not done.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.tables import Table, count, number
from interflow import PeriodicBoundary, State
from interflow.run import MemorySolution
from interflow.views import write_page

SIZES = (100_000, 1_000_000)
FRAMES = 50
STEP = 0.02
SECONDS = 4.0
NOTE = (
    f"Runs of {FRAMES} frames whose particles walk at random on the unit torus, {STEP:g} a frame on each axis. `first "
    "cloud` is the time from the request of the page to the first drawing that can be read back, `all frames` until "
    "the last is decoded, medians of three. `frames/s` is how often the slider moves the cloud: with all points drawn "
    "(`full`), with as many as stay fluid (`adaptive`), and so with a core taken by another process; `rest` is the "
    "time that a drawing of all points takes."
)
HEADERS = (
    "N",
    "d",
    "MB",
    "bits",
    "frames",
    "written, s",
    "first cloud, s",
    "all frames, s",
    "frames/s, full",
    "frames/s, adaptive",
    "points drawn",
    "frames/s, a core taken",
    "points drawn",
    "rest, s",
)
OPTIONS = ("--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
FIRST = "window.firstAt"
WATCH = """
const watch = () => {
  if (window.viewer?.draws && !window.firstAt && viewer.run.known()) {
    const { renderer } = viewer.stage, gl = renderer.getContext();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    window.firstAt = performance.now();
  } else if (!window.firstAt) requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
"""
SLIDE = """async ([seconds, whole]) => {
  const { stage, slider } = viewer, gl = stage.renderer.getContext();
  const frame = () => new Promise((next) => requestAnimationFrame(next));
  const done = () => gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  let points = 0;
  const slide = async (until) => {
    while (performance.now() < until) {
      if (whole) stage.share = 1;
      slider.value = (Number(slider.value) + 1) % (Number(slider.max) + 1);
      slider.dispatchEvent(new Event("input"));
      await frame();
      points += viewer.drawn;
    }
    done();
  };
  await slide(performance.now() + 1500);
  const before = viewer.draws, start = performance.now();
  points = 0;
  await slide(start + 1000 * seconds);
  const drawings = viewer.draws - before;
  return [(1000 * drawings) / (performance.now() - start), points / drawings];
}"""
REST = """() => {
  const { stage } = viewer, gl = stage.renderer.getContext(), start = performance.now();
  stage.points.geometry.setDrawRange(0, viewer.run.count);
  stage.renderer.render(stage.scene, stage.camera);
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  return (performance.now() - start) / 1000;
}"""


def table(sizes: Sequence[int], device: torch.device) -> Table:
    """A row for each number of particles, in the plane and in space."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise SystemExit("page: no Chromium is installed")
    return Table("The page of a run in a browser", NOTE, HEADERS, _rows(sizes, program))


def _rows(sizes: Sequence[int], program: str) -> Iterator[list[str]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as session, tempfile.TemporaryDirectory() as folder:
        browser = session.chromium.launch(executable_path=program, args=list(OPTIONS))
        for size in sizes:
            for axes in (2, 3):
                yield _row(browser, Path(folder), size, axes)
        browser.close()


def _row(browser: Any, folder: Path, size: int, axes: int) -> list[str]:
    solution = _noise(size, axes)
    start = time.perf_counter()
    file = write_page(solution, folder / "page.html")
    written = time.perf_counter() - start
    openings = [_opened(browser, file) for _ in range(3)]
    page = openings[-1][0]
    for other, *_ in openings[:-1]:
        other.close()
    first, everything = (sorted(opening[i] for opening in openings)[1] for i in (1, 2))
    full, _ = page.evaluate(SLIDE, [SECONDS, True])
    adaptive, points = page.evaluate(SLIDE, [SECONDS, False])
    with _a_core_taken():
        busy, fewer = page.evaluate(SLIDE, [SECONDS, False])
    rest = page.evaluate(REST)
    run = page.evaluate("[viewer.run.bits, viewer.run.times.length]")
    page.close()
    return [
        count(size),
        str(axes),
        f"{file.stat().st_size / 1e6:.1f}",
        str(run[0]),
        f"{run[1]} of {FRAMES}",
        *map(number, (written, first, everything, full, adaptive)),
        count(round(points)),
        number(busy),
        count(round(fewer)),
        number(rest),
    ]


def _opened(browser: Any, file: Path) -> tuple[Any, float, float]:
    """A page, and the seconds until its first cloud and until its last frame."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(WATCH)
    page.goto(file.as_uri(), wait_until="commit")
    page.wait_for_function(FIRST, timeout=120_000)
    page.wait_for_function("viewer.run.known() === viewer.run.times.length", timeout=120_000)
    everything = page.evaluate("performance.now()") / 1000
    first = page.evaluate(FIRST) / 1000
    page.wait_for_timeout(1500)
    return page, first, everything


def _noise(size: int, axes: int) -> MemorySolution:
    generator = torch.Generator().manual_seed(0)
    cloud = torch.rand(size, axes, generator=generator)
    clouds = [cloud]
    for _ in range(FRAMES - 1):
        clouds.append((clouds[-1] + STEP * torch.randn(cloud.shape, generator=generator)).remainder(1.0))
    times = torch.linspace(0.0, 1.0, FRAMES, dtype=torch.float64)
    weights = torch.full((size,), 1.0 / size)
    return MemorySolution(
        positions=torch.stack(clouds),
        velocities=None,
        weights=weights,
        times=times,
        steps=torch.arange(FRAMES),
        scalars={"energy": torch.exp(-times)},
        stats={},
        final=State(positions=clouds[-1], weights=weights, velocities=None, time=times[-1], step=FRAMES - 1),
        extent=PeriodicBoundary(1.0).extent(axes),
    )


@contextmanager
def _a_core_taken() -> Iterator[None]:
    """Another process computes all the while."""
    process = multiprocessing.get_context("spawn").Process(target=_compute, daemon=True)
    process.start()
    time.sleep(0.5)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _compute() -> None:
    while True:
        sum(range(100_000))
