"""Plain torch operations on tiles that stay in the processor's cache."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from interflow.errors import ArgumentError
from interflow.sums.backends.base import LoopBackend, operations_per_pair
from interflow.sums.backends.products import predicted_seconds, sum_by_products
from interflow.sums.backends.tiles import Tile, Workspace, block, compile_program, on_smaller_tiles, summand, tiles
from interflow.sums.evaluation import cached_scalar, evaluate
from interflow.sums.expression import Expression
from interflow.sums.formula import lookup_vectors
from interflow.sums.pairsum import Inputs, Job, Request


@dataclass(frozen=True)
class Dense(LoopBackend):
    """Exact sums by torch operations on tiles of about ``tile²`` pairs, with memory O(N + tile²), on any device.

    A tile has ``2·tile`` rows and ``tile/2`` columns: sums in the positions' dtype are short, and those of tiles are
    added up in float64. Points with many coordinates go through matrix products, where the kernel depends on the
    distance alone. Where memory runs out it warns, and goes on with smaller tiles.

    Args:
        tile: side of a square of as many pairs; the working set of a few tiles should fit the cache.

    Example:
        >>> from interflow import GaussianKernel, potential
        >>> x = torch.zeros(2, 2)
        >>> potential(GaussianKernel(sigma=1.0), x, x, backend=Dense(tile=256))
        tensor([1., 1.])
    """

    tile: int = 768
    name = "dense"

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ArgumentError("tile", came=self.tile, wanted="a positive whole number")

    def unsupported_reason(self, request: Request) -> str | None:
        return None

    def run_seconds(self, request: Request) -> float:
        vectors = lookup_vectors(request.formula)
        if vectors is not None:
            return predicted_seconds(vectors, request)
        operations, _ = operations_per_pair(request.formula)
        tiles = request.batch * -(-request.rows // self.tile) * -(-request.columns // self.tile)
        return 3e-4 + operations * (tiles * 4e-6 + request.pairs * 8e-11)

    def evaluate(self, inputs: Inputs) -> Tensor:
        return on_smaller_tiles(lambda tile: replace(self, tile=tile)._on_tiles(inputs), self.tile)

    def _on_tiles(self, inputs: Inputs) -> Tensor:
        vectors = lookup_vectors(inputs.formula)
        return super().evaluate(inputs) if vectors is None else sum_by_products(vectors, inputs, self.tile)

    def run(self, job: Job) -> Tensor:
        if job.batch * job.row_count * job.column_count <= _SMALL and 2 * job.column_count <= self.tile:
            return _at_once(job)
        program = compile_program(job.inner, _ones(job.parameters))
        workspace = Workspace(program, job.rows)
        out = job.rows.new_zeros(job.batch, len(job.inner), job.row_count, dtype=torch.float64)
        for tile in tiles((job.batch, job.row_count, job.column_count), (2 * self.tile, max(self.tile // 2, 1))):
            values = workspace.run(tile, lambda leaf, tile=tile: _data(leaf, tile, job))  # type: ignore[misc]
            for output, slot in enumerate(program.results):
                out[tile.batch, output, tile.rows] += summand(values, slot, tile, job.skip_diagonal).sum(-1)
        return out.to(job.rows.dtype)


_SMALL = 1 << 14
"""Pairs up to which a sum is one tile, whose results need no places that are used again."""


def _at_once(job: Job) -> Tensor:
    rows, columns, parameters = job.rows[..., None], job.columns[:, :, None], job.parameters[..., None, None]
    leaves = {"row": rows.unbind(1), "column": columns.unbind(1), "parameter": parameters.unbind(1)}
    values = evaluate(
        job.inner, lambda leaf: leaves[leaf.operation][int(leaf.value)], like=job.rows, scalar=cached_scalar
    )
    shape = (job.batch, job.row_count, job.column_count)
    parts = [value if value.shape == shape else value.expand(shape) for value in values]
    if job.skip_diagonal:
        parts = [part.clone() for part in parts]
        for part in parts:
            part.diagonal(0, 1, 2).zero_()
    return torch.stack([part.sum(-1) for part in parts], dim=1)


def _ones(parameters: Tensor) -> frozenset[int] | None:
    """Which parameters are 1; None where to read them would wait for a device, or they differ in the batch."""
    if parameters.device.type != "cpu" or parameters.shape[0] != 1:
        return None
    return frozenset(index for index, value in enumerate(parameters[0].tolist()) if value == 1.0)


def _data(leaf: Expression, tile: Tile, job: Job) -> Tensor:
    index = int(leaf.value)
    if leaf.operation == "row":
        return block(job.rows, tile.batch)[:, index, tile.rows, None]
    if leaf.operation == "column":
        return block(job.columns, tile.batch)[:, index, None, tile.columns]
    return block(job.parameters, tile.batch)[:, index, None, None]
