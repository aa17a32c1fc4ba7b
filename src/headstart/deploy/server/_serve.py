"""Serving a model on a socket until a signal stops the server."""

from __future__ import annotations

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

import uvicorn
from starlette.types import ASGIApp

from headstart import progress
from headstart.deploy._model import open_model
from headstart.deploy.server._access import LOOPBACK_NAMES, Access
from headstart.deploy.server._app import make_app
from headstart.deploy.server._card import model_card
from headstart.deploy.server._protocol import HEAD_SECONDS, Protocol
from headstart.errors import InputError, ResourceError, Stopped
from headstart.formatting import printable, printable_json
from headstart.results import JsonObject
from headstart.signals import deferred_signals

SHORTEST_TOKEN = 16  # characters
# Connections that are accepted at once, and that wait in the system. Clients that connect and close
# in a loop would otherwise fill the limit above before the server has seen that they are gone.
_ACCEPTED_AT_ONCE = 64
_GRACE_SECONDS = 10  # for responses in progress when the server is asked to stop


@dataclass(frozen=True)
class Address:
    """Where the server listens, and the token that clients must send (None if they need none)."""

    url: str
    token: str | None


def serve(
    run: Path, *, host: str, port: int, allow_hosts: tuple[str, ...] = (), as_json: bool = False
) -> None:
    """Serve a model until SIGINT or SIGTERM. Requests in progress are answered first.

    Args:
        run: The folder of a finished run, or an exported `.onnx` file (without explanations).
        host: Address or name to listen on. If it is not a loopback address, clients need a token.
            It is taken from HEADSTART_TOKEN, or created, and printed once.
        port: 0 for any free port.
        allow_hosts: More names by which clients may address the server, such as that of a proxy.
            With any, clients need a token.
        as_json: Print the address as one JSON object on stdout instead of a sentence.

    Raises:
        Stopped: A signal stopped the server. This is how it ends.
        InputError: There is no such run or host, or the token is too short.
        ResourceError: The port is in use or forbidden.
    """
    access = access_rules(host, allow_hosts)
    model = open_model(run)
    with _open_socket(host, port) as listener, deferred_signals() as stop:
        address = Address(_url(host, listener.getsockname()[1]), access.token)
        warnings.filterwarnings("ignore", module="PIL")  # odd metadata in untrusted images
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        server = uvicorn.Server(uvicorn_config(make_app(model, model_card(run, model), access)))
        _announce(run, address, as_json)
        server.run([listener])
    raise Stopped(stop.signum or 2, "stopped serving.")


def access_rules(host: str, allow_hosts: tuple[str, ...]) -> Access:
    """Return the access rules of a server.

    Without a token, only this machine may use it. If other names are allowed, a proxy may forward
    requests of others, so that a token is needed as well.

    Raises:
        InputError: HEADSTART_TOKEN is invalid.
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


def uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    """Return the settings of Uvicorn: deadlines, a limit on connections, no access log.

    Addresses may contain the token, so they are not logged.
    """
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_ACCEPTED_AT_ONCE,
        timeout_keep_alive=int(HEAD_SECONDS),
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _announce(run: Path, address: Address, as_json: bool) -> None:
    page = f"{address.url}?token={address.token}" if address.token else address.url
    if as_json:
        content: JsonObject = {
            "run": str(run),
            "url": address.url,
            "token": address.token,
            "page": page,
        }
        print(printable_json(json.dumps(content, ensure_ascii=False)), flush=True)
        return
    print(printable(f"Serving {run} at {page}"), flush=True)
    if address.token:
        print("Programs must send the header: Authorization: Bearer", address.token, flush=True)
    progress.say("Press Ctrl-C to stop the server.")


def _token(*, is_needed: bool) -> str | None:
    """Return the token of HEADSTART_TOKEN, or a new one if none is set but one is needed."""
    token = os.environ.get("HEADSTART_TOKEN", "")
    if token and not _is_strong(token):
        raise InputError(
            f"invalid HEADSTART_TOKEN: expected at least {SHORTEST_TOKEN} characters, each a "
            f"letter, a digit or one of - _ . (got {len(token)} characters).",
            "Unset it to create a token automatically.",
        )
    return token or (secrets.token_urlsafe(24) if is_needed else None)


def _is_strong(token: str) -> bool:
    has_valid_characters = all(char.isalnum() or char in "-_." for char in token)
    return len(token) >= SHORTEST_TOKEN and token.isascii() and has_valid_characters


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens."""
    if not 0 <= port <= 65535:
        raise InputError(
            f"invalid --port: expected a number from 0 to 65535, got {port}.",
            "Example: --port 8000, or --port 0 for any free port.",
        )
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family = addresses[0][0]
        listener = socket.create_server((host, port), family=family, backlog=512)
        # Connections inherit this option. asyncio sets it only on its own sockets. Without it, a
        # body waits 40 ms behind its head for the client's acknowledgement (Nagle's algorithm and
        # delayed acknowledgements).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except socket.gaierror as error:
        raise InputError(
            f"invalid --host: expected an address of this machine, got '{host}' "
            f"({error.strerror}).",
            "Example: --host 127.0.0.1",
        ) from error
    except OSError as error:
        raise _cannot_listen(error, host, port) from error


def _cannot_listen(error: OSError, host: str, port: int) -> ResourceError:
    match error.errno:
        case errno.EADDRINUSE:
            return ResourceError(
                f"port {port} is used by another program.",
                "Choose another --port, or --port 0 for any free port.",
            )
        case errno.EACCES:
            return ResourceError(
                f"port {port} needs administrator rights.", "Choose a --port of 1024 or more."
            )
        case errno.EADDRNOTAVAIL:
            return ResourceError(
                f"'{host}' is not an address of this machine.",
                "Use --host 0.0.0.0 to listen on all addresses.",
            )
        case _:
            return ResourceError(
                f"cannot listen on {host}, port {port}: {error.strerror}.", "Choose another --port."
            )


def _url(host: str, port: int) -> str:
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
