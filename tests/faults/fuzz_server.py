"""Mutated requests for `headstart serve`: no status 500, and right answers to others in between.

    python tests/faults/fuzz_server.py --seconds 600 --seed 1

Half of the requests have a mutated body of the right length. In the other half, any byte may be
changed. Each request is a function of the seed and its number.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import fuzz
import hostile_clients

_ANSWER_SECONDS = 0.5  # a request that was cut off has no answer
_REQUESTS_PER_CHECK = 100


def valid_requests(server: hostile_clients.Server) -> list[tuple[str, bytes]]:
    """Return the start of valid requests, without the length, and their bodies."""
    host = f"Host: {server.host}\r\nConnection: close\r\n"
    bodies = [server.image, *(fuzz.picture(kind) for kind in ("JPEG", "PNG", "WEBP", "BMP"))]
    requests = [(f"POST /predict?drawing=true HTTP/1.1\r\n{host}", body) for body in bodies]
    content = {"image": base64.b64encode(server.image).decode(), "drawing": True}
    head = f"POST /predict HTTP/1.1\r\n{host}Content-Type: application/json\r\n"
    requests.append((head, json.dumps(content).encode()))
    requests.append((f"POST /explain?class=3 HTTP/1.1\r\n{host}", server.image))
    for path in ("/", "/model", "/health", "/openapi.json", "/nothing"):
        requests.append((f"GET {path} HTTP/1.1\r\n{host}", b""))
    return requests


class ServerFuzzer:
    """A server, fed with mutated requests.

    Args:
        server: The server.
        seed: Seed of all requests.

    Attributes:
        counts: Number of requests by the status of their answer; "none" without an answer.
        failures: What should not have happened.
    """

    def __init__(self, server: hostile_clients.Server, seed: int) -> None:
        self._server, self._seed = server, seed
        self._requests = valid_requests(server)
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def run(self, number: int) -> None:
        """Send one request, and from time to time a valid one."""
        rng = random.Random(f"{self._seed}/{number}")
        head, body = rng.choice(self._requests)
        is_body = bool(body) and rng.random() < 0.5
        if is_body:
            body = fuzz.mutate(body, rng)
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        if not is_body:
            request = fuzz.mutate(request, rng)

        status = self._answer(request)
        self.counts[status] += 1
        if status == "500" or not (status.isdigit() or status == "none"):
            self.failures.append(f"request {number}: status {status}")
        if number % _REQUESTS_PER_CHECK == 0:
            problem = hostile_clients.predict(self._server)
            if problem:
                self.failures.append(f"the valid request after {number}: {problem}")

    def _answer(self, request: bytes) -> str:
        """Return the status of the answer to a request; "none" if there is no answer."""
        answer = b""
        with self._server.connect() as connection:
            connection.settimeout(_ANSWER_SECONDS)
            with suppress(OSError):  # the server may close the connection
                connection.sendall(request)
            with suppress(OSError):
                while b"\r\n" not in answer and (part := connection.recv(4096)):
                    answer += part
        words = answer.split(b"\r\n")[0].decode("latin-1").split()
        return words[1] if len(words) > 1 and words[0].startswith("HTTP/1.") else "none"


def main() -> int:
    """Fuzz for some seconds, print the counts, and return 1 if there is a failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as place,
        hostile_clients.serve_digits(Path(place)) as (server, process),
    ):
        fuzzer = ServerFuzzer(server, options.seed)
        for number in range(_REQUESTS_PER_CHECK):  # the first ones fill caches and threads
            fuzzer.run(number)
        before = hostile_clients.resident_megabytes(process.pid)
        end = time.monotonic() + options.seconds
        number = _REQUESTS_PER_CHECK
        while time.monotonic() < end and process.poll() is None:
            fuzzer.run(number)
            number += 1
        after = hostile_clients.resident_megabytes(process.pid)
        is_alive = process.poll() is None

    for status, count in sorted(fuzzer.counts.items()):
        print(f"{count:>9,}  {status}")
    for failure in fuzzer.failures[:50]:
        print(f"FAILURE {failure}")
    print(f"seed {options.seed}: {number:,} requests, {len(fuzzer.failures)} failures; ", end="")
    print(f"the server used {before:.0f} MB, and {after:.0f} MB at the end")
    return int(bool(fuzzer.failures) or not is_alive)


if __name__ == "__main__":
    sys.exit(main())
