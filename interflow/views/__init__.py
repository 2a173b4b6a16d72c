"""Pictures and movies of runs, and pages for a browser."""

import lazy_loader

# a page needs no matplotlib
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
