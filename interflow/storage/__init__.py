"""What runs leave on disk."""

from interflow.storage.run_folder import Frames, RunFolder

__all__ = ["Frames", "RunFolder"]
