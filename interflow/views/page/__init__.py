"""A run as one page for a browser."""

from interflow.views.page.document import write_page

__all__ = ["write_page"]
