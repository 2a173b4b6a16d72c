"""Measurements, one question a module: each prints one table, with the peers and interflow alternating in one process.

``python -m benchmarks`` prints the field and the energy distance; ``python -m benchmarks --help`` names the others.
"""
