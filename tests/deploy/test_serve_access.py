"""Who may use `headstart serve`: hosts, origins, tokens and paths."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from serving import (  # noqa: F401  # fixtures among them
    raw,
    served_digit,
    served_run,
    served_server,
    serving,
    serving_here,
)

from headstart.deploy.server import _serve
from headstart.deploy.server._access import Access

Command = Callable[..., tuple[int, str, str]]


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
    answer = raw(
        server, f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    assert b" 404 " in answer and b"root:" not in answer


def test_other_methods_and_a_thousand_ranges_have_no_effect(server: str) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert httpx.request(method, f"{server}predict").status_code == 405
    ranges = "bytes=" + ",".join(f"{start}-{start + 1}" for start in range(1000))
    assert httpx.get(f"{server}page.js", headers={"range": ranges}).status_code == 200
    answer = raw(
        server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 10_000_000 + b"\r\n\r\n"
    )
    assert b" 400 " in answer or answer == b""
    assert httpx.get(f"{server}health").status_code == 200


def test_requests_without_the_token_are_refused(run: Path, digit: tuple[bytes, str]) -> None:
    token = "a-token-of-my-own"
    with serving_here(run, access=Access(any_address=True, token=token)) as url:
        for path in ("health", "model", "page.js", "nowhere"):
            assert httpx.get(url + path).status_code == 401
        assert httpx.get(url).status_code == 401 and "token" in httpx.get(url).text
        for wrong in ("Bearer", "Bearer x", f"Basic {token}", f"Bearer {token[:-1]}"):
            for body in (digit[0], bytes(500_000)):
                headers = {"authorization": wrong}
                answer = httpx.post(f"{url}predict", content=body, headers=headers)
                assert answer.status_code == 401
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


def test_a_weak_token_is_refused(
    run: Path, headstart: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_TOKEN", "1234")
    status, _, err = headstart("serve", run, "--port", 0)
    assert status == 2 and "at least 16" in err and "1234" not in err
