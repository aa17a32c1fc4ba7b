"""The guards of the server by themselves: hosts, origins, tokens, and the limits on bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from headstart.deploy.server._access import Access, Guard
from headstart.deploy.server._body import BodyReader, Limits, RequestError

TOKEN = "a-token-of-my-own"


def status_of(access: Access, **headers: str) -> int:
    """Return the status of a request that a guard sees."""
    statuses: list[int] = []
    scope = {
        "type": "http", "method": "GET", "path": "/health", "query_string": b"",
        "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    asyncio.run(Guard(PlainTextResponse("fine"), access)(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:80"}, 200),
        ({"host": "localhost", "origin": "http://localhost"}, 200),
        ({"host": "evil.example"}, 421),
        ({"host": "localhost", "origin": "https://evil.example"}, 403),
        ({}, 421),
    ],
)
def test_another_host_or_origin_is_refused(headers: dict[str, str], status: int) -> None:
    assert status_of(Access(), **headers) == status


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(f"Bearer {TOKEN}", 200), ("Bearer another", 401), ("Bearer ", 401), (TOKEN, 401)],
)
def test_a_wrong_token_is_refused(authorization: str, status: int) -> None:
    access = Access(token=TOKEN)
    assert status_of(access, host="localhost", authorization=authorization) == status
    assert status_of(access, host="localhost") == 401


class _Body:
    """A request whose body arrives in chunks; None stands for a client that goes silent."""

    def __init__(self, *chunks: bytes | None, **headers: str) -> None:
        self.chunks, self.headers = chunks, headers
        self.read_chunks = 0

    async def stream(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            if chunk is None:
                await asyncio.Event().wait()
            self.read_chunks += 1
            yield chunk or b""


def read_bodies(limits: Limits, *requests: _Body) -> list[int]:
    """Read bodies that are all held at once, and return 200 or the status of each error."""
    reader, statuses = BodyReader(limits), []

    async def read(remaining: tuple[_Body, ...]) -> None:
        if not remaining:
            return
        request: Any = remaining[0]
        try:
            async with reader.read(request):
                statuses.append(200)
                await read(remaining[1:])
        except RequestError as error:
            statuses.append(error.status)

    async def read_in_time() -> None:
        async with asyncio.timeout(60):  # of a test that would hang
            await read(requests)

    asyncio.run(read_in_time())
    return statuses


def test_a_body_is_cut_off_at_the_limit() -> None:
    body = _Body(*[bytes(600)] * 10)
    assert read_bodies(Limits(body_bytes=1000), body) == [413]
    assert body.read_chunks == 2


def test_a_body_that_is_announced_as_too_large_is_not_read() -> None:
    body = _Body(bytes(600), **{"content-length": "10000000000"})
    assert read_bodies(Limits(body_bytes=1000), body) == [413]
    assert body.read_chunks == 0


def test_bodies_together_are_bounded() -> None:
    bodies = [_Body(bytes(600)) for _ in range(2)]
    assert read_bodies(Limits(held_bytes=1000), *bodies) == [200, 503]
    assert read_bodies(Limits(held_bytes=1200), *bodies) == [200, 200]


def test_a_body_that_does_not_arrive_times_out() -> None:
    assert read_bodies(Limits(body_seconds=0.05), _Body(b"a", None)) == [408]
