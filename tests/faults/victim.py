"""A run to kill: small, with noise or with Adam, that writes a frame at every step and a checkpoint at every few."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import zarr

from interflow import RunFolder, Solution
from tests.flows import torus_system
from tests.storage.runs import INTEGRATORS

STEPS = 20
KINDS = ("noise", "adam")
INTERVALS = (1, 3)
"""Steps from checkpoint to checkpoint."""
LOADED = (torch, zarr)  # what a run would import, so that it starts at once where this module is loaded before


def run(kind: str, folder: Path | None = None, interval: int = 1, resume: bool = False) -> Solution:
    """The run, in a folder or in memory."""
    torch.set_num_threads(1)
    out = None if folder is None else RunFolder(folder, checkpoint_every=interval)
    return torus_system(INTEGRATORS[kind]()).simulate(STEPS, save_every=1, progress=False, out=out, resume=resume)


def in_a_process(kind: str, folder: Path, interval: int, resume: bool) -> None:
    """The run, and then the end of the process, without what Python does at its end."""
    run(kind, folder, interval, resume)
    os._exit(0)
