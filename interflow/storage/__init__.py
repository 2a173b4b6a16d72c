"""What runs leave on disk."""

from interflow.storage.export import export
from interflow.storage.run_folder import RunFolder, stored_config
from interflow.storage.stored import StoredSolution, open_run

__all__ = ["RunFolder", "StoredSolution", "export", "open_run", "stored_config"]
