"""What the page relies on in the bundle of k3d, which does not document it."""

from __future__ import annotations

import json
import zlib

from interflow.views.page.document import html_page
from interflow.views.page.scene import bundle

PARTS = (
    "BufferAttribute",
    "BufferGeometry",
    "Color",
    "ColorManagement",
    "DataTexture",
    "Float32BufferAttribute",
    "Group",
    "LineBasicMaterial",
    "LineSegments",
    "OrbitControls",
    "OrthographicCamera",
    "PerspectiveCamera",
    "Points",
    "Scene",
    "ShaderMaterial",
    "Vector3",
    "WebGLRenderer",
)


def test_the_bundle_of_k3d_names_what_is_taken_from_it():
    script = zlib.decompress(bundle())
    assert script.startswith(b"/*!")
    assert all(name in script for name in (b"define(", b"ThreeJsProvider", b"OrbitControls", b"cameraUpAxis"))


def test_the_bundle_of_k3d_exposes_three_js(browser, tmp_path):
    page = html_page({}, "", entry_point="(root) => root")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    tab = browser.new_page()
    tab.goto((tmp_path / "page.html").as_uri())
    missing = tab.evaluate(
        "async (parts) => { const THREE = await threeFrom(fromBase64(document.getElementById('library').textContent));"
        " return parts.filter((part) => !(part in THREE)); }",
        list(PARTS),
    )
    tab.close()
    assert missing == [], f"k3d's bundle no longer has ThreeJsProvider.THREE with {json.dumps(missing)}"
