"""What runs leave on disk."""

from interflow.storage.export import export
from interflow.storage.frames import StoredSolution, open_run
from interflow.storage.run_folder import RunFolder, stored_config

__all__ = ["RunFolder", "StoredSolution", "export", "open_run", "stored_config"]
