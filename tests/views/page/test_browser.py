"""The page of a run, looked at in a browser."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from interflow import OpenBoundary
from interflow.views.page import write_page
from interflow.views.page.packing import BITS, decode
from interflow.views.page.scene import scene
from tests.views.page.conftest import Shown
from tests.views.page.runs import noise, run

PLACE = """([x, y]) => {
    const { stage } = viewer, at = stage.group.localToWorld(new stage.THREE.Vector3(x, y, 0.5)).project(stage.camera);
    return [(at.x + 1) / 2 * stage.canvas.clientWidth, (1 - at.y) / 2 * stage.canvas.clientHeight];
}"""


def ink(shown):
    """The middle of all coloured pixels, ``(x, y)``."""
    pixels = shown.pixels()
    rows, columns = np.nonzero(pixels.max(-1) - pixels.min(-1) > 60)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_slider_moves_the_points_and_brings_them_back(show, axes):
    shown = show(noise(6, 300, axes, scale=0.2))
    pictures = []
    for frame in (0, 5, 0):
        shown.slide(frame)
        pictures.append(shown.pixels())
    assert (pictures[0] != pictures[1]).any(-1).mean() > 0.01
    np.testing.assert_array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize("bits", [11, 14])
def test_a_particle_is_drawn_where_it_is(show, monkeypatch, bits):
    monkeypatch.setitem(BITS, 2, (bits, bits))
    places = [[0.2, 0.3], [0.7, 0.9], [0.5, 0.5]]
    shown = show(run([[place] for place in places]))
    for frame, place in enumerate(places):
        shown.slide(frame)
        np.testing.assert_allclose(ink(shown), shown.page.evaluate(PLACE, place), atol=1.5)


@pytest.mark.parametrize("bits", [12, 16])
def test_on_a_line_the_height_of_a_particle_is_its_rank_at_the_start(show, monkeypatch, bits):
    monkeypatch.setitem(BITS, 1, (bits, bits))
    shown = show(run([[[0.2]], [[0.7]]]))
    shown.slide(1)
    np.testing.assert_allclose(ink(shown), shown.page.evaluate(PLACE, [0.7, 0.5]), atol=1.5)


def test_between_frames_a_particle_takes_the_shorter_way_across_the_seam(show):
    shown = show(run([[[0.9, 0.5]], [[0.3, 0.5]]]))
    shown.do("viewer.go(0.75)")
    np.testing.assert_allclose(ink(shown), shown.page.evaluate(PLACE, [0.2, 0.5]), atol=1.5)


def test_between_frames_a_particle_of_open_space_takes_the_straight_way(show):
    shown = show(run([[[0.9, 0.5]], [[0.1, 0.1]]], boundary=OpenBoundary()))
    shown.do("viewer.go(0.25)")
    lower, upper = (np.array(shown.do(f"viewer.run.{corner}")) for corner in ("lower", "upper"))
    share = (np.array([0.7, 0.4]) - lower) / (upper - lower)
    np.testing.assert_allclose(ink(shown), shown.page.evaluate(PLACE, share.tolist()), atol=1.5)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_browser_decodes_what_was_packed(show, axes):
    solution = noise(5, 257, axes, moving=True)
    shown, packed = show(solution), scene(solution, 1e6)
    for values, count, bits, blobs, predictions in (
        ("cells", axes, packed.about["bits"], packed.frames, packed.about["predictions"]),
        ("column", 1, packed.about["column"]["bits"], packed.column, packed.about["column"]["predictions"]),
    ):
        wanted = decode(zip(predictions, blobs, strict=True), (257, count), bits)
        for frame, cells in enumerate(wanted):
            assert shown.do(f"Array.from(viewer.run.frames[{frame}].{values})") == cells.ravel().tolist()


def test_play_goes_on_to_the_end_and_again_from_the_start(show):
    shown = show(noise(6, 300, 2))
    before = shown.pixels()
    shown.do("viewer.hasten(3)")
    shown.page.locator("button.play").click()
    shown.wait("viewer.position > 1")
    assert shown.do("viewer.playing")
    shown.wait("!viewer.playing")
    assert shown.do("viewer.position") == 5
    shown.still()
    assert (shown.pixels() != before).any()
    shown.key("Space")
    shown.wait("viewer.playing && viewer.position < 5")


def test_the_keyboard_does_what_the_page_says_of_it(show):
    shown = show(noise(6, 300, 2))
    said = shown.page.locator(".keys").inner_text()
    states = {
        "ArrowRight": ("viewer.position", 1),
        "End": ("viewer.position", 5),
        "ArrowLeft": ("viewer.position", 4),
        "Home": ("viewer.position", 0),
        "ArrowUp": ("viewer.speed", 4),
        "ArrowDown": ("viewer.speed", 3),
        "+": ("viewer.stage.enlargement > 1", True),
        "-": ("viewer.stage.enlargement", 1),
        "c": ("viewer.colouring.key", "speed"),
        "b": ("viewer.stage.box.visible", False),
        "m": ("viewer.smooth", False),
        "l": ("viewer.loop", True),
        "d": ("viewer.root.classList.contains('dark')", True),
        "Space": ("viewer.playing", True),
    }
    for key, (state, value) in states.items():
        shown.key(key)
        assert shown.do(state) == value, key
    for word in ("Space", "← →", "Home End", "↑ ↓", "+ −", *"CBMLDR"):
        assert word in said
    shown.key("Space")


def test_the_keyboard_works_while_the_slider_has_the_focus(show):
    shown = show(noise(6, 300, 2))
    shown.page.locator("input.time").focus()
    shown.key("ArrowRight")
    assert shown.do("viewer.position") == 1


def test_dragging_pans_a_flat_cloud_and_r_brings_it_back(show):
    shown = show(run([[[0.5, 0.5]]]))
    before = ink(shown)
    shown.page.mouse.move(200, 200)
    shown.page.mouse.down()
    shown.page.mouse.move(260, 230, steps=3)
    shown.page.mouse.up()
    shown.still()
    np.testing.assert_allclose(ink(shown) - before, [60, 30], atol=2)
    shown.key("r")
    shown.still()
    np.testing.assert_allclose(ink(shown), before, atol=0.5)


def test_the_wheel_zooms_to_what_is_under_the_pointer(show):
    shown = show(run([[[0.3, 0.6]]]))
    place = shown.page.locator(".stage > canvas").bounding_box()
    before = ink(shown)
    shown.page.mouse.move(place["x"] + before[0], place["y"] + before[1])
    shown.page.mouse.wheel(0, -400)
    shown.wait("viewer.stage.camera.zoom > 1.5")
    shown.still()
    np.testing.assert_allclose(ink(shown), before, atol=2)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_hundred_thousand_points_render(show, axes):
    shown = show(noise(2, 100_000, axes))
    assert shown.do("viewer.drawn") == 100_000
    pixels = shown.pixels()
    assert (pixels.max(-1) - pixels.min(-1) > 30).mean() > 0.05


def test_what_moves_is_drawn_in_part_however_late_the_machine_is(show):
    shown = show(noise(3, 20_000, 2))
    late = """async () => {
        const drawn = [];
        for (const frame of [1, 2]) {
            viewer.go(frame);
            for (const end = performance.now() + 500; performance.now() < end; );
            await new Promise((next) => requestAnimationFrame(next));
            drawn.push(viewer.drawn);
        }
        return drawn;
    }"""
    shown.do("viewer.stage.share = 0.9")
    assert shown.do(late) == [18_000, 10_000]
    assert shown.still().do("viewer.drawn") == 20_000


def test_each_colouring_paints_the_cloud_anew(show):
    shown = show(noise(4, 2000, 2, moving=True))
    pictures = []
    for name in ("time", "speed |v|", "local density", "initial position"):
        shown.page.locator(".panel select").select_option(label=name)
        shown.still()
        pictures.append(shown.pixels())
    for earlier, later in pairwise(pictures):
        assert (earlier != later).any(-1).mean() > 0.01


def test_time_is_blue_at_the_start_and_red_at_the_end(show):
    shown = show(run([[[0.5, 0.5]]] * 3))
    for frame, colour in enumerate([(0, 0, 255), (128, 0, 127), (255, 0, 0)]):
        shown.slide(frame)
        x, y = ink(shown).round().astype(int)
        red, green, blue = shown.pixels()[y, x]
        opacity = 1.0 - green / 255.0  # on white, where the colour has no green
        np.testing.assert_allclose([red, blue], 255 * (1 - opacity) + opacity * np.array(colour)[[0, 2]], atol=3)


def test_speeds_are_those_of_the_motion_between_frames(show):
    solution = noise(4, 50, 2)
    shown = show(solution)
    order = shown.do("viewer.colourings[1].key")
    assert order == "speed"
    way = solution.extent.shortest(solution.positions[2], solution.positions[1])
    speeds = np.sort(way.norm(dim=1).numpy() / 0.1)
    shown_speeds = np.sort(shown.do("Array.from(speedOf(viewer.run)(2))"))
    np.testing.assert_allclose(shown_speeds, speeds, atol=0.002)


def test_the_density_of_even_points_is_their_mean_and_that_of_a_cluster_is_not(show):
    side = np.linspace(0, 1, 64, endpoint=False) + 1 / 128
    even = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    clustered = np.concatenate([even[:2048], np.full((2048, 2), 0.9)])
    shown = show(run(np.stack([even, clustered])))
    flat = np.array(shown.do("Array.from(densityOf(viewer.run)(0))"))
    np.testing.assert_allclose(flat, 0.0, atol=0.6)
    assert max(shown.do("Array.from(densityOf(viewer.run)(1))")) > 5


def test_a_browser_that_cannot_draw_says_so(browser, tmp_path):
    file = write_page(noise(2, 10, 2), tmp_path / "page.html")
    shown = Shown(browser, "about:blank")
    shown.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    shown.page.goto(file.as_uri())
    shown.wait("document.querySelector('.waiting').textContent.includes('cannot show')")
    shown.page.close()


@pytest.mark.parametrize("title", ["</script><script>window.hacked = 1</script>", "<!-- <script>", "a & b <i>"])
def test_a_name_stays_text(show, title):
    shown = show(noise(2, 10, 2), title=title, config=title)
    assert shown.page.locator("h1").inner_text() == title
    assert shown.page.title() == title
    assert shown.page.locator("pre").text_content() == title
    assert shown.do("window.hacked") is None


def test_the_curve_marks_the_energy_of_the_frame_and_a_click_goes_there(show):
    shown = show(run(np.full((5, 3, 2), 0.5), energies=[4.0, 3.0, float("nan"), 1.5, 1.0]))
    shown.slide(3)
    assert shown.page.locator(".value").inner_text() == "1.5"
    box = shown.page.locator("svg.energy").bounding_box()
    shown.page.mouse.click(box["x"] + 0.26 * box["width"], box["y"] + 10)
    assert shown.do("viewer.position") == 1
    assert shown.page.locator(".value").inner_text() == "3"


@pytest.mark.parametrize(
    "positions", [np.zeros((1, 1, 2)), np.zeros((3, 0, 2)), np.zeros((2, 4, 3)), np.zeros((2, 4, 1))]
)
def test_clouds_without_extent_or_particles_show(show, positions):
    shown = show(run(positions, boundary=OpenBoundary()))
    assert shown.do("viewer.drawn") == positions.shape[1]
