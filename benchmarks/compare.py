"""``python -m benchmarks.compare BEFORE.json AFTER.json``: two runs side by side, with ratios of their figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables import MEASURED, ratio

Row = tuple[str, ...]


def main() -> None:
    """Print, for each row that both runs have, each figure after over the one before."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    arguments = parser.parse_args()
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in (arguments.before, arguments.after)]
    print("\n".join(compared(*runs)))


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Lines of Markdown: where the two runs were made, and a table for each question of both."""
    for name, run in (("before", before), ("after", after)):
        yield f"{name}: {run['commit']}, {run['machine']}, {run['versions']}"
    questions = {table["question"]: table for table in before["tables"]}
    for table in after["tables"]:
        if table["question"] in questions:
            yield from ("", f"### {table['question']}, after over before", "")
            yield from _rows(questions[table["question"]], table)


def _rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    headers: Sequence[str] = after["headers"]
    figures = [index for index, header in enumerate(headers) if header in MEASURED or "error" in header]
    names = [index for index in range(len(headers)) if index not in figures]
    old = {_cells(row, names): row for row in before["rows"]}
    yield "| " + " | ".join(headers[index] for index in (*names, *figures)) + " |"
    yield "| " + " | ".join(["---"] * len(headers)) + " |"
    for row in after["rows"]:
        key = _cells(row, names)
        if key in old:
            yield "| " + " | ".join((*key, *(_quotient(row[index], old[key][index]) for index in figures))) + " |"


def _cells(row: Sequence[str], indices: Sequence[int]) -> Row:
    return tuple(row[index] for index in indices)


def _quotient(after: str, before: str) -> str:
    try:
        return ratio(float(after), float(before))
    except ValueError:  # a cell that says that nothing was measured
        return "–"


if __name__ == "__main__":
    main()
