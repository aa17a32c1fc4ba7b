"""Servers for the tests of `headstart serve`, and raw connections to them."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.types import ASGIApp

import headstart
from headstart.deploy import open_model
from headstart.deploy.server import _app, _serve
from headstart.deploy.server._access import Access
from headstart.deploy.server._body import Limits
from headstart.deploy.server._card import model_card
from precision import keep_precision

PROGRAM = [sys.executable, "-m", "headstart"]


@contextmanager
def serving(
    run: Path, *words: object, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server on a free port, and the JSON that it printed when it was ready."""
    command = [*PROGRAM, "serve", str(run), "--port", "0", "--json", "-q", *map(str, words)]
    keep_precision()  # of this process, which compares with the server
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@contextmanager
def serving_here(
    run: Path, limits: Limits | None = None, access: Access | None = None
) -> Iterator[str]:
    """The address of a server in this process, with limits that a test can reach."""
    model = open_model(run)
    with serving_app(_app.make_app(model, model_card(run, model), access, limits)) as (url, _):
        yield url


@contextmanager
def serving_app(app: ASGIApp) -> Iterator[tuple[str, uvicorn.Server]]:
    """The address of a server of any ASGI application in this process, and the server."""
    served = uvicorn.Server(_serve.uvicorn_config(app))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=served.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/", served
        finally:
            served.should_exit = served.force_exit = True
            thread.join()


def png_of(image: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def connected(server: str) -> socket.socket:
    url = httpx.URL(server)
    return socket.create_connection((url.host, url.port or 0), timeout=30)


def raw(server: str, *parts: bytes, pause: float = 0.0) -> bytes:
    """Return the response on a raw connection, or nothing if the connection was closed.

    A connection that hangs raises TimeoutError.
    """
    answer = b""
    with connected(server) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while chunk := connection.recv(65536):
                answer += chunk
                if b'"hint"' in answer:
                    break
        except ConnectionError:
            pass
    return answer


@pytest.fixture(scope="module", name="run")
def served_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dense net trained on the packaged digits."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        headstart.train("digits", model="mlp", epochs=8, out=folder)
    return folder


@pytest.fixture(scope="module", name="server")
def served_server(run: Path) -> Iterator[str]:
    """The address of a server."""
    with serving(run) as (_, printed):
        yield printed["url"]


@pytest.fixture(scope="module", name="digit")
def served_digit(run: Path) -> tuple[bytes, str]:
    """A digit as PNG, and its predicted class."""
    with np.load(run / "gallery.npz") as gallery:
        image = gallery["images"][0][..., 0]
    return png_of(image), headstart.predict(run, png_of(image))["predictions"][0]["label"]
