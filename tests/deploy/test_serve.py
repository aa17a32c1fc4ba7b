"""`headstart serve`: its answers, its page, its start and its end."""

from __future__ import annotations

import base64
import io
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel
from serving import (  # noqa: F401  # fixtures among them
    connected,
    png_of,
    served_digit,
    served_run,
    served_server,
    serving,
    serving_app,
)

import headstart
from headstart.deploy import open_model
from headstart.deploy.server import _app, _serve, _service
from headstart.deploy.server._card import model_card
from headstart.deploy.server._responses import (
    Explanation,
    Health,
    ModelCard,
    Prediction,
    Problem,
)

Command = Callable[..., tuple[int, str, str]]


def test_the_server_predicts_as_the_predict_command(
    server: str, run: Path, digit: tuple[bytes, str]
) -> None:
    image, _ = digit
    expected = headstart.predict(run, image)["predictions"][0]
    answer = httpx.post(f"{server}predict", content=image)
    text = base64.b64encode(image).decode()
    as_json = httpx.post(f"{server}predict", json={"image": text})
    as_url = httpx.post(f"{server}predict", json={"image": f"data:image/png;base64,{text}"})
    assert answer.status_code == 200
    result = answer.json()
    assert result == as_json.json() == as_url.json()
    assert (
        result["label"] == expected["label"]
        and next(iter(result["probabilities"])) == expected["label"]
    )
    assert result["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


def test_the_python_example_of_the_documentation_runs(
    server: str, digit: tuple[bytes, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("photo.jpg").write_bytes(digit[0])
    names: dict[str, Any] = {}
    exec(compile(example.replace("http://127.0.0.1:8000/", server), "serve.md", "exec"), names)
    assert names["prediction"] == httpx.post(f"{server}predict", content=digit[0]).json()


def test_the_default_content_type_of_curl_is_accepted(
    server: str, digit: tuple[bytes, str]
) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert (
        httpx.post(f"{server}predict", content=digit[0], headers=kind).json()["label"] == digit[1]
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda image: base64.encodebytes(image).decode(),
        lambda image: base64.urlsafe_b64encode(image).decode().rstrip("="),
        lambda image: f"DATA:image/png;BASE64,{base64.b64encode(image).decode()}",
    ],
)
def test_base64_is_read_as_programs_write_it(
    server: str, digit: tuple[bytes, str], write: Callable[[bytes], str]
) -> None:
    answer = httpx.post(f"{server}predict", json={"image": write(digit[0])})
    assert answer.json()["label"] == digit[1], answer.text


def test_an_image_that_curl_changed_is_answered_with_the_right_option(
    server: str, digit: tuple[bytes, str]
) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    without_line_ends = digit[0].replace(b"\r", b"").replace(b"\n", b"")
    answer = httpx.post(f"{server}predict", content=without_line_ends, headers=kind)
    assert answer.status_code == 422
    assert "curl --data-binary @image.png (-d and --data change them)" in answer.json()["hint"]


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


@pytest.mark.parametrize("path", ["", "page.js", "model", "health", "openapi.json"])
def test_head_gives_the_headers_of_get_without_the_body(server: str, path: str) -> None:
    with connected(server) as connection:
        request = f"HEAD /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1
    length = httpx.get(f"{server}{path}", headers={"accept-encoding": "identity"}).headers
    assert f"content-length: {length['content-length']}\r\n".encode() in answer


@pytest.mark.parametrize(("method", "path"), [("POST", "model"), ("GET", "predict")])
def test_a_wrong_method_is_refused_with_a_message(server: str, method: str, path: str) -> None:
    refused = httpx.request(method, f"{server}{path}")
    assert refused.status_code == 405 and method not in refused.headers["allow"]
    assert refused.json() == {
        "error": "Method Not Allowed.",
        "hint": "GET /openapi.json lists all paths and methods.",
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
    for part in ("", "page.css", "formatting.js", "shared.js", "page.js"):
        text = httpx.get(f"{server}{part}").text
        assert len(text) > 800
        assert "https://" not in text and "style=" not in text and " onclick" not in text


def test_concurrent_clients_get_their_own_answers(server: str, run: Path) -> None:
    rng = np.random.default_rng(0)
    images = [png_of(rng.integers(0, 255, (8, 8)).astype(np.uint8)) for _ in range(40)]
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


def test_a_signal_stops_the_server_after_the_answers_in_progress(
    run: Path, digit: tuple[bytes, str]
) -> None:
    with serving(run) as (process, printed):
        head = (
            f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(digit[0])}\r\n\r\n"
        ).encode()
        with connected(printed["url"]) as connection:
            connection.sendall(head + digit[0][:20])  # and this client goes away
        with connected(printed["url"]) as connection:
            connection.sendall(head + digit[0][:20])
            assert httpx.get(f"{printed['url']}health").status_code == 200
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            connection.sendall(digit[0][20:])
            assert b" 200 " in connection.recv(65536)
        assert process.communicate(timeout=60)[1] == "headstart: stopped serving.\n"
        assert process.returncode == 143


def test_a_request_that_outlasts_a_stop_gets_status_503_without_a_traceback(
    run: Path,
    digit: tuple[bytes, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    started, gate = threading.Event(), threading.Event()

    def slowly(*_: object) -> None:
        started.set()
        gate.wait(20)

    model = open_model(run)
    monkeypatch.setattr(_service, "explain", slowly)
    monkeypatch.setattr(_serve, "_GRACE_SECONDS", 0)
    app = _app.make_app(model, model_card(run, model))
    with serving_app(app) as (url, served), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, f"{url}explain", content=digit[0], timeout=30)
        assert started.wait(20)
        served.should_exit = True
        try:
            result = answer.result(20)
        finally:
            gate.set()
    assert (result.status_code, result.json()["error"]) == (503, "the server is stopping.")
    assert not any(record.exc_info for record in caplog.records)


def test_a_used_port_is_reported_with_an_alternative(run: Path, headstart: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = headstart("serve", run, "--port", port)
    assert status == 3 and f"port {port} is used by another program" in err and "--port 0" in err


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["nowhere"], 2, "nowhere does not exist"),
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
