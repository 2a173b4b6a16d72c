"""Pictures and movies of runs, and pages for a browser."""

from interflow._lazy import lazy_names

# a page needs no matplotlib
__getattr__, __dir__, __all__ = lazy_names(__name__)
