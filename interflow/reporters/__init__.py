"""What watches a run: objects that are called with the state after each step."""

from interflow.reporters.progress import progress_bar

__all__ = ["progress_bar"]
