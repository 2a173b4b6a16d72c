"""Point files: one format a class, chosen by the suffix."""

from interflow.storage.points.format import PointCloud, PointFormat, PointReadOptions
from interflow.storage.points.registry import FORMATS, check_points, format_of, read_points, write_points

__all__ = [
    "FORMATS",
    "PointCloud",
    "PointFormat",
    "PointReadOptions",
    "check_points",
    "format_of",
    "read_points",
    "write_points",
]
