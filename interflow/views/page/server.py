"""A page that follows a run: served to this machine alone, and never writing anything."""

from __future__ import annotations

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

from interflow.errors import InterflowError
from interflow.storage.stored import read_manifest
from interflow.views.page.document import html_page
from interflow.views.page.feed import Feed
from interflow.views.page.library import bundle

ADDRESS: Final = "127.0.0.1"
WAITING: Final = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="1"><title>waiting</title>'
    '<p style="font: 15px system-ui; margin: 3em">The run has no frame yet. This page looks again every second.'
)


@final
class Live:
    """What is served of a run folder.

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
        """The page; one that waits, as long as there is no frame."""
        with self._lock:
            if self._feed is None and read_manifest(self._folder).frames:
                self._feed = Feed(self._folder, self._title)
            if self._feed is None:
                return WAITING
            return html_page(self._feed.about(), "", begin="showLive", connect="'self'")

    def news(self, generation: int, known: int) -> dict[str, Any]:
        """What is new for the page, or what went wrong."""
        with self._lock:
            if self._feed is None:
                return {"error": "The server has begun anew: load the page again."}
            try:
                return self._feed.news(generation, known)
            except (InterflowError, OSError) as error:
                return {"error": str(error)}


class _Handler(BaseHTTPRequestHandler):
    """Answers the page and its questions, under a path that only this run's address has."""

    def __init__(self, live: Live, secret: str, *request: Any) -> None:
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
                news = self._live.news(int(known["generation"]), int(known["known"]))
            except (KeyError, ValueError):
                self.send_error(HTTPStatus.BAD_REQUEST)
            else:
                self._answer(json.dumps(news), "application/json")
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
        """Nothing: the terminal is for the address."""

    def handle(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the browser no longer wants the answer
            super().handle()


@contextmanager
def served(folder: Path, title: str) -> Iterator[str]:
    """Serve the page of a run in the block, at the address that is given.

    Raises:
        ArgumentError: if the folder holds no run.
        MissingPackageError: without the package k3d, which brings three.js.
    """
    read_manifest(folder)
    bundle()
    secret = secrets.token_urlsafe(9)
    with ThreadingHTTPServer((ADDRESS, 0), partial(_Handler, Live(folder, title), secret)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{server.server_port}/{secret}/"
        finally:
            server.shutdown()
            thread.join()
