"""The review of an audit: its page on a local server, which saves every decision in the plan.

The server uses the standard library, because a review needs no speed.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from headstart.data import Dataset, PlanRow, read_plan, write_plan
from headstart.errors import HeadstartError, InputError

HOST = "127.0.0.1"
_MOST_BYTES = 64 << 10  # of one decision
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REVIEWED = "reviewed"


class PlanInReview:
    """A plan that is saved after every decision.

    Rows that are in the file already stay, until their image is decided again.

    Args:
        path: The file of the plan.
        dataset: The dataset without the plan.
        proposals: Proposed rows by index of the image.
    """

    def __init__(self, path: Path, dataset: Dataset, proposals: Mapping[int, PlanRow]) -> None:
        self.path = path
        self._dataset, self._proposals = dataset, proposals
        self._lock = threading.Lock()
        rows = read_plan(path) if path.exists() else ()
        self._rows = {(row.image, row.label): row for row in rows}

    @property
    def rows(self) -> tuple[PlanRow, ...]:
        """The rows of the plan."""
        return tuple(self._rows.values())

    def decisions(self, indices: set[int]) -> list[tuple[int, dict[str, str]]]:
        """Return the decisions in the plan about some images, for the script of the page."""
        decided = []
        for index in sorted(indices):
            row = self._rows.get(self._key(index))
            if row is not None:
                decided.append((index, {"action": row.action, "new_label": row.new_label}))
        return decided

    def decide(self, index: int, action: str, new_label: str) -> None:
        """Record one decision and save the plan.

        Args:
            index: Index of the image in the dataset.
            action: drop, relabel or keep; undo removes the decision.
            new_label: Class of a relabelled image.

        Raises:
            InputError: The image, the action or the class does not exist.
            ResourceError: The plan cannot be written.
        """
        if not 0 <= index < len(self._dataset):
            raise InputError(f"invalid image: there is none with the index {index}.")
        if action not in ("drop", "relabel", "keep", "undo"):
            raise InputError(f"invalid action: expected drop, relabel or keep, got {action}.")
        if action == "relabel" and new_label not in self._dataset.class_names:
            raise InputError(f"invalid class: there is none with the name {new_label}.")

        with self._lock:
            key = self._key(index)
            rows = dict(self._rows)
            if action == "undo":
                rows.pop(key, None)
            else:
                rows[key] = self._row(index, cast("Any", action), new_label)
            write_plan(self.path, rows.values())
            self._rows = rows

    def _row(self, index: int, action: Any, new_label: str) -> PlanRow:
        image, label = self._key(index)
        proposal = self._proposals.get(index)
        reason, probability = _REVIEWED, None
        if proposal is not None:
            reason = f"{_REVIEWED}: {proposal.reason}"
            if action == "relabel" and new_label == proposal.new_label:
                probability = proposal.probability
        return PlanRow(
            image, action, label, new_label if action == "relabel" else "", reason, probability
        )

    def _key(self, index: int) -> tuple[str, str]:
        dataset = self._dataset
        return dataset.image_names[index], dataset.class_names[dataset.labels[index]]


def is_reviewed(row: PlanRow) -> bool:
    """Return whether a person decided about a row of a plan."""
    return row.reason.startswith(_REVIEWED)


class ReviewServer(ThreadingHTTPServer):
    """A server of one page on this machine, protected by a token.

    Args:
        page: Function that returns the page as HTML, with the decisions so far.
        plan: The plan that decisions change.
        port: The port; 0 for a free one.
    """

    daemon_threads = True

    def __init__(self, page: Callable[[], str], plan: PlanInReview, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.page, self.plan = page, plan
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


class _Handler(BaseHTTPRequestHandler):
    """The answers of the server: the page, a decision, the end of the review."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if not self._is_permitted(parse_qs(address.query).get("token", [""])[0]):
            return
        if address.path != "/":
            self._send_json(404, {"error": "there is no such page."})
            return
        self._send(200, self.server.page().encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        if not self._is_permitted(self.headers.get("X-Headstart-Token", "")):
            return
        content = self._read_json()
        if content is None:
            return
        match urlsplit(self.path).path:
            case "/decide":
                self._decide(content)
            case "/done":
                self._send_json(200, {"saved": True})
                threading.Thread(target=self.server.shutdown, daemon=True).start()
            case _:
                self._send_json(404, {"error": "there is no such address."})

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: each decision would be a line."""

    def _decide(self, content: Mapping[str, Any]) -> None:
        index, action = content.get("index"), content.get("action")
        new_label = content.get("new_label") or ""
        is_valid = isinstance(index, int) and isinstance(action, str) and isinstance(new_label, str)
        if not is_valid:
            self._send_json(422, {"error": "expected an index, an action and a class."})
            return
        try:
            self.server.plan.decide(cast("int", index), cast("str", action), new_label)
        except HeadstartError as error:
            self._send_json(422 if isinstance(error, InputError) else 507, {"error": str(error)})
            return
        self._send_json(200, {"saved": True, "rows": len(self.server.plan.rows)})

    def _is_permitted(self, token: str) -> bool:
        """Check Host, Origin and token, and refuse the request if one is wrong."""
        origin = self.headers.get("Origin")
        origins = {f"http://{host}" for host in self.server.hosts}
        if self.headers.get("Host") not in self.server.hosts or origin not in {None, *origins}:
            self._send_json(403, {"error": "this server answers its own page only."})
            return False
        if not self.server.is_token(token):
            self._send_json(401, {"error": "missing or invalid token: open the printed address."})
            return False
        return True

    def _read_json(self) -> Mapping[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            self.close_connection = True
            self._send_json(413, {"error": "the request is too large, or has no length."})
            return None
        try:
            content = json.loads(self.rfile.read(int(length)))
        except ValueError:
            content = None
        if not isinstance(content, dict):
            self._send_json(422, {"error": "expected a JSON object."})
            return None
        return content

    def _send_json(self, status: int, content: Mapping[str, Any]) -> None:
        if status >= 400:
            self.close_connection = True  # the body of a refused request is not read
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", _POLICY),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
