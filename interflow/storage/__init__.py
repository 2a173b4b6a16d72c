"""What runs leave on disk, and files of points."""
