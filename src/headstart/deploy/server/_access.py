"""Access control: checks of every request, and security headers of every response."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
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
_MOST_DISCARDED_BYTES, _DISCARD_SECONDS = 1 << 20, 1.0
_STOPPING = ("the server is stopping.", "Send the request again after a restart.")
_TOKEN_FORM = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Headstart</title>
<h1>This server requires a token</h1><p>It was printed when the server started.</p>
<form method="get" action="/">
<label>Token <input name="token" type="password" autocomplete="off" required autofocus></label>
<button>Sign in</button></form></html>"""


@dataclass(frozen=True)
class Access:
    """Rules for who may use the server.

    Attributes:
        hosts: Host names that requests may address, in lower case. Others are refused, because a
            page on another site could point its own name at this machine (DNS rebinding).
        any_address: Accept numeric addresses as well. They cannot be rebound.
        token: The token that clients must send; None if they need none.
    """

    hosts: frozenset[str] = LOOPBACK_NAMES
    any_address: bool = False
    token: str | None = None


class Guard:
    """ASGI middleware that checks every request and adds security headers to every response.

    The checks are Host, Origin and token, for all methods.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is None:
            try:
                await self.app(scope, receive, send_with_headers)
            except asyncio.CancelledError:  # by Uvicorn, when the time for the last answers is over
                if not has_started:
                    await error_response(503, *_STOPPING)(scope, receive, send_with_headers)
            return

        # A larger body is not read to its end, so the connection cannot be used again.
        refusal.headers["connection"] = "close"
        await _discard_body(receive)
        if scope["method"] == "HEAD":
            refusal.body = b""
        await refusal(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: dict[bytes, str]) -> Response | None:
        """Return the response to a request that is not let in; None if it is."""
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        hosts = sum(name == b"host" for name, _ in scope["headers"])
        if hosts > 1:
            return error_response(
                400, f"invalid Host header: expected one, got {hosts}.", "Send one Host header."
            )
        if not self._is_known_host(host):
            return error_response(
                421,
                f"unknown host {host!r}.",
                "Use the address that the server printed, or allow the name with --allow-host.",
            )
        if origin is not None and not _is_same_origin(origin, host):
            return error_response(
                403,
                f"requests from a page of {origin!r} are not allowed.",
                "Open the page of this server.",
            )
        if self.access.token is None:
            return None

        port = (scope.get("server") or ("", 0))[1]
        sent = (
            _bearer_token(headers.get(b"authorization", "")),
            _cookie_token(headers.get(b"cookie", ""), port),
        )
        if any(self._is_token(token) for token in sent):
            return None
        if scope["path"] == "/" and scope["method"] == "GET":
            return self._sign_in(scope, port)
        return error_response(
            401,
            "missing or invalid token.",
            "Send the header 'Authorization: Bearer TOKEN' with the token that the server printed.",
            {"www-authenticate": "Bearer"},
        )

    def _sign_in(self, scope: Scope, port: int) -> Response:
        """Exchange the token in the address of the page for a cookie, or ask for the token."""
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self._is_token(token):
            return HTMLResponse(_TOKEN_FORM, 401)

        response = RedirectResponse("/", 303)
        # Lax, not Strict: a link in a mail or chat must open the page. The check of Origin refuses
        # the forms of other sites.
        cookie = f"{_cookie_name(port)}={token}; HttpOnly; SameSite=Lax; Path=/"
        response.headers["set-cookie"] = cookie
        return response

    def _is_known_host(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower().removesuffix(".")
        except ValueError:
            return False
        return name in self.access.hosts or (self.access.any_address and _is_address(name))

    def _is_token(self, token: str) -> bool:
        expected = (self.access.token or "").encode()
        return hmac.compare_digest(token.encode(), expected) and bool(token)


async def _discard_body(receive: Receive) -> None:
    """Read a body of up to 1 MiB for up to a second, without keeping it.

    If a connection is closed while bytes of the body are unread, the client may get a reset instead
    of the answer.
    """
    unread = _MOST_DISCARDED_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while unread > 0:
                message = await receive()
                if not message.get("more_body", False):  # also where the client has gone
                    return
                unread -= len(message["body"])


def error_response(
    status: int, error: str, hint: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response to a request that is refused or fails.

    Args:
        status: HTTP status.
        error: What is wrong.
        hint: What to do.
        headers: More headers.
    """
    content = json.dumps({"error": error, "hint": hint})
    return Response(content, status, headers, "application/json")


def _is_same_origin(origin: str, host: str) -> bool:
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


def _bearer_token(header: str) -> str:
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _cookie_name(port: int) -> str:
    return f"headstart-{port}"  # browsers share cookies between the ports of a machine


def _cookie_token(header: str, port: int) -> str:
    # The parser of the standard library stops at a malformed cookie of another program.
    return cookie_parser(header).get(_cookie_name(port), "")
