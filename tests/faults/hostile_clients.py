"""Clients of `headstart serve`: twelve that behave, and four that do not.

By hand, for minutes, with a server in a process of its own:

    python tests/faults/hostile_clients.py --seconds 600

The twelve must get right answers without an error, and the memory of the server must stay flat.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

GOOD_CLIENTS = 12
_RESET = struct.pack("ii", 1, 0)  # closing a connection resets it
_SECONDS_OF_ONE_ATTACK = 2.0
_SECONDS_BETWEEN_ATTACKS = 0.02
_MEASUREMENTS = 10  # of memory, in a run by hand


@dataclass(frozen=True)
class Server:
    """A server, an image, and the right answer to it."""

    host: str
    port: int
    image: bytes
    label: str

    def head(self, length: int) -> bytes:
        """Return the head of a request that announces a body."""
        return (
            f"POST /predict HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection((self.host, self.port), timeout=60)


@dataclass
class Outcome:
    """What the clients saw.

    Attributes:
        counts: Right answers, busy answers and attacks, by name.
        errors: What a client that behaves should not see.
    """

    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


def close_early(server: Server) -> None:
    """Announce an image, send a part of it, and go away."""
    with server.connect() as connection:
        connection.sendall(server.head(len(server.image)) + server.image[:40])


def half_close(server: Server) -> None:
    """Send a request, close the sending half, and never read the answer."""
    with server.connect() as connection:
        connection.sendall(server.head(len(server.image)) + server.image)
        connection.shutdown(socket.SHUT_WR)


def send_slowly(server: Server) -> None:
    """Send the head of a request byte by byte, as slow loris does."""
    with server.connect() as connection:
        end = time.monotonic() + _SECONDS_OF_ONE_ATTACK
        for byte in server.head(10):
            connection.sendall(bytes([byte]))
            if time.monotonic() > end:
                return
            time.sleep(0.05)


def send_too_much(server: Server) -> None:
    """Send megabytes of unknown length, which are more than the server accepts."""
    with server.connect() as connection:
        connection.sendall(
            f"POST /predict HTTP/1.1\r\nHost: {server.host}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        for _ in range(24):
            connection.sendall(chunk)


def reset(server: Server) -> None:
    """Send a request, and reset the connection before the answer."""
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.sendall(server.head(len(server.image)) + server.image)


ATTACKS: tuple[tuple[Callable[[Server], None], ...], ...] = (
    (close_early, reset),
    (half_close,),
    (send_slowly,),
    (send_too_much,),
)


def besiege(server: Server, is_over: Callable[[int], bool], good: int = GOOD_CLIENTS) -> Outcome:
    """Let clients use a server, each in a thread of its own, and four others misbehave meanwhile.

    Args:
        server: The server.
        is_over: Called before each request of a client that behaves, with the number of its
            requests so far. The attacks end with the last of these clients.
        good: Number of clients that behave.
    """
    outcome, stop, lock = Outcome(), threading.Event(), threading.Lock()

    def behave() -> None:
        done = 0
        while not is_over(done):
            done += 1
            problem = predict(server)
            with lock:
                if problem:
                    outcome.errors.append(problem)
                else:
                    outcome.counts["right answers"] += 1

    def misbehave(attacks: tuple[Callable[[Server], None], ...]) -> None:
        while not stop.is_set():
            for attack in attacks:
                with suppress(OSError):  # the server may close the connection
                    attack(server)
                stop.wait(_SECONDS_BETWEEN_ATTACKS)
                with lock:
                    outcome.counts[attack.__name__] += 1

    attackers = [threading.Thread(target=misbehave, args=(attacks,)) for attacks in ATTACKS]
    clients = [threading.Thread(target=behave) for _ in range(good)]
    for thread in (*attackers, *clients):
        thread.start()
    for thread in clients:
        thread.join()
    stop.set()
    for thread in attackers:
        thread.join()
    return outcome


def predict(server: Server) -> str:
    """Ask for a prediction; return what is wrong with the answer, or an empty text."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
    try:
        connection.request("POST", "/predict", server.image)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    if answer.status != 200:
        return f"status {answer.status}: {content[:200]!r}"
    label = json.loads(content)["label"]
    return "" if label == server.label else f"{label} instead of {server.label}"


def resident_megabytes(pid: int) -> float:
    """Return the memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def serve_digits(place: Path) -> Iterator[tuple[Server, subprocess.Popen[str]]]:
    """Train a small classifier of digits, and serve it in a process of its own.

    Args:
        place: An empty folder.
    """
    import numpy as np

    import headstart

    os.environ["XDG_CACHE_HOME"] = str(place / "cache")
    run = place / "run"
    headstart.train("digits", model="mlp", epochs=4, out=run)
    image = _first_image(np.load(run / "gallery.npz")["images"][0])
    label = headstart.predict(run, image)["predictions"][0]["label"]
    command = [sys.executable, "-m", "headstart", "serve", str(run), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["url"].rsplit(":", 1)[1].strip("/"))
        yield Server("127.0.0.1", port, image, label), process
    finally:
        process.kill()
        process.wait()


def main() -> int:
    """Besiege a server of digits, and print what its clients saw and what memory it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, serve_digits(Path(place)) as (server, process):
        # The first requests fill caches and threads.
        warm = besiege(server, lambda done: done >= 20)
        megabytes, errors, counts = [resident_megabytes(process.pid)], warm.errors, Counter[str]()
        for _ in range(_MEASUREMENTS):
            end = time.monotonic() + options.seconds / _MEASUREMENTS
            outcome = besiege(server, lambda _, end=end: time.monotonic() > end)  # type: ignore[misc]
            megabytes.append(resident_megabytes(process.pid))
            errors += outcome.errors
            counts += outcome.counts
        is_alive = process.poll() is None

    for name, count in counts.items():
        print(f"{count:>9,}  {name}")
    for error in errors[:20]:
        print(f"ERROR {error}")
    sizes = ", ".join(f"{size:.0f}" for size in megabytes)
    print(f"{len(errors)} errors; MB of memory that the server used, over time: {sizes}")
    return int(bool(errors) or not is_alive)


def _first_image(pixels: object) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(file, "PNG")  # type: ignore[index]
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
