"""The view in a notebook: the same scripts, given their bytes by a kernel."""

from __future__ import annotations

import base64
import sys

import pytest

import interflow as fl
from tests.views.page.conftest import Shown
from tests.views.page.runs import noise

SHOW = """async ({ esm, css, about, buffers }) => {
    const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const [frames, column] = [buffers.frames, buffers.column].map((texts) => texts.map(bytes));
    const model = { get: (name) => ({ about, frames, column, library: bytes(buffers.library) })[name] };
    document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
    const code = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
    window.end = await code.default.render({ model, el: document.getElementById("cell") });
}"""


def text(data):
    return base64.b64encode(data).decode()


def test_the_widget_shows_the_run_and_goes_away_again(browser):
    widget = fl.views.widget(noise(4, 500, 2, moving=True), title="in a notebook")
    shown = Shown(browser, "about:blank")
    shown.page.set_content("<div id='cell'></div>")
    buffers = {
        "library": text(widget.library),
        **{name: list(map(text, getattr(widget, name))) for name in ("frames", "column")},
    }
    state = {"esm": str(widget._esm), "css": str(widget._css), "about": dict(widget.about), "buffers": buffers}
    shown.page.evaluate(SHOW, state)
    shown.wait("document.querySelector('.clock').textContent.includes('step 0')")
    before = shown.page.locator("#cell").screenshot()
    shown.page.locator("canvas").first.click()
    shown.key("End")
    shown.wait("document.querySelector('.clock').textContent.includes('step 3')")
    shown.page.wait_for_timeout(500)
    assert shown.page.locator("#cell").screenshot() != before
    assert shown.page.locator("h1").inner_text() == "in a notebook"
    shown.do("window.end()")
    assert [error for error in shown.errors if "favicon" not in error] == []
    shown.page.close()


def test_without_anywidget_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(fl.MissingPackageError, match=r"pip install 'interflow-particles\[page\]'"):
        fl.views.widget(noise(2, 10, 2))
