"""`headstart serve` under hostile bodies and clients: bounded memory and time."""

from __future__ import annotations

import io
import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import (  # noqa: F401  # fixtures among them
    connected,
    png_of,
    raw,
    served_digit,
    served_run,
    served_server,
    serving,
    serving_app,
    serving_here,
)
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headstart.classifier import Classifier, Predictions
from headstart.data import ImageLimits, read_untrusted_image
from headstart.deploy.server import _protocol, _serve, _service
from headstart.deploy.server._body import Limits

Command = Callable[..., tuple[int, str, str]]


AS_JSON = {"content-type": "application/json"}


AS_FORM = {"content-type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (b"", {}, 400, "the body is empty"),
        (b"hello", {}, 422, "is not an image"),
        (b"hello", AS_JSON, 400, "the body is not JSON"),
        (b"[" * 100_000, AS_JSON, 400, "invalid JSON: expected only the keys"),
        (b'{"image": {"a": 1}}', AS_JSON, 400, "invalid JSON: expected only the keys"),
        (
            b'{"image": "", "b": 1, "c": 2, "d": 3}',
            AS_JSON,
            400,
            "invalid JSON: expected only the keys",
        ),
        (b"{}", AS_JSON, 400, "expected a string in image"),
        (b'{"image": "?"}', AS_JSON, 400, "invalid image: expected base64"),
        (b'{"image": "", "size": 3}', AS_JSON, 400, "unknown key 'size'"),
        (b"--x\r\n\r\n" * 1000, AS_FORM, 415, "forms are not supported"),
        (b"GIF89a" + b"\0" * 100, {}, 422, "is not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", {}, 422, "is not an image"),
    ],
)
def test_a_body_without_an_image_is_refused_with_a_message(
    server: str, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    result = httpx.post(f"{server}predict", content=content, headers=headers)
    assert (result.status_code, words in result.json()["error"]) == (status, True), result.text
    assert result.json()["hint"]


@pytest.mark.parametrize(("flag", "status"), [("maybe", 400), ("yes", 400), ("0", 200), ("", 200)])
def test_a_flag_that_is_neither_true_nor_false_is_refused(
    server: str, digit: tuple[bytes, str], flag: str, status: int
) -> None:
    result = httpx.post(f"{server}predict?drawing={flag}", content=digit[0])
    assert result.status_code == status, result.text
    if status == 400:
        assert f"expected true or false, got '{flag}'" in result.json()["error"]


def test_decompression_bombs_are_refused_before_they_are_decoded(run: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (3600, 3600), 128).save(
        buffer, "JPEG", progressive=True
    )  # 13 million pixels: one at a time
    scans = buffer.getvalue()
    last, end = scans.rindex(b"\xff\xda"), scans.rindex(b"\xff\xd9")
    endless = scans[:end] + scans[last:end] * 20_000 + b"\xff\xd9"  # minutes of work in a megabyte
    with serving_here(run, Limits(image=ImageLimits(seconds=0.3))) as url:
        large = httpx.post(f"{url}predict", content=png_of(np.zeros((8000, 8000), np.bool_)))
        assert (
            large.status_code == 422
            and "has 64 million pixels; the limit is 50 million" in large.text
        )
        slow = httpx.post(f"{url}predict", content=endless, timeout=30)
        assert slow.status_code == 422 and "scans, and the limit is 200" in slow.text


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_truncated_image_is_refused(server: str, cut: float) -> None:
    image = png_of(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8), "JPEG")
    result = httpx.post(f"{server}predict", content=image[: int(cut * len(image))])
    assert result.status_code == 422 and result.json()["error"].startswith("the file ")


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(run: Path) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving_here(run, Limits(body_bytes=1000)) as url:
        assert b" 422 " in raw(
            url, head + b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n"
        )  # read, and no image
        assert b" 413 " in raw(
            url, head + b"3e9\r\n" + b"x" * 1001
        )  # and its end is not waited for


def test_a_body_announced_as_too_large_is_not_read(server: str) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n"
    assert b" 413 " in raw(server, head)
    assert b" 404 " in raw(
        server, head.replace(b"/predict", b"/nowhere")
    )  # and the connection ends: no body is awaited
    assert httpx.get(f"{server}health").status_code == 200


_HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status", "words"),
    [
        (b"hello\r\n\r\n", 400, "not valid HTTP/1.1"),
        (_HEALTH + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "not valid HTTP/1.1"),
        (_HEALTH + b"Host: localhost\r\n\r\n", 400, "invalid Host header: expected one, got 2"),
        (_HEALTH + b"X: " + b"x" * 600_000, 431, "longer than 64 KiB"),
        (_HEALTH + b"X: " + b"x" * 66_000 + b"\r\n\r\n", 431, "longer than 64 KiB"),
        (
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
            + b"X: x\r\n" * 200_000,
            431,
            "longer than 64 KiB",
        ),
    ],
)
def test_what_is_not_http_is_refused_with_a_message(
    server: str, request_bytes: bytes, status: int, words: str
) -> None:
    head, _, body = raw(server, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"content-security-policy" in head and b"connection: close" in head
    assert words in json.loads(body)["error"]


def test_a_request_before_one_that_is_not_http_is_answered(server: str) -> None:
    answer = raw(server, _HEALTH + b"\r\nhello\r\n\r\n")
    assert b" 200 " in answer and answer.endswith(b'{"status":"ok"}')


def test_requests_before_one_with_an_invalid_body_are_answered_without_a_refusal(
    server: str,
) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    invalid = head + b"zz\r\n"
    for earlier in (1, 3):
        answer = raw(server, (_HEALTH + b"\r\n") * earlier + invalid)
        assert answer.count(b"HTTP/1.1 200 ") == earlier == answer.count(b"HTTP/1.1 ")
        assert answer.endswith(b'{"status":"ok"}')
    assert b" 400 " in raw(server, invalid)


def test_requests_without_waiting_for_answers_are_limited(server: str) -> None:
    one = _HEALTH + b"\r\n"
    assert raw(server, one * 8 + _HEALTH + b"Connection: close\r\n\r\n").count(b" 200 ") == 9
    answer = raw(server, one * 20)
    assert answer.count(b"HTTP/1.1 200 ") == 1 + _protocol.MOST_PIPELINED
    assert answer.count(b"HTTP/1.1 ") == 1 + _protocol.MOST_PIPELINED


def test_a_connection_ends_if_its_client_does_not_receive_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":  # more than the buffers of the system hold
            await Response(b"x" * 50_000_000)(scope, receive, send)

    monkeypatch.setattr(_protocol, "REQUEST_SECONDS", 2.0)
    monkeypatch.setattr(_serve, "HEAD_SECONDS", 1.0)  # how long Uvicorn keeps an idle connection
    with serving_app(app) as (url, served), ExitStack() as stack:
        connections = served.server_state.connections
        for request in (
            _HEALTH + b"Connection: close\r\n\r\n",
            _HEALTH + b"\r\n",  # Uvicorn closes it when it is idle
            _HEALTH + b"\r\nhello\r\n\r\n",
        ):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((httpx.URL(url).host, httpx.URL(url).port))
            client.sendall(request)
        wait_until(lambda: sum(each.transport.is_closing() for each in list(connections)) == 3)
        wait_until(lambda: not connections)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_connection_beyond_the_limit_gets_status_503(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_protocol, "MOST_CONNECTIONS", 2)
    with serving_here(run) as url:
        assert httpx.get(f"{url}health").status_code == 200
        with connected(url), connected(url):
            refused = httpx.get(f"{url}health")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"] == "the server is busy."


def test_a_slow_body_and_a_slow_head_time_out(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_protocol, "HEAD_SECONDS", 1.0)
    with serving_here(run, Limits(body_seconds=0.5)) as url, ThreadPoolExecutor() as pool:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
        slow_body = pool.submit(raw, url, head)
        slow_head = pool.submit(
            raw, url, b"GET /health HTTP/1.1\r\n", *[b"x: y\r\n"] * 40, pause=0.2
        )
        assert httpx.get(f"{url}health").status_code == 200
        assert b" 408 " in slow_body.result()
        assert slow_head.result() == b""


def test_a_request_that_takes_too_long_in_total_is_cut_off(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_protocol, "REQUEST_SECONDS", 1.0)
    with serving_here(run) as url:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
        assert (
            raw(url, head) == b""
        )  # within the time for a body, but not within that for all of it


def test_too_many_requests_get_status_503(
    run: Path, digit: tuple[bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(self: Classifier, images: np.ndarray) -> Predictions:
        gate.wait(20)
        return answer(self, images)

    answer, gate = Classifier.predict, threading.Event()
    monkeypatch.setattr(_service, "LARGEST_BATCH", 1)
    with serving_here(run, Limits(waiting=2)) as url, ThreadPoolExecutor(12) as pool:
        monkeypatch.setattr(Classifier, "predict", slowly)
        asked = [
            pool.submit(httpx.post, f"{url}predict", content=digit[0], timeout=60)
            for _ in range(12)
        ]
        refused = [
            response.result() for response in itertools.islice(as_completed(asked), 9)
        ]  # one is answered, two may wait
        gate.set()
        assert [
            (response.status_code, response.headers["retry-after"]) for response in refused
        ] == [(503, "1")] * 9
        assert sum(response.result().status_code == 200 for response in asked) in (
            2,
            3,
        )  # 2 if it was full before the first was taken
        assert httpx.post(f"{url}predict", content=digit[0]).status_code == 200


def test_too_many_images_for_the_decoders_get_status_503(
    run: Path, digit: tuple[bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*given: Any) -> Any:
        gate.wait(20)
        return read_untrusted_image(*given)

    gate = threading.Event()
    monkeypatch.setattr(_service, "read_untrusted_image", slowly)
    monkeypatch.setattr(
        _service, "_SMALL_BYTES", 0
    )  # this image stands for large ones, which threads decode
    with serving_here(run, Limits(decoding=2)) as url, ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(httpx.post, f"{url}predict", content=digit[0], timeout=60) for _ in range(3)
        ]
        refused = next(as_completed(asked)).result()
        gate.set()
        assert refused.status_code == 503
        assert sorted(response.result().status_code for response in asked) == [200, 200, 503]


@pytest.mark.parametrize(
    ("where", "slow"), [(Classifier, "predict"), (_service, "read_untrusted_image")]
)
def test_an_answer_that_takes_too_long_gets_status_503(
    run: Path, digit: tuple[bytes, str], where: object, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_service, "_SMALL_BYTES", 0)
    with serving_here(run, Limits(answer_seconds=0.2)) as url:
        monkeypatch.setattr(where, slow, lambda *_: time.sleep(0.8))
        assert httpx.post(f"{url}predict", content=digit[0]).status_code == 503


def test_an_unexpected_error_has_the_security_headers_too(
    run: Path, digit: tuple[bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_here(run) as url:
        monkeypatch.setattr(Classifier, "predict", lambda *_: 1 // 0)
        result = httpx.post(f"{url}predict", content=digit[0])
    assert (
        result.status_code == 500
        and "default-src 'none'" in result.headers["content-security-policy"]
    )
    assert result.json()["error"] == "the server failed to answer this request."


def test_waiting_bodies_use_a_bounded_amount_of_memory(run: Path, digit: tuple[bytes, str]) -> None:
    with (
        serving_here(run, Limits(held_bytes=100_000, body_seconds=1.0)) as url,
        ThreadPoolExecutor(2) as pool,
    ):
        head = (
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
            + b"x" * 60_000
        )
        waiting = list(pool.map(lambda _: raw(url, head).split()[1], range(2)))
        assert sorted(waiting) == [
            b"408",
            b"503",
        ]  # what does not fit is refused; the other's end is awaited
        assert (
            httpx.post(f"{url}predict", content=digit[0]).status_code == 200
        )  # what they held is free again


def test_clients_that_disconnect_do_not_end_the_server(run: Path, digit: tuple[bytes, str]) -> None:
    post = (
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(digit[0])}\r\n\r\n"
    ).encode()
    requests = [
        b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5,
        post + digit[0],
        post + digit[0][:20],
    ]
    with serving(run) as (process, printed):
        for number, request in enumerate(requests * 10):
            with connected(printed["url"]) as connection:
                if number % 2:  # closing resets the connection
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.sendall(request)
                if number % 3 == 0:
                    connection.shutdown(socket.SHUT_WR)
        answer = httpx.post(f"{printed['url']}predict", content=digit[0], timeout=60).json()
        assert answer["label"] == digit[1]
        assert process.poll() is None
