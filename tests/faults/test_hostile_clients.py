"""The short forms of `hostile_clients.py` and `fuzz_server.py`, with a server in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import fuzz_server
import hostile_clients
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from headstart.deploy.server import _serve
from headstart.deploy.server._access import Access, Guard
from headstart.deploy.server._body import BodyReader, Limits, RequestError


def application() -> Guard:
    """Return a server with our guards, bodies and protocol, whose model takes no time."""
    reader = BodyReader(Limits())

    async def predict(request: Request) -> JSONResponse:
        try:
            async with reader.read(request) as body:
                return JSONResponse({"label": str(len(body))})
        except ClientDisconnect:
            return JSONResponse({}, 400)
        except RequestError as error:
            headers = {"connection": "close"} if error.closes else None
            return JSONResponse({"error": error.error}, error.status, headers)

    return Guard(Starlette(routes=[Route("/predict", predict, methods=["POST"])]), Access())


@pytest.fixture
def server() -> Iterator[hostile_clients.Server]:
    """Run the application in this process."""
    served = uvicorn.Server(_serve.uvicorn_config(application()))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=served.run, args=([listener],))
        thread.start()
        try:
            port = listener.getsockname()[1]
            yield hostile_clients.Server("127.0.0.1", port, bytes(1000), "1000")
        finally:
            served.should_exit = served.force_exit = True
            thread.join()


def test_four_hostile_clients_cost_the_others_no_answer(
    server: hostile_clients.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile_clients, "_SECONDS_OF_ONE_ATTACK", 0.3)
    outcome = hostile_clients.besiege(server, lambda done: done >= 8)
    assert not outcome.errors
    assert outcome.counts["right answers"] == 12 * 8
    for attacks in hostile_clients.ATTACKS:
        for attack in attacks:
            assert outcome.counts[attack.__name__] > 0


def test_mutated_requests_have_no_status_500_and_cost_the_others_no_answer(
    server: hostile_clients.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz_server, "_ANSWER_SECONDS", 0.05)
    fuzzer = fuzz_server.ServerFuzzer(server, seed=0)
    for number in range(100, 201):
        fuzzer.run(number)
    assert not fuzzer.failures
    assert fuzzer.counts["200"] > 0 and fuzzer.counts["400"] > 0
