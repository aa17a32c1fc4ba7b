"""A run behind a socket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.errors import ResourceError


def serve(
    run: str | Path,
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    allow_hosts: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Serve a run until SIGINT or SIGTERM: a page at `/`, `POST /predict` and `/explain`, `GET /model` and more.

    Args:
        run: folder of a finished run, or an exported `.onnx` file (without explanations).
        port: 0 for any free one.
        host: address to listen on. Beyond loopback clients need a token: HEADSTART_TOKEN, or one that is made and printed.
        allow_hosts: further names under which clients may address the server; with any, clients need a token as well.
        as_json: print where it listens as one JSON object.

    Raises:
        Stopped: by a signal, which is how it ends. InputError: no run there, or no such address.
        ResourceError: FastAPI or Uvicorn is missing, or the port is taken.
    """
    try:
        from headstart.deploy import serve as serve_run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("fastapi", "starlette", "uvicorn"):
            raise
        raise ResourceError(
            "the server needs FastAPI and Uvicorn, which are not installed.",
            "pip install 'headstart[serve]'",
        ) from error
    serve_run(Path(run), host=host, port=port, allow_hosts=tuple(allow_hosts), as_json=as_json)
