"""The server of a live page, and the feed of frames that it sends.

The frames of a run that goes on, as its page asks for them.

The manifest of the run folder is looked at whenever the page asks, and tells how many frames there are. They are packed
on one grid until a particle leaves its box, or until they are so many that every other one is left out; then a new
generation begins, and the page starts again.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import parse_qs, urlsplit

import numpy as np

from interflow.errors import InterflowError
from interflow.storage.frames import StoredSolution, open_run, read_manifest
from interflow.views.page.document import html_page
from interflow.views.page.drawing import Drawing, box_around, counted, facts
from interflow.views.page.packing import BITS, Cells, Grid, encode, morton_order
from interflow.views.page.scene import bundle, described_run

MEMORY: Final = 400e6
"""Largest size of the decoded frames of a page [bytes]."""
REPLY: Final = 12e6
"""Largest size of the decoded frames in one reply [bytes]."""
ROOM: Final = 0.2
"""Margin beside the points along open axes, relative to their extent, so that they seldom leave the box."""


@final
class Feed:
    """The frames of a run folder, packed for its page.

    Args:
        folder: of the run, which has a frame.
        title: what to call the run.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self._folder = folder
        self._title = title
        self._generation = -1
        self._open()
        self._begin()

    def about(self) -> dict[str, Any]:
        """Return the description of the run that the page holds before it asks for frames."""
        described = described_run(
            self._solution, self._drawing, self._box, self._grid.bits, np.arange(0), title=self._title
        )
        return {**described, "notes": [], "column": None, "facts": self._facts(), "config": ""}

    def updates(self, generation: int, known: int) -> dict[str, Any]:
        """Return updates for a page that has some frames of a generation.

        Args:
            generation: the last that it was told of; −1 for none.
            known: how many frames it has.
        """
        manifest = read_manifest(self._folder)
        if manifest.frames != len(self._solution) or manifest.finished != self._solution.manifest.finished:
            self._follow()
        first = known if generation == self._generation else 0
        kept = range(0, len(self._solution), self._stride)
        chosen = kept[first : first + max(1, int(REPLY / self._size))]
        described = described_run(
            self._solution, self._drawing, self._box, self._grid.bits, np.array(kept), title=self._title
        )
        return {
            **{
                name: described[name] for name in ("count", "axes", "bits", "lower", "upper", "times", "steps", "curve")
            },
            "generation": self._generation,
            "first": first,
            "frames": list(self._packed(chosen)),
            "notes": [*self._drawing.notes, *self._left_out()],
            "facts": self._facts(),
            "finished": manifest.finished,
            "steps_wanted": manifest.first_step + manifest.steps,
        }

    def _open(self) -> None:
        self._solution: StoredSolution = open_run(self._folder)
        self._drawing = Drawing(self._solution)

    def _begin(self) -> None:
        """Begin a new generation: a larger box around all frames, and all of them packed again."""
        drawing, frames = self._drawing, len(self._solution)
        self._box = box_around(drawing.extent, *drawing.span(range(frames)), room=ROOM)
        self._grid = Grid(*self._box, BITS[drawing.axes][0])
        self._order = morton_order(self._grid.cells(drawing.positions(0)), self._grid.bits)
        self._stride = self._stride_for(frames)
        self._seen = frames
        self._generation += 1

    def _follow(self) -> None:
        """Open the run again, with its current frames."""
        before = self._solution
        self._open()
        frames = len(self._solution)
        new = range(self._seen, frames)
        another = frames < self._seen or self._solution.positions.shape[1:] != before.positions.shape[1:]
        if another or self._stride_for(frames) != self._stride or any(map(self._outside, new)):
            self._begin()
        self._seen = frames

    @property
    def _size(self) -> int:
        """Size of a decoded frame [bytes]."""
        return 2 * self._drawing.axes * max(self._drawing.count, 1)

    def _stride_for(self, frames: int) -> int:
        stride = 1
        while frames / stride * self._size > MEMORY:
            stride *= 2
        return stride

    def _outside(self, frame: int) -> bool:
        cloud = self._drawing.positions(frame)
        return bool((cloud < self._box[0]).any() or (cloud > self._box[1]).any())

    def _packed(self, frames: range) -> Iterator[tuple[int, str]]:
        for prediction, blob in encode(map(self._cells, frames), self._grid.bits):
            yield prediction, base64.b64encode(blob).decode()

    def _cells(self, frame: int) -> Cells:
        return self._grid.cells(self._drawing.positions(frame))[self._order]

    def _left_out(self) -> list[str]:
        shown, frames = len(range(0, len(self._solution), self._stride)), len(self._solution)
        return [f"{shown} of {counted(frames)} frames are shown."] if self._stride > 1 else []

    def _facts(self) -> list[tuple[str, str]]:
        return facts(self._solution, {}, self._drawing, self._box)


