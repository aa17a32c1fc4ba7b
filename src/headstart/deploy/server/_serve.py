"""A run behind a socket, until somebody stops it."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
import logging
import os
import secrets
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from headstart import progress
from headstart.deploy._model import open_model
from headstart.deploy.server._access import LOOPBACK_NAMES, Access
from headstart.deploy.server._app import make_app
from headstart.deploy.server._card import card
from headstart.errors import InputError, ResourceError, Stopped
from headstart.signals import listening

HEAD_SECONDS = (
    10.0  # within which a connection must send a request's head; also how long an idle one is kept
)
REQUEST_SECONDS = 60.0  # from then until its answer has gone out
LEAST_TOKEN = 16  # characters
_CONNECTIONS = 512
_GRACE_SECONDS = 10  # for answers under way when the server is asked to stop


@dataclass(frozen=True)
class Address:
    """Where the server listens; `token` is what clients must show, None for none."""

    url: str
    token: str | None


class Punctual(H11Protocol):
    """Uvicorn's HTTP with a deadline for each step: it has none for a head that drips in, or an answer that nobody fetches."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._seen: RequestResponseCycle | None = None
        self.loop.call_later(1.0, self._look)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not self._seen:
            self._since, self._seen = self.loop.time(), self.cycle

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if self.loop.time() - self._since > (REQUEST_SECONDS if is_busy else HEAD_SECONDS):
            self.transport.abort()
            return
        self.loop.call_later(1.0, self._look)


def serve(
    run: Path, *, host: str, port: int, allow_hosts: tuple[str, ...] = (), as_json: bool = False
) -> None:
    """Answer requests about images until SIGINT or SIGTERM; requests under way are answered first.

    Args:
        run: folder of a finished run, or an exported `.onnx` file (without explanations).
        host: address or name to listen on. Beyond loopback a token is made, or taken from HEADSTART_TOKEN, and printed once.
        port: 0 for any free one.
        allow_hosts: further names under which clients may address the server, such as a proxy's; they need a token as well.
        as_json: print where it listens as one JSON object on stdout, not as a sentence.

    Raises:
        Stopped: by a signal, which is how it ends.
        InputError: no run there, no such host, or a token too short. ResourceError: the port is taken or forbidden.
    """
    access = access_for(host, allow_hosts)
    model = open_model(run)
    with _bound(host, port) as listener, listening() as stop:
        address = Address(_url(host, listener.getsockname()[1]), access.token)
        warnings.filterwarnings("ignore", module="PIL")  # odd metadata in what strangers send
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        server = uvicorn.Server(configured(make_app(model, card(run, model), access)))
        _announce(run, address, as_json)
        server.run([listener])
    raise Stopped(stop.signum or 2, "stopped serving.")


def access_for(host: str, allow_hosts: tuple[str, ...]) -> Access:
    """Who is let in: without a token nobody but this machine, and nobody where a proxy may bring others to it.

    Raises:
        InputError: HEADSTART_TOKEN is too short.
    """
    is_local = _is_loopback(host)
    names = {*LOOPBACK_NAMES, host.lower(), *(name.lower() for name in allow_hosts)}
    if not is_local:
        names |= {socket.gethostname().lower()}
    return Access(
        frozenset(names),
        any_address=not is_local,
        token=_token(is_needed=not is_local or bool(allow_hosts)),
    )


def configured(app: ASGIApp) -> uvicorn.Config:
    """Uvicorn's settings: our deadlines, a bound on connections, no log of addresses (they may hold a token)."""
    return uvicorn.Config(
        app,
        http=Punctual,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=int(HEAD_SECONDS),
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _announce(run: Path, address: Address, as_json: bool) -> None:
    page = f"{address.url}?token={address.token}" if address.token else address.url
    if as_json:
        about: dict[str, Any] = {
            "run": str(run),
            "url": address.url,
            "token": address.token,
            "page": page,
        }
        print(json.dumps(about, ensure_ascii=False), flush=True)
        return
    print(f"Serving {run} at {page}", flush=True)
    if address.token:
        print("Programs send the header: Authorization: Bearer", address.token, flush=True)
    progress.say("Ctrl-C stops it.")


def _token(*, is_needed: bool) -> str | None:
    given = os.environ.get("HEADSTART_TOKEN", "")
    if given and (
        len(given) < LEAST_TOKEN
        or not given.isascii()
        or not all(char.isalnum() or char in "-_." for char in given)
    ):
        raise InputError(
            f"HEADSTART_TOKEN has {len(given)} characters, but wanted are at least {LEAST_TOKEN} letters, digits, and - _ .",
            "Leave it out to have one made.",
        )
    return given or (secrets.token_urlsafe(24) if is_needed else None)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens."""
    if not 0 <= port <= 65535:
        raise InputError(
            f"--port is {port}, but wanted is one from 0 to 65535.",
            "Example: --port 8000; 0 takes any free one.",
        )
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ][0]
        bound = socket.create_server((host, port), family=family, backlog=512)
        # Connections inherit it. asyncio sets it on sockets of its own only, and without it a body waits 40 ms behind its head
        # for the client's acknowledgement (Nagle's algorithm and delayed acknowledgements).
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound
    except socket.gaierror as error:
        raise InputError(
            f"--host is '{host}', which is no address of this machine: {error.strerror}.",
            "Example: --host 127.0.0.1",
        ) from error
    except OSError as error:
        hints = {
            errno.EADDRINUSE: (
                f"port {port} is taken by another program.",
                "Give another --port, or --port 0 for any free one.",
            ),
            errno.EACCES: (
                f"port {port} needs the rights of the administrator.",
                "Give a --port from 1024 on.",
            ),
            errno.EADDRNOTAVAIL: (
                f"'{host}' is no address of this machine.",
                "--host 0.0.0.0 listens on all of them.",
            ),
        }
        message, hint = hints.get(
            error.errno or 0,
            (f"cannot listen on {host}, port {port}: {error.strerror}.", "Give another --port."),
        )
        raise ResourceError(message, hint) from error


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
