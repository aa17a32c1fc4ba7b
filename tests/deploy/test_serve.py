"""`headstart serve` in its own process: its answers, and its defences against malicious clients."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image
from pydantic import BaseModel

import headstart
from headstart.classifier import Classifier, Predictions
from headstart.data import ImageLimits, read_untrusted_image
from headstart.deploy import open_model
from headstart.deploy.server import _app, _serve, _service
from headstart.deploy.server._access import Access
from headstart.deploy.server._body import Limits
from headstart.deploy.server._card import model_card
from headstart.deploy.server._responses import (
    Explanation,
    Health,
    ModelCard,
    Prediction,
    Problem,
)

Command = Callable[..., tuple[int, str, str]]
PROGRAM = [sys.executable, "-m", "headstart"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dense net trained on the packaged digits."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        headstart.train("digits", model="mlp", epochs=8, out=folder)
    return folder


@contextmanager
def serving(
    run: Path, *words: object, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server on a free port, and the JSON that it printed when it was ready."""
    command = [*PROGRAM, "serve", str(run), "--port", "0", "--json", "-q", *map(str, words)]
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
    served = uvicorn.Server(
        _serve.uvicorn_config(_app.make_app(model, model_card(run, model), access, limits))
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=served.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            served.should_exit = served.force_exit = True
            thread.join()


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[str]:
    """The address of a server."""
    with serving(run) as (_, printed):
        yield printed["url"]


def _png(image: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def digit(run: Path) -> tuple[bytes, str]:
    """A digit as PNG, and its predicted class."""
    with np.load(run / "gallery.npz") as gallery:
        image = gallery["images"][0][..., 0]
    return _png(image), headstart.predict(run, _png(image))["predictions"][0]["label"]


def _connected(server: str) -> socket.socket:
    url = httpx.URL(server)
    return socket.create_connection((url.host, url.port or 0), timeout=30)


def _raw(server: str, *parts: bytes, pause: float = 0.0) -> bytes:
    """Return the response on a raw connection, or nothing if the connection was closed.

    A connection that hangs raises TimeoutError.
    """
    answer = b""
    with _connected(server) as connection:
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


def test_the_server_predicts_as_the_predict_command(
    server: str, run: Path, digit: tuple[bytes, str]
) -> None:
    image, _ = digit
    expected = headstart.predict(run, image)["predictions"][0]
    raw = httpx.post(f"{server}predict", content=image)
    text = base64.b64encode(image).decode()
    as_json = httpx.post(f"{server}predict", json={"image": text})
    as_url = httpx.post(f"{server}predict", json={"image": f"data:image/png;base64,{text}"})
    assert raw.status_code == 200
    result = raw.json()
    assert result == as_json.json() == as_url.json()
    assert (
        result["label"] == expected["label"]
        and next(iter(result["probabilities"])) == expected["label"]
    )
    assert result["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


def test_the_default_content_type_of_curl_is_accepted(
    server: str, digit: tuple[bytes, str]
) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert (
        httpx.post(f"{server}predict", content=digit[0], headers=kind).json()["label"] == digit[1]
    )


def test_model_health_and_openapi_are_served(server: str) -> None:
    card = httpx.get(f"{server}model").json()
    assert (
        card["classes"] == list("0123456789")
        and card["image_shape"] == [8, 8, 1]
        and card["drawing"] == "box"
    )
    assert card["test"]["accuracy"] > 0.8 and card["data"]["name"] == "digits"
    assert httpx.get(f"{server}health").json() == {"status": "ok"}
    paths = httpx.get(f"{server}openapi.json").json()["paths"]
    assert set(paths) == {"/predict", "/explain", "/model", "/health"}
    assert set(paths["/predict"]["post"]["requestBody"]["content"]) == {
        "image/*",
        "application/json",
    }


def test_openapi_describes_the_answers_of_the_server(server: str, digit: tuple[bytes, str]) -> None:
    """Every key of an answer is described, and every answer is valid."""
    with httpx.Client(base_url=server, timeout=120) as client:
        answers: list[tuple[type[BaseModel], Any]] = [
            (Prediction, client.post("predict", content=digit[0]).json()),
            (Explanation, client.post("explain", content=digit[0]).json()),
            (ModelCard, client.get("model").json()),
            (Health, client.get("health").json()),
            (Problem, client.post("predict", content=b"not an image").json()),
        ]
        description = client.get("openapi.json").json()
    schemas = description["components"]["schemas"]
    for kind, answer in answers:
        kind.model_validate(answer)
        assert set(answer) == set(schemas[kind.__name__]["properties"])
    described = description["paths"]["/predict"]["post"]["responses"]["200"]["content"]
    reference = described["application/json"]["schema"]["$ref"]
    assert reference == "#/components/schemas/Prediction"


def test_an_explanation_contains_the_image_as_the_model_saw_it(
    server: str, digit: tuple[bytes, str]
) -> None:
    result = httpx.post(f"{server}explain", content=digit[0]).json()
    assert result["label"] == digit[1] and result["grad_cam"] is None
    assert np.shape(result["occlusion"]["values"]) == (8, 8)
    seen = base64.b64decode(result["seen"].partition(",")[2])
    assert np.array_equal(
        np.asarray(Image.open(io.BytesIO(seen))), np.asarray(Image.open(io.BytesIO(digit[0])))
    )
    other = httpx.post(f"{server}explain?class=3", content=digit[0]).json()
    assert other["label"] == "3"
    assert httpx.post(f"{server}explain?class=x", content=digit[0]).status_code == 400


def test_the_page_has_a_content_security_policy_and_loads_nothing_from_elsewhere(
    server: str,
) -> None:
    page = httpx.get(server)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    for part in ("", "page.css", "page.js"):
        text = httpx.get(f"{server}{part}").text
        assert len(text) > 1000
        assert "https://" not in text and "style=" not in text and " onclick" not in text


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


def test_decompression_bombs_are_refused_before_they_are_decoded(run: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (3600, 3600), 128).save(
        buffer, "JPEG", progressive=True
    )  # 13 million pixels: one at a time
    scans = buffer.getvalue()
    last, end = scans.rindex(b"\xff\xda"), scans.rindex(b"\xff\xd9")
    endless = scans[:end] + scans[last:end] * 20_000 + b"\xff\xd9"  # minutes of work in a megabyte
    with serving_here(run, Limits(image=ImageLimits(seconds=0.3))) as url:
        large = httpx.post(f"{url}predict", content=_png(np.zeros((8000, 8000), np.bool_)))
        assert (
            large.status_code == 422
            and "has 64 million pixels; the limit is 50 million" in large.text
        )
        slow = httpx.post(f"{url}predict", content=endless, timeout=30)
        assert slow.status_code == 422 and "scans, and the limit is 200" in slow.text


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_truncated_image_is_refused(server: str, cut: float) -> None:
    image = _png(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8), "JPEG")
    result = httpx.post(f"{server}predict", content=image[: int(cut * len(image))])
    assert result.status_code == 422 and result.json()["error"].startswith("the file ")


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(run: Path) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving_here(run, Limits(body_bytes=1000)) as url:
        assert b" 422 " in _raw(
            url, head + b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n"
        )  # read, and no image
        assert b" 413 " in _raw(
            url, head + b"3e9\r\n" + b"x" * 1001
        )  # and its end is not waited for


def test_a_body_announced_as_too_large_is_not_read(server: str) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n"
    assert b" 413 " in _raw(server, head)
    assert b" 404 " in _raw(
        server, head.replace(b"/predict", b"/nowhere")
    )  # and the connection ends: no body is awaited
    assert httpx.get(f"{server}health").status_code == 200


def test_a_slow_body_and_a_slow_head_time_out(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serve, "HEAD_SECONDS", 1.0)
    with serving_here(run, Limits(body_seconds=0.5)) as url, ThreadPoolExecutor() as pool:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
        slow_body = pool.submit(_raw, url, head)
        slow_head = pool.submit(
            _raw, url, b"GET /health HTTP/1.1\r\n", *[b"x: y\r\n"] * 40, pause=0.2
        )
        assert httpx.get(f"{url}health").status_code == 200
        assert b" 408 " in slow_body.result()
        assert slow_head.result() == b""


def test_a_request_that_takes_too_long_in_total_is_cut_off(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_serve, "REQUEST_SECONDS", 1.0)
    with serving_here(run) as url:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
        assert (
            _raw(url, head) == b""
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


def test_waiting_bodies_use_a_bounded_amount_of_memory(run: Path, digit: tuple[bytes, str]) -> None:
    with (
        serving_here(run, Limits(held_bytes=100_000, body_seconds=1.0)) as url,
        ThreadPoolExecutor(2) as pool,
    ):
        head = (
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
            + b"x" * 60_000
        )
        waiting = list(pool.map(lambda _: _raw(url, head).split()[1], range(2)))
        assert sorted(waiting) == [
            b"408",
            b"503",
        ]  # what does not fit is refused; the other's end is awaited
        assert (
            httpx.post(f"{url}predict", content=digit[0]).status_code == 200
        )  # what they held is free again


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example:80"}, 421),
        ({"host": "192.168.1.7"}, 421),
        ({"host": "[::1"}, 421),
        ({"host": "LOCALHOST:9"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[x"}, 403),
        ({"origin": "http://localhost:1", "host": "localhost:2"}, 403),
        ({"origin": "http://localhost:2", "host": "localhost:2"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_another_host_or_origin_is_refused_for_every_method(
    server: str, digit: tuple[bytes, str], headers: dict[str, str], status: int, method: str
) -> None:
    path = "predict" if method == "POST" else "health"
    result = httpx.request(
        method, f"{server}{path}", headers=headers, content=digit[0] if method == "POST" else None
    )
    assert result.status_code == (405 if method == "DELETE" and status == 200 else status)


def test_a_refusal_has_no_body_for_head_and_closes_the_connection(server: str) -> None:
    refused = httpx.head(f"{server}health", headers={"host": "evil.example"})
    assert (refused.status_code, refused.content) == (421, b"")
    assert refused.headers["connection"] == "close"
    assert "default-src 'none'" in refused.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "..%2f..%2fetc/passwd",
        "page.css/../../x",
        "%2e%2e/%2e%2e/etc/passwd",
        "static/x",
        "docs",
        "runs",
    ],
)
def test_no_path_reaches_the_file_system(server: str, path: str) -> None:
    answer = _raw(
        server, f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    assert b" 404 " in answer and b"root:" not in answer


def test_other_methods_and_a_thousand_ranges_have_no_effect(server: str) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert httpx.request(method, f"{server}predict").status_code == 405
    ranges = "bytes=" + ",".join(f"{start}-{start + 1}" for start in range(1000))
    assert httpx.get(f"{server}page.js", headers={"range": ranges}).status_code == 200
    answer = _raw(
        server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 10_000_000 + b"\r\n\r\n"
    )
    assert b" 400 " in answer or answer == b""
    assert httpx.get(f"{server}health").status_code == 200


def test_concurrent_clients_get_their_own_answers(server: str, run: Path) -> None:
    rng = np.random.default_rng(0)
    images = [_png(rng.integers(0, 255, (8, 8)).astype(np.uint8)) for _ in range(40)]
    predictions = headstart.predict(run, images)["predictions"]
    expected = [prediction["probabilities"] for prediction in predictions]
    with httpx.Client() as client, ThreadPoolExecutor(16) as pool:
        result = list(
            pool.map(
                lambda image: client.post(f"{server}predict", content=image).json()[
                    "probabilities"
                ],
                images * 5,
            )
        )
    for probabilities, reference in zip(result, expected * 5, strict=True):
        assert probabilities == pytest.approx(reference, abs=1e-4)


def test_requests_without_the_token_are_refused(run: Path, digit: tuple[bytes, str]) -> None:
    token = "a-token-of-my-own"
    with serving_here(run, access=Access(any_address=True, token=token)) as url:
        for path in ("health", "model", "page.js", "nowhere"):
            assert httpx.get(url + path).status_code == 401
        assert httpx.get(url).status_code == 401 and "token" in httpx.get(url).text
        for wrong in ("Bearer", "Bearer x", f"Basic {token}", f"Bearer {token[:-1]}"):
            assert (
                httpx.post(
                    f"{url}predict", content=digit[0], headers={"authorization": wrong}
                ).status_code
                == 401
            )
        assert (
            httpx.get(f"{url}health?token={token}").status_code == 401
        )  # only the page takes it from the address
        right = {"authorization": f"Bearer {token}"}
        assert (
            httpx.post(f"{url}predict", content=digit[0], headers=right).json()["label"] == digit[1]
        )
        with httpx.Client(follow_redirects=True) as browser:
            page = browser.get(url, params={"token": token})
            assert page.status_code == 200 and token not in str(page.url)
            assert (
                "HttpOnly" in page.history[0].headers["set-cookie"]
                and browser.get(f"{url}model").status_code == 200
            )
            assert (
                browser.post(
                    f"{url}predict", content=digit[0], headers={"origin": "http://evil"}
                ).status_code
                == 403
            )
        cookies = 'odd={"a": [1, 2]}; ' + page.history[0].headers["set-cookie"].partition(";")[0]
        assert (
            httpx.get(f"{url}health", headers={"cookie": cookies}).status_code == 200
        )  # other programs of this host set some
        assert (
            httpx.get(f"{url}health", headers={**right, "host": "evil.example"}).status_code == 421
        )
        assert (
            httpx.get(f"{url}health", headers={**right, "host": "192.168.1.7:80"}).status_code
            == 200
        )


def test_a_public_address_creates_a_token(run: Path) -> None:
    with serving(run, "--host", "0.0.0.0", "--allow-host", "photos.example") as (process, printed):
        health = f"http://127.0.0.1:{httpx.URL(printed['url']).port}/health"
        token = printed["token"]
        assert len(token) >= 32 and printed["page"].endswith(f"?token={token}")
        assert httpx.get(health).status_code == 401
        for host, status in (("photos.example", 200), ("192.168.1.7", 200), ("evil.example", 421)):
            assert (
                httpx.get(
                    health, headers={"host": host, "authorization": f"Bearer {token}"}
                ).status_code
                == status
            )
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == "headstart: stopped serving.\n"
        assert process.returncode == 130


def test_allowing_the_name_of_a_proxy_requires_a_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HEADSTART_TOKEN", raising=False)
    assert _serve.access_rules("127.0.0.1", ()).token is None
    access = _serve.access_rules("127.0.0.1", ("photos.example",))
    assert "photos.example" in access.hosts and not access.any_address
    assert access.token is not None and len(access.token) >= 32
    monkeypatch.setenv("HEADSTART_TOKEN", "a-token-of-my-own")
    assert _serve.access_rules("127.0.0.1", ("photos.example",)).token == "a-token-of-my-own"


def test_a_signal_stops_the_server_after_the_answers_in_progress(
    run: Path, digit: tuple[bytes, str]
) -> None:
    with serving(run) as (process, printed):
        head = (
            f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(digit[0])}\r\n\r\n"
        ).encode()
        with _connected(printed["url"]) as connection:
            connection.sendall(head + digit[0][:20])  # and this client goes away
        with _connected(printed["url"]) as connection:
            connection.sendall(head + digit[0][:20])
            assert httpx.get(f"{printed['url']}health").status_code == 200
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            connection.sendall(digit[0][20:])
            assert b" 200 " in connection.recv(65536)
        assert process.communicate(timeout=60)[1] == "headstart: stopped serving.\n"
        assert process.returncode == 143


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
            with _connected(printed["url"]) as connection:
                if number % 2:  # closing resets the connection
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.sendall(request)
                if number % 3 == 0:
                    connection.shutdown(socket.SHUT_WR)
        answer = httpx.post(f"{printed['url']}predict", content=digit[0], timeout=60).json()
        assert answer["label"] == digit[1]
        assert process.poll() is None


def test_a_used_port_is_reported_with_an_alternative(run: Path, headstart: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = headstart("serve", run, "--port", port)
    assert status == 3 and f"port {port} is used by another program" in err and "--port 0" in err


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["nowhere"], 2, "nowhere is not a run folder"),
        (["RUN", "--port", 70000], 2, "from 0 to 65535"),
        (
            ["RUN", "--host", "no.such.host.invalid"],
            2,
            "expected an address of this machine, got 'no.such.host.invalid'",
        ),
        (["RUN", "--host", "192.0.2.1"], 3, "'192.0.2.1' is not an address of this machine"),
    ],
)
def test_an_address_that_cannot_be_used_is_reported(
    run: Path, headstart: Command, words: list[object], status: int, expected: str
) -> None:
    actual, _, err = headstart("serve", *(run if word == "RUN" else word for word in words))
    assert (actual, expected in err) == (status, True), err


def test_a_weak_token_is_refused(
    run: Path, headstart: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_TOKEN", "1234")
    status, _, err = headstart("serve", run, "--port", 0)
    assert status == 2 and "at least 16" in err and "1234" not in err
