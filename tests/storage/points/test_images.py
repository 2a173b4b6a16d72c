"""Pixels are a measure: their mass is that of the ink, and points are drawn with the mass that they carry."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from interflow.errors import PointFileError
from interflow.storage.points import PointCloud, PointReadOptions, read_points, write_points
from interflow.storage.points.image import write_svg


def photo(folder, shades, name="photo.png"):
    Image.fromarray(np.asarray(shades, np.uint8)).save(folder / name)
    return folder / name


def test_a_black_pixel_is_a_point_of_mass_one_at_its_centre(tmp_path):
    shades = np.full((3, 5), 255)
    shades[2, 1] = 0
    cloud = read_points(photo(tmp_path, shades))
    assert cloud.positions.tolist() == [[1.5, 2.5]]
    assert cloud.weights.tolist() == [1.0]
    assert cloud.canvas == (5, 3)


@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_dark_and_light_ink_share_the_mass(tmp_path, gamma):
    file = photo(tmp_path, np.arange(256).reshape(16, 16))
    dark, light = (read_points(file, PointReadOptions(ink=ink, gamma=gamma)) for ink in ("dark", "light"))
    assert dark.mass + light.mass == pytest.approx(256, abs=1e-2)
    assert light.mass == pytest.approx(((np.arange(256) / 255) ** gamma).sum(), rel=1e-6)


def test_a_large_image_is_reduced_and_keeps_its_mass_and_its_coordinates(tmp_path):
    shades = np.zeros((40, 80))
    file = photo(tmp_path, shades)
    cloud = read_points(file, PointReadOptions(pixels=200))
    assert len(cloud) == 200
    assert cloud.mass == pytest.approx(3200)
    assert cloud.canvas == (80, 40)
    np.testing.assert_allclose(cloud.positions.mean(0), [40, 20])


def test_what_is_transparent_is_paper(tmp_path):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0, 3] = 255
    assert len(read_points(photo(tmp_path, pixels))) == 1


DISCS = {
    "RGBA": lambda inside: Image.fromarray(np.dstack([255 * inside] * 4).astype(np.uint8)),
    "white RGBA": lambda inside: Image.fromarray(np.dstack([0 * inside + 255] * 3 + [255 * inside]).astype(np.uint8)),
    "LA": lambda inside: Image.fromarray(np.dstack([255 * inside] * 2).astype(np.uint8)),
    "P": lambda inside: Image.fromarray((255 * inside).astype(np.uint8)).convert("P"),
    "L": lambda inside: Image.fromarray((255 * inside).astype(np.uint8)),
    "RGB": lambda inside: Image.fromarray(np.dstack([255 * inside] * 3).astype(np.uint8)),
    "1": lambda inside: Image.fromarray(inside),
    "I;16": lambda inside: Image.fromarray((65535 * inside).astype(np.uint16)),
}


@pytest.mark.parametrize("pixels", [1_000_000, 256])
@pytest.mark.parametrize("reading", [{}, {"ink": "light"}])
@pytest.mark.parametrize("mode", DISCS)
def test_a_white_disc_on_transparent_ground_is_the_ink(tmp_path, mode, reading, pixels):
    inside = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 12
    key = {} if mode.endswith("A") else {"transparency": (0, 0, 0) if mode == "RGB" else 0}
    DISCS[mode](inside).save(tmp_path / "disc.png", **key)
    cloud = read_points(tmp_path / "disc.png", PointReadOptions(**reading, pixels=pixels))
    assert (np.hypot(*(cloud.positions.T - 32)) < (12 if pixels > 256 else 15)).all()
    assert cloud.mass == pytest.approx(inside.sum(), rel=0.02)


def test_what_is_half_transparent_weighs_half(tmp_path):
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, :, 3] = (255, 51)
    assert read_points(photo(tmp_path, pixels)).weights.tolist() == pytest.approx([1.0, 0.2])


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_read_as_it_is_to_be_seen(tmp_path, suffix, orientation):
    seen = np.full((24, 16), 255, np.uint8)
    seen[:8, :8] = 0
    back = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    upright = Image.fromarray(seen)
    upright.getexif()[0x0112] = back
    stored = ImageOps.exif_transpose(upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"photo.{suffix}", exif=exif)
    cloud = read_points(tmp_path / f"photo.{suffix}", PointReadOptions(gamma=1.0))
    assert cloud.canvas == (16, 24)
    np.testing.assert_allclose(np.average(cloud.positions, axis=0, weights=cloud.weights), [4, 4], atol=0.05)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "EPS", "PPM", "WEBP", "ICO"])
def test_other_images_under_these_names_are_refused(tmp_path, suffix, kind):
    Image.new("RGB", (16, 16)).save(tmp_path / f"photo.{suffix}", format=kind)
    with pytest.raises(PointFileError, match="neither PNG nor JPEG"):
        read_points(tmp_path / f"photo.{suffix}")


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "jpg"), ("JPEG", "png")])
def test_png_and_jpeg_are_told_apart_by_what_they_hold(tmp_path, kind, suffix):
    Image.new("L", (4, 4)).save(tmp_path / f"photo.{suffix}", format=kind)
    assert len(read_points(tmp_path / f"photo.{suffix}")) == 16


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_limit_of_pixels_is_our_own(tmp_path, monkeypatch, suffix):
    Image.new("L", (40, 40)).save(tmp_path / f"photo.{suffix}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert len(read_points(tmp_path / f"photo.{suffix}")) == 1600


def test_a_deep_image_has_the_brightness_of_its_shallow_one(tmp_path):
    shades = np.arange(64, dtype=np.uint16).reshape(8, 8) * 4
    Image.fromarray((shades * 257).astype(np.uint16)).save(tmp_path / "deep.png")
    deep, shallow = read_points(tmp_path / "deep.png"), read_points(photo(tmp_path, shades))
    np.testing.assert_allclose(deep.weights, shallow.weights, rtol=1e-4)


def test_an_image_without_ink_says_so(tmp_path):
    with pytest.raises(PointFileError, match="Take the other ink"):
        read_points(photo(tmp_path, np.full((4, 4), 255)))


def test_colours_are_columns(tmp_path):
    pixels = np.zeros((1, 2, 3), np.uint8)
    pixels[0, 1] = (10, 20, 30)
    columns = read_points(photo(tmp_path, pixels)).columns
    assert [columns[name].tolist() for name in ("red", "green", "blue")] == [[0, 10], [0, 20], [0, 30]]


@pytest.mark.parametrize("ink", ["dark", "light"])
def test_drawn_points_cover_as_much_as_they_weigh(tmp_path, ink):
    reading = PointReadOptions(ink=ink, gamma=1.0)
    dots = PointCloud(np.array([[20.3, 20.6], [60.0, 40.0]]), weights=np.array([100.0, 50.0]), canvas=(80, 60))
    write_points(tmp_path / "dots.png", dots, reading)
    assert read_points(tmp_path / "dots.png", reading).mass == pytest.approx(150, rel=0.02)


def test_drawn_points_stand_where_they_are(tmp_path):
    dots = PointCloud(np.array([[20.3, 40.6]]), weights=np.array([60.0]), canvas=(80, 60))
    write_points(tmp_path / "dots.png", dots)
    back = read_points(tmp_path / "dots.png", PointReadOptions(gamma=1.0))
    np.testing.assert_allclose(np.average(back.positions, axis=0, weights=back.weights), [20.3, 40.6], atol=0.1)


def test_the_svg_has_a_circle_for_each_point(tmp_path):
    dots = PointCloud(np.array([[1.0, 2.0], [3.0, 4.0]]), weights=np.array([np.pi, 4 * np.pi]), canvas=(8, 6))
    write_svg(tmp_path / "dots.svg", dots, PointReadOptions())
    text = (tmp_path / "dots.svg").read_text()
    assert 'viewBox="0 0 8 6"' in text
    assert '<circle cx="1.00" cy="2.00" r="1.000"/>\n<circle cx="3.00" cy="4.00" r="2.000"/>' in text
