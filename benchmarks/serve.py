"""Measure requests per second, response times and server memory under the load of many clients.

    python benchmarks/serve.py --minutes 10
    python benchmarks/serve.py --run runs/mine --clients 16

Starts `headstart serve` for the run. By default this is a `cnn` (preset fast) that is first trained
on 6,000 MNIST images. 16 clients in this process have one connection each and send one request at a
time. Every response is compared with the first one for the same image. Clients and server share the
cores of the machine. Exits with status 1 if a response was wrong or missing.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

import headstart

PROGRAM = [sys.executable, "-m", "headstart"]
WARM_SECONDS = 5.0  # warm-up, not counted
IMAGES = 256


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = args.run or Path(folder) / "run"
        if args.run is None:
            headstart.train(
                "mnist", model="cnn", preset="fast", train_images=6000, epochs=3, out=run
            )
        command = [*PROGRAM, "serve", str(run), "--port", "0", "--json", "-q"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            load = Load(url, images_of(run), args.clients)
            asyncio.run(load.drive(60 * args.minutes, server.pid))
        finally:
            server.terminate()
            server.wait()
    sys.exit(load.report())


def images_of(run: Path) -> list[bytes]:
    """Return PNG files in the run's image shape: MNIST test images if they fit, otherwise noise."""
    shape = tuple(json.loads((run / "classifier.json").read_text())["image_shape"])
    images = headstart.load("mnist").images[-IMAGES:]
    if shape != images.shape[1:]:
        images = np.random.default_rng(0).integers(0, 255, (IMAGES, *shape)).astype(np.uint8)
    files = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image[..., 0] if shape[2] == 1 else image).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return files


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that all threads of a process have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    """Clients that send the next request as soon as they have a response."""

    def __init__(self, url: str, images: list[bytes], clients: int) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.clients = str(parts.hostname), int(parts.port or 0), clients
        head = (
            "POST /predict HTTP/1.1\r\n"
            "Host: {}\r\n"
            "Content-Type: image/png\r\n"
            "Content-Length: {}\r\n\r\n"
        )
        self.requests = [head.format(parts.netloc, len(image)).encode() + image for image in images]
        self.labels: list[str | None] = [None] * len(images)
        self.milliseconds: list[float] = []
        self.memory_mb: list[float] = []
        self.wrong = 0
        self.seconds = 0.0
        self.cpu_seconds = (0.0, 0.0)  # of server and clients

    async def drive(self, seconds: float, pid: int) -> None:
        """Run the clients for `seconds` after a warm-up, and record the memory of process `pid`."""
        start = time.perf_counter() + WARM_SECONDS
        end = start + seconds
        watch = asyncio.create_task(self._watch(pid, start, end))
        await asyncio.gather(*(self._client(number, start, end) for number in range(self.clients)))
        await watch
        self.seconds = seconds

    async def _client(self, number: int, start: float, end: float) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        place = number * 7
        while (began := time.perf_counter()) < end:
            place = (place + 1) % len(self.requests)
            writer.write(self.requests[place])
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                body = await reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.wrong += 1
                reader, writer = await asyncio.open_connection(self.host, self.port)
                continue
            if began >= start:
                self.milliseconds.append(1000 * (time.perf_counter() - began))
            self._check(place, head, body)
        writer.close()

    def _check(self, place: int, head: bytes, body: bytes) -> None:
        label = json.loads(body).get("label") if head.startswith(b"HTTP/1.1 200") else ""
        if self.labels[place] is None:
            self.labels[place] = label
        self.wrong += not label or label != self.labels[place]

    async def _watch(self, pid: int, start: float, end: float) -> None:
        await asyncio.sleep(max(0.0, start - time.perf_counter()))
        before = cpu_seconds(pid), time.process_time()
        while time.perf_counter() < end:
            status = Path(f"/proc/{pid}/status").read_text()
            self.memory_mb.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
            await asyncio.sleep(min(1.0, max(0.0, end - time.perf_counter())))
        self.cpu_seconds = cpu_seconds(pid) - before[0], time.process_time() - before[1]

    def report(self) -> int:
        """Print the results and return the exit status: 1 if a response was wrong."""
        times = np.sort(np.array(self.milliseconds))
        tenth = max(1, len(self.memory_mb) // 10)
        first, last = np.mean(self.memory_mb[:tenth]), np.mean(self.memory_mb[-tenth:])
        print(
            f"{self.clients} clients, {self.seconds:.0f} s: {len(times):,} responses, "
            f"{len(times) / self.seconds:,.0f} per second"
        )
        p50, p99 = np.percentile(times, (50, 99))
        print(
            f"time per response: median {p50:.1f} ms, p99 {p99:.1f} ms, maximum {times[-1]:.0f} ms"
        )
        server, clients = (1000 * seconds / len(times) for seconds in self.cpu_seconds)
        print(f"CPU time per response: server {server:.2f} ms, clients {clients:.2f} ms")
        print(
            f"memory of the server: {first:.0f} MB in the first tenth, "
            f"{last:.0f} MB in the last ({last / first - 1:+.1%})"
        )
        print(f"wrong or missing responses: {self.wrong}")
        return 1 if self.wrong else 0


if __name__ == "__main__":
    main()
