"""A server of one person's page on this machine, protected by a token.

It uses the standard library, because one person needs no speed.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from headstart.errors import ResourceError
from headstart.signals import deferred_signals

HOST = "127.0.0.1"
TOKEN_HEADER = "X-Headstart-Token"
_MOST_BYTES = 64 << 10  # of one request
_POLL_SECONDS = 0.2


class LocalServer(ThreadingHTTPServer):
    """A server on the loopback address, whose clients need a token.

    Args:
        handler: The class that answers requests.
        port: The port; 0 for a free one.

    Attributes:
        token: The token, which the address of the page holds.

    Raises:
        ResourceError: The port is in use or forbidden.
    """

    daemon_threads = True

    def __init__(self, handler: type[LocalHandler], port: int = 0) -> None:
        try:
            super().__init__((HOST, port), handler)
        except (OSError, OverflowError) as error:
            raise ResourceError(
                f"cannot listen on port {port}: {getattr(error, 'strerror', None) or error}.",
                "Choose another --port, or 0 for a free one.",
            ) from error
        self.token = secrets.token_urlsafe(16)

    @property
    def address(self) -> str:
        """The address of the page, with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    @property
    def hosts(self) -> tuple[str, str]:
        """The values that the header Host may have. Others come from rebound names."""
        return f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"

    def is_token(self, token: str) -> bool:
        """Return whether this is the token of the server."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about a browser that closes a connection early."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class LocalHandler(BaseHTTPRequestHandler):
    """The answers of a local server. A request without the token or with a wrong Host is refused.

    Subclasses implement `get` and `post`.
    """

    server: LocalServer
    protocol_version = "HTTP/1.1"
    # Of the answers, unless `send` is given another one.
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    def get(self, address: SplitResult, query: Mapping[str, list[str]]) -> None:
        """Answer a GET request that has the token.

        Args:
            address: The parts of the requested address.
            query: The values of its query.
        """
        self.send_json(404, {"error": "there is no such page."})

    def post(self, path: str, content: Mapping[str, Any]) -> None:
        """Answer a POST request that has the token and a JSON object."""
        self.send_json(404, {"error": "there is no such address."})

    def do_GET(self) -> None:
        """Check a GET request, and answer it. The token is in the header or in the query."""
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        if self._is_permitted(self.headers.get(TOKEN_HEADER) or query.get("token", [""])[0]):
            self.get(address, query)

    def do_POST(self) -> None:
        """Check a POST request, and answer it. The token must be in the header."""
        if not self._is_permitted(self.headers.get(TOKEN_HEADER, "")):
            return
        content = self._read_json()
        if content is not None:
            self.post(urlsplit(self.path).path, content)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: each request would be a line."""

    def send_json(self, status: int, content: Mapping[str, Any]) -> None:
        """Send a JSON object. After an error the connection is closed."""
        if status >= 400:
            self.close_connection = True  # the body of a refused request is not read
        self.send(status, json.dumps(content).encode(), "application/json")

    def send(self, status: int, content: bytes, kind: str, policy: str | None = None) -> None:
        """Send an answer that is neither stored nor interpreted as another type."""
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", policy or self.policy),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def _is_permitted(self, token: str) -> bool:
        """Check Host, Origin and token, and refuse the request if one is wrong."""
        origin = self.headers.get("Origin")
        origins = {f"http://{host}" for host in self.server.hosts}
        if self.headers.get("Host") not in self.server.hosts or origin not in {None, *origins}:
            self.send_json(403, {"error": "this server answers its own page only."})
            return False
        if not self.server.is_token(token):
            self.send_json(401, {"error": "missing or invalid token: open the printed address."})
            return False
        return True

    def _read_json(self) -> Mapping[str, Any] | None:
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            self.send_json(415, {"error": "expected the content type application/json."})
            return None
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            self.send_json(413, {"error": "the request is too large, or has no length."})
            return None
        try:
            content = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            self.send_json(422, {"error": "expected a JSON object."})
            return None
        return content


def serve_until_stopped(server: LocalServer, announce: Callable[[str], None]) -> None:
    """Serve until the server shuts down, or a signal asks to stop.

    Args:
        server: The server.
        announce: Receives the address of the page.
    """
    with server, deferred_signals() as stop:
        serving = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        serving.start()
        announce(server.address)
        while serving.is_alive() and stop.signum is None:
            serving.join(_POLL_SECONDS)
        server.shutdown()


def open_browser(address: str) -> None:
    """Open a page in the browser if a person sits at the terminal."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        webbrowser.open(address)
