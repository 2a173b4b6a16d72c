"""SVG: the dots of a cloud as circles, for printers and plotters. Written, never read."""

from __future__ import annotations

from pathlib import Path

from interflow.storage.points.cloud import PointCloud
from interflow.storage.points.format import Reading
from interflow.storage.points.image import canvas_of, radii


def write_svg(file: Path, cloud: PointCloud, reading: Reading) -> None:
    """Write points in the plane as circles whose areas are their weights, in pixels of the canvas, y down."""
    width, height = canvas_of(cloud)
    paper, ink = ("white", "black") if reading.ink == "dark" else ("black", "white")
    circles = (
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.3f}"/>'
        for (x, y), radius in zip(cloud.positions.tolist(), radii(cloud).tolist(), strict=True)
    )
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">\n')
        stream.write(f'<rect width="{width}" height="{height}" fill="{paper}"/>\n<g fill="{ink}">\n')
        stream.writelines(f"{circle}\n" for circle in circles)
        stream.write("</g>\n</svg>\n")
