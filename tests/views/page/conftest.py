"""Pages in headless Chromium, which draws WebGL in software."""

from __future__ import annotations

import base64
import io
import shutil
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image

from interflow.views.page import write_page

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
DRAWN = "() => (viewer.stage.renderer.render(viewer.stage.scene, viewer.stage.camera), viewer.stage.canvas.toDataURL())"
SIZE = {"width": 900, "height": 700}


@pytest.fixture(scope="package")
def browser():
    """The browser, with a profile of its own; the tests skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed: no browser to look at pages with")
    with playwright.sync_playwright() as session:
        browser = session.chromium.launch(executable_path=program, args=list(OPTIONS))
        yield browser
        browser.close()


class Shown:
    """A page in the browser, and what it complained about and asked the network for."""

    def __init__(self, browser, address):
        self.page = browser.new_page(viewport=SIZE)
        self.errors, self.requests = [], []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)

    def wait(self, condition):
        self.page.wait_for_function(condition, timeout=30_000)

    def loaded(self):
        """Wait until every frame is decoded and the cloud stands still, whole."""
        self.wait("window.viewer && viewer.run.known() === viewer.run.times.length")
        return self.still()

    def still(self):
        self.wait(
            "viewer.drawn === viewer.run.count && !viewer.playing && !viewer.stage.moving && !viewer.stage.waiting"
        )
        return self

    def do(self, script):
        """What a script of the page gives."""
        return self.page.evaluate(script)

    def key(self, name):
        self.page.keyboard.press(name)

    def slide(self, frame):
        """Move the time slider, as a pointer does."""
        self.page.locator("input.time").fill(str(frame))
        self.still()

    def pixels(self):
        """What is drawn on the stage, as ``(height, width, 3)`` integers."""
        data = self.do(DRAWN).partition(",")[2]
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        return np.asarray(picture.convert("RGB"), dtype=int)


@pytest.fixture
def show(browser, tmp_path):
    """Writes the page of a run, opens it, and in the end looks that it complained of nothing and loaded nothing."""
    with ExitStack() as stack:

        def open_page(solution, **options):
            file = write_page(solution, tmp_path / "page.html", **options)
            shown = Shown(browser, file.as_uri())
            stack.callback(shown.page.close)
            stack.callback(check, shown, file)
            return shown.loaded()

        yield open_page


def check(shown, file):
    assert shown.errors == []
    assert shown.requests == [file.as_uri()]
