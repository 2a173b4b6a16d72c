"""A run as a page for a browser: in a file, in a notebook, or served while the run goes on."""

from interflow.views.page.document import widget, write_page
from interflow.views.page.server import serve_page

__all__ = ["serve_page", "widget", "write_page"]
