"""Configs: YAML ↔ models ↔ live objects, both ways."""

from interflow._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
