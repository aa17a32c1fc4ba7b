"""Who may talk to the server: the checks that come before any work, and the headers that a browser is told to obey."""

from __future__ import annotations

import hmac
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
]
_ASK_FOR_TOKEN = b"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Headstart</title>
<h1>This server asks for its token</h1><p>It was printed when the server started.</p>
<form method="get" action="/"><label>Token <input name="token" type="password" autocomplete="off" required autofocus></label>
<button>Go on</button></form></html>"""


@dataclass(frozen=True)
class Access:
    """Who is let in.

    Attributes:
        hosts: names under which the server may be addressed, in lower case. Others are refused: a page on another site could
            have its own name lead to this machine (DNS rebinding).
        any_address: whether numeric addresses are accepted too; they cannot be rebound.
        token: what a client must show; None for none.
    """

    hosts: frozenset[str] = LOOPBACK_NAMES
    any_address: bool = False
    token: str | None = None


class Guard:
    """ASGI middleware: Host, Origin and token on every request of every method; security headers on every response."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        status, content_type, body, more = self._refusal(scope, headers)
        if not status:
            await self.app(scope, receive, send_guarded)
            return
        sent = [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *more,
        ]
        await send_guarded({"type": "http.response.start", "status": status, "headers": sent})
        await send_guarded(
            {"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""}
        )

    def _refusal(
        self, scope: Scope, headers: dict[bytes, str]
    ) -> tuple[int, bytes, bytes, list[tuple[bytes, bytes]]]:
        """Status (0: let in), content type, body and further headers."""
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not self._knows(host):
            return _says(
                421,
                f"this server does not answer to the name {host!r}.",
                "Use the address that it printed, or --allow-host.",
            )
        if origin is not None and not _is_same(origin, host):
            return _says(
                403, f"a page of {origin!r} may not use this server.", "Open the server's own page."
            )
        if self.access.token is None:
            return 0, b"", b"", []
        port = (scope.get("server") or ("", 0))[1]
        if self._is_token(_bearer(headers.get(b"authorization", ""))) or self._is_token(
            _cookie(headers.get(b"cookie", ""), port)
        ):
            return 0, b"", b"", []
        is_page = scope["path"] == "/" and scope["method"] == "GET"
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if is_page and self._is_token(given):
            # Lax, not Strict: a link from a mail or chat must open the page. Other sites' forms are refused by their Origin.
            cookie = f"{_cookie_name(port)}={given}; HttpOnly; SameSite=Lax; Path=/".encode()
            return 303, b"text/plain", b"", [(b"location", b"/"), (b"set-cookie", cookie)]
        if is_page:
            return 401, b"text/html; charset=utf-8", _ASK_FOR_TOKEN, []
        return _says(
            401,
            "a token is needed.",
            "Send the header 'Authorization: Bearer TOKEN' with the token that the server printed.",
        )

    def _knows(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower().removesuffix(".")
        except ValueError:
            return False
        return name in self.access.hosts or (self.access.any_address and _is_address(name))

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self.access.token or "").encode()) and bool(
            given
        )


def _says(
    status: int, error: str, hint: str
) -> tuple[int, bytes, bytes, list[tuple[bytes, bytes]]]:
    more = [(b"www-authenticate", b"Bearer")] if status == 401 else []
    return status, b"application/json", json.dumps({"error": error, "hint": hint}).encode(), more


def _is_same(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _bearer(header: str) -> str:
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _cookie_name(port: int) -> str:
    return f"headstart-{port}"  # browsers share cookies between the ports of a machine


def _cookie(header: str, port: int) -> str:
    return cookie_parser(header).get(
        _cookie_name(port), ""
    )  # the standard library's gives up at another program's odd cookie
