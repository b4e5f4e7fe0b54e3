"""A small HTTP server: the standard library's, with bounds on what a request may take."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from logging import getLogger
from socket import AF_INET6
from typing import Final
from urllib.parse import urlsplit

from haarmony.errors import InputError
from haarmony.web.study import MOST_BYTES, Answer, Request

_PATIENCE: Final = 15.0
_UNABLE: Final = b"This cannot be done just now: try again, or tell whoever runs the study.\n"
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}


def server(answer: Callable[[Request], Answer], *, host: str, port: int) -> ThreadingHTTPServer:
    """A server that is bound and not yet running: call `serve_forever`.

    Args:
        answer: to every request.
        host: the address to listen on.
        port: the port; 0 for any that is free.

    Raises:
        InputError: when nothing can listen there.
    """

    class Handler(_Handler):
        answered = staticmethod(answer)

    kind = _Server if ":" not in host else _ServerOfIPv6
    try:
        return kind((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen on {host} port {port} ({error}): choose another --port or --host"
        ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away in the middle."""


class _ServerOfIPv6(_Server):
    address_family = AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "haarmony"
    sys_version = ""
    timeout = _PATIENCE
    answered: Callable[[Request], Answer]

    def do_GET(self) -> None:
        self._send(self._answer(b""))

    def do_HEAD(self) -> None:
        self._send(self._answer(b"", method="GET"), bare=True)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or "Transfer-Encoding" in self.headers:
            return self._hang_up(HTTPStatus.LENGTH_REQUIRED)
        if len(length) > 9 or int(length) > MOST_BYTES:
            return self._hang_up(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(int(length))
        return self._send(self._answer(body))

    def _answer(self, body: bytes, *, method: str | None = None) -> Answer:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            urlsplit(self.path)
        except ValueError:
            return Answer(HTTPStatus.BAD_REQUEST)
        try:
            return self.answered(Request(method or self.command, self.path, headers, body))
        except (OSError, InputError) as error:
            getLogger(__name__).error("cannot answer %r: %s", self.path, error)
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, _UNABLE)

    def _hang_up(self, status: HTTPStatus) -> None:
        """Refuse what was not read."""
        self.close_connection = True
        self._send(Answer(status, status.phrase.encode(), headers={"Connection": "close"}))

    def _send(self, answer: Answer, *, bare: bool = False) -> None:
        self.send_response(answer.status)
        kept = {"Cache-Control": "no-store"} | _HEADERS | dict(answer.headers)
        kept |= {"Content-Type": answer.kind, "Content-Length": str(len(answer.body))}
        for name, value in kept.items():
            self.send_header(name, value)
        self.end_headers()
        if not bare:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep no log of who asked for what."""