ADDRESS: Final = "127.0.0.1"
WAITING: Final = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="1"><title>waiting</title>'
    '<p style="font: 15px system-ui; margin: 3em">The run has no frame yet. This page looks again every second.'
)


@final
class LivePage:
    """The live page of a run folder.

    Args:
        folder: of the run.
        title: what to call it.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self._folder = folder
        self._title = title
        self._feed: Feed | None = None
        self._lock = threading.Lock()

    def page(self) -> str:
        """Return the page; one that waits, as long as there is no frame."""
        with self._lock:
            if self._feed is None and read_manifest(self._folder).frames:
                self._feed = Feed(self._folder, self._title)
            if self._feed is None:
                return WAITING
            return html_page(self._feed.about(), "", entry_point="showLive", connect="'self'")

    def updates(self, generation: int, known: int) -> dict[str, Any]:
        """Return updates for the page, or the error."""
        with self._lock:
            if self._feed is None:
                return {"error": "The server has begun anew: load the page again."}
            try:
                return self._feed.updates(generation, known)
            except (InterflowError, OSError) as error:
                return {"error": str(error)}


class _Handler(BaseHTTPRequestHandler):
    """Handler of requests for the page and its updates, under a secret path."""

    def __init__(self, live: LivePage, secret: str, *request: Any) -> None:
        self._live = live
        self._secret = secret
        super().__init__(*request)

    def do_GET(self) -> None:
        try:
            asked = urlsplit(self.path)
        except ValueError:  # such as http://[::1/
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        host = self.headers.get("Host", "")
        if host.rpartition(":")[0] not in (ADDRESS, "localhost"):  # another name may be a page's trick to read this one
            self.send_error(HTTPStatus.FORBIDDEN)
        elif asked.path == f"/{self._secret}/":
            try:
                self._answer(self._live.page(), "text/html; charset=utf-8")
            except (InterflowError, OSError) as error:
                self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, explain=str(error))
        elif asked.path == f"/{self._secret}/frames":
            known = {name: values[0] for name, values in parse_qs(asked.query).items()}
            try:
                updates = self._live.updates(int(known["generation"]), int(known["known"]))
            except (KeyError, ValueError):
                self.send_error(HTTPStatus.BAD_REQUEST)
            else:
                self._answer(json.dumps(updates), "application/json")
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _answer(self, text: str, kind: str) -> None:
        data = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *values: Any) -> None:
        """Log nothing: the terminal is for the address."""

    def handle(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the browser no longer wants the answer
            super().handle()


@contextmanager
def serve_page(folder: Path, title: str) -> Iterator[str]:
    """Serve the page of a run during the block, and yield its address.

    Raises:
        ArgumentError: if the folder holds no run.
        MissingPackageError: without the package k3d, which brings three.js.
    """
    read_manifest(folder)
    bundle()
    secret = secrets.token_urlsafe(9)
    with ThreadingHTTPServer((ADDRESS, 0), partial(_Handler, LivePage(folder, title), secret)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{server.server_port}/{secret}/"
        finally:
            server.shutdown()
            thread.join()
