"""Measure servers under the load of many clients: Headstart's, LitServe and BentoML.

    python benchmarks/serve.py run [--litserve-python PYTHON] [--bentoml-python PYTHON]
    python benchmarks/serve.py run --px 28 --contenders "Headstart, run" --seconds 600
    python benchmarks/serve.py table

At 28 pixels, a `cnn` (preset fast) answers PNG files of MNIST. At 224 pixels, `efficientnet-lite0`
with a linear head answers JPEG files of enlarged CIFAR-10 images. Both are trained first, on few
images. All servers but one serve the same exported ONNX file; that one serves the run itself.

16 clients in this process have one connection each and send one request at a time: JSON with the
file in base64. Every response is compared with the first one for the same image. Clients and server
share the cores of the machine. The limit is decoding and predicting the same files without a
server: one process per core, in batches of 32.

LitServe and BentoML run under the given interpreters, which need ONNX Runtime, NumPy and Pillow as
well. Without one, its rows are not measured. `run` adds a row for each server and size to
`results/serve.json`. A row that is there is not measured again. Exits with status 1 if a response
was wrong or missing.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from result_files import HERE, Page, Row, facts, versions_in

import headstart
from headstart.data import TEST, TRAIN
from headstart.machine import usable_cores

WARM_SECONDS = 3.0  # warm-up, not counted
START_SECONDS = 120.0  # the most until a server answers
IMAGES, LIMIT_BATCH = 256, 32
# Size in pixels: the dataset of the files, and the options of the run.
SETUPS: dict[int, tuple[str, dict[str, Any]]] = {
    28: ("mnist", {"model": "cnn", "preset": "fast", "train_images": 6000, "epochs": 3}),
    224: ("cifar10", {"model": "efficientnet-lite0", "input_px": 224}),
}
LARGE_TRAINING_IMAGES = 300  # of enlarged images, of which a few train a linear head
RUN, ONNX, LITSERVE, BENTOML = (
    "Headstart, run",
    "Headstart, ONNX",
    "LitServe, ONNX",
    "BentoML, ONNX",
)
LIMITS = {RUN: "no server, run", ONNX: "no server, ONNX"}
# Share of the limit, times the responses of each other server, and p99 in medians.
SHARE_GOAL, RATIO_GOAL, P99_GOAL = 0.85, 2.0, 3.0


@dataclass(frozen=True)
class Server:
    """How to start a server, and what its requests and responses are.

    Attributes:
        command: The words of its process for a port.
        environment: Variables of its process.
        key: The JSON key of an image.
        in_lists: Whether a request holds a list of images, and a response a list of labels.
        versions: Versions of its packages.
    """

    command: Callable[[int], list[str]]
    environment: dict[str, str]
    versions: dict[str, str]
    key: str = "image"
    in_lists: bool = False

    def body(self, image: bytes) -> bytes:
        text = base64.b64encode(image).decode()
        return json.dumps({self.key: [text] if self.in_lists else text}).encode()

    def label(self, body: bytes) -> str | None:
        answer = json.loads(body)
        label: str | None = answer[0] if self.in_lists else answer.get("label")
        return label


def make_servers(
    run: Path, onnx: Path, litserve: str | None, bentoml: str | None
) -> dict[str, Server]:
    """Return the servers that can be started."""
    own = versions_in(sys.executable, "torch", "onnxruntime", "uvicorn", "fastapi")

    def serve(model: Path) -> Callable[[int], list[str]]:
        words = [sys.executable, "-m", "headstart", "serve", str(model), "-q", "--port"]
        return lambda port: [*words, str(port)]

    servers = {RUN: Server(serve(run), {}, own), ONNX: Server(serve(onnx), {}, own)}
    if litserve is not None:
        script = str(HERE / "serve_litserve.py")
        servers[LITSERVE] = Server(
            lambda port: [litserve, script, str(onnx), str(port)],
            {},
            versions_in(litserve, "litserve", "onnxruntime"),
        )
    if bentoml is not None:
        words = [bentoml, "-m", "bentoml", "serve", "serve_bentoml:Classify", "--port"]
        servers[BENTOML] = Server(
            lambda port: [*words, str(port), "--working-dir", str(HERE)],
            {"MODEL": str(onnx), "BENTOML_DO_NOT_TRACK": "True"},
            versions_in(bentoml, "bentoml", "onnxruntime"),
            key="images",
            in_lists=True,
        )
    return servers


def train_on(px: int, run: Path) -> None:
    """Train the model of one size, on the named dataset or on a few enlarged images of it."""
    data, options = SETUPS[px]
    dataset = headstart.load(data)
    if dataset.images.shape[1] == px:
        headstart.train(data, out=run, **options)
        return
    rows = np.flatnonzero(dataset.parts == TRAIN)[:LARGE_TRAINING_IMAGES]
    images = np.stack([np.asarray(enlarge(dataset.images[row], px)) for row in rows])
    file = run.with_name("enlarged.npz")
    np.savez(file, x_train=images, y_train=dataset.labels[rows])
    headstart.train(file, out=run, **options)


def enlarge(pixels: NDArray[np.uint8], px: int) -> Image.Image:
    size = (px, px)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def make_files(px: int) -> list[bytes]:
    """Return image files of one size: PNG of MNIST at 28 pixels, JPEG of CIFAR-10 at others."""
    data, _ = SETUPS[px]
    dataset = headstart.load(data)
    files = []
    for pixels in dataset.images[np.flatnonzero(dataset.parts == TEST)[:IMAGES]]:
        buffer = io.BytesIO()
        if pixels.shape[0] == px:
            Image.fromarray(pixels[..., 0]).save(buffer, "PNG")
        else:
            enlarge(pixels, px).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


def measure_server(server: Server, files: list[bytes], clients: int, seconds: float) -> Row:
    """Start a server, drive the clients, and end all its processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            server.command(port),
            env={**os.environ, **server.environment},
            stdout=subprocess.DEVNULL,
            stderr=printed,
        )
        try:
            if not wait_for(process, port, server.body(files[0])):
                printed.seek(0)
                tail = printed.read().decode(errors="replace")[-500:]
                raise SystemExit(f"the server did not answer; it printed:\n{tail}")
            load = Load(server, port, files, clients)
            asyncio.run(load.drive(seconds, process.pid))
        finally:
            end_all(process)
    return load.row()


def wait_for(process: subprocess.Popen[bytes], port: int, body: bytes) -> bool:
    """Wait until the server answers a prediction, and return whether it does."""
    url = f"http://127.0.0.1:{port}/predict"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=30):
            return True
        time.sleep(0.2)
    return False


def end_all(process: subprocess.Popen[bytes]) -> None:
    """End a server and the processes that it started."""
    descendants = set(family_of(process.pid)) - {process.pid}
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    for pid in descendants:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    while any(is_running(pid) for pid in descendants):  # being killed takes a moment
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Return whether a process has not ended. An orphan may stay as a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def family_of(leader: int) -> dict[int, list[str]]:
    """Return the fields of `/proc/PID/stat` of a process and its descendants, by their PID.

    The fields are those after the name: state, parent, and so on.
    """
    fields = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            text = (folder / "stat").read_text().rpartition(")")[2]
            fields[int(folder.name)] = text.split()
    family = {leader: fields[leader]} if leader in fields else {}
    is_complete = False
    while not is_complete:
        children = {pid for pid, own in fields.items() if int(own[1]) in family} - set(family)
        family |= {pid: fields[pid] for pid in children}
        is_complete = not children
    return family


def use_of(leader: int) -> tuple[float, float]:
    """Return the processor seconds and the resident MB of a process and its descendants."""
    seconds = megabytes = 0.0
    for fields in family_of(leader).values():
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        megabytes += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    return seconds, megabytes


class Load:
    """Clients that send the next request as soon as they have a response."""

    def __init__(self, server: Server, port: int, files: list[bytes], clients: int) -> None:
        self.server, self.port, self.clients = server, port, clients
        head = (
            "POST /predict HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\n"
            "Content-Type: application/json\r\n"
            "Content-Length: {}\r\n\r\n"
        )
        bodies = [server.body(file) for file in files]
        self.requests = [head.format(len(body)).encode() + body for body in bodies]
        self.labels: list[str | None] = [None] * len(files)
        self.milliseconds: list[float] = []
        self.megabytes: list[float] = []
        self.wrong = 0
        self.seconds = 0.0
        self.cpu_seconds = (0.0, 0.0)  # of server and clients

    async def drive(self, seconds: float, leader: int) -> None:
        """Run the clients for `seconds` after a warm-up, and record what the server uses."""
        start = time.perf_counter() + WARM_SECONDS
        end = start + seconds
        watch = asyncio.create_task(self._watch(leader, start, end))
        await asyncio.gather(*(self._client(number, start, end) for number in range(self.clients)))
        await watch
        self.seconds = seconds

    async def _client(self, number: int, start: float, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
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
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                continue
            ended = time.perf_counter()
            if start <= began and ended <= end:
                self.milliseconds.append(1000 * (ended - began))
            self._check(place, head, body)
        writer.close()

    def _check(self, place: int, head: bytes, body: bytes) -> None:
        label = self.server.label(body) if head.startswith(b"HTTP/1.1 200") else None
        if self.labels[place] is None:
            self.labels[place] = label
        self.wrong += not label or label != self.labels[place]

    async def _watch(self, leader: int, start: float, end: float) -> None:
        await asyncio.sleep(max(0.0, start - time.perf_counter()))
        before, began = use_of(leader)[0], time.process_time()
        while True:
            seconds, megabytes = use_of(leader)
            self.megabytes.append(megabytes)
            self.cpu_seconds = seconds - before, time.process_time() - began
            if time.perf_counter() >= end:
                return
            await asyncio.sleep(min(1.0, max(0.0, end - time.perf_counter())))

    def row(self) -> Row:
        """Return the measurements."""
        times = np.sort(np.array(self.milliseconds))
        tenth = max(1, len(self.megabytes) // 10)
        server, clients = (1000 * seconds / len(times) for seconds in self.cpu_seconds)
        return {
            "n": len(times),
            "per_second": len(times) / self.seconds,
            "median_ms": float(np.median(times)),
            "p99_ms": float(np.percentile(times, 99)),
            "server_cpu_ms": server,
            "clients_cpu_ms": clients,
            "first_mb": float(np.mean(self.megabytes[:tenth])),
            "last_mb": float(np.mean(self.megabytes[-tenth:])),
            "wrong": self.wrong,
        }


def measure_limit(model: Path, files: list[bytes], seconds: float) -> Row:
    """Decode and predict without a server, in one process per core."""
    context = multiprocessing.get_context("spawn")
    cores = usable_cores()
    barrier, counts = context.Barrier(cores), context.SimpleQueue()
    workers = [
        context.Process(
            target=_predict_alone, args=(number, model, files, seconds, barrier, counts)
        )
        for number in range(cores)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise SystemExit("a process of the limit failed; see its traceback above.")
    measured = [counts.get() for _ in workers]
    n = sum(count for count, _, _ in measured)
    return {
        "n": n,
        "per_second": sum(count / spent for count, spent, _ in measured),
        "server_cpu_ms": 1000 * sum(cpu for _, _, cpu in measured) / n,
    }


def _predict_alone(
    number: int, model: Path, files: list[bytes], seconds: float, barrier: Any, counts: Any
) -> None:
    """Predict for so many seconds on one core; put images, seconds and processor seconds."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number]})
    from headstart.classifier import prepare_process
    from headstart.data import read_untrusted_image
    from headstart.deploy import open_model

    prepare_process()
    opened = open_model(model)
    resize, shape = opened.preprocessing.resize, opened.image_shape

    def predict(start: int) -> None:
        chosen = [files[(start + place) % len(files)] for place in range(LIMIT_BATCH)]
        pixels = [read_untrusted_image(file, shape, resize) for file in chosen]
        opened.predict(np.stack(pixels))

    predict(0)
    barrier.wait()
    count, started, began = 0, time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - started) < seconds:
        predict(count)
        count += LIMIT_BATCH
    counts.put((count, spent, time.process_time() - began))


def table_of(rows: list[Row]) -> list[str]:
    """Return responses per second and times of each server, by image size."""
    columns = ["pixels", "server", "seconds", "n", "responses per second", "share of the limit"]
    columns += ["median, p99 (ms)", "processor ms per response: server, clients"]
    columns += ["MB, first and last tenth", "wrong"]
    lines = [f"| {' | '.join(columns)} |\n", "|---" * len(columns) + "|\n"]
    missed = []
    for row in sorted(rows, key=lambda row: (row["px"], row["seconds"])):
        limit = LIMITS.get(row["contender"], LIMITS[ONNX])
        share = ratio_to(rows, row, limit)
        cells = [str(row["px"]), row["contender"], f"{row['seconds']:g}", f"{row['n']:,}"]
        cells += [f"{row['per_second']:,.0f}"]
        if "median_ms" in row:
            cells += ["" if share is None else f"{share:.0%}"]
            cells += [f"{row['median_ms']:.1f}, {row['p99_ms']:.1f}"]
            cells += [f"{row['server_cpu_ms']:.2f}, {row['clients_cpu_ms']:.2f}"]
            cells += [f"{row['first_mb']:.0f}, {row['last_mb']:.0f}", f"{row['wrong']:,}"]
        else:
            cells += ["", "", f"{row['server_cpu_ms']:.2f}", "", ""]
        lines.append(f"| {' | '.join(cells)} |\n")
        if row["contender"] in (RUN, ONNX):
            missed += missed_by(rows, row, share)
    listed = "".join(f"- {line}\n" for line in missed) or "- none\n"
    return [*lines, f"\n**Goals missed**:\n\n{listed}"]


def ratio_to(rows: list[Row], row: Row, contender: str) -> float | None:
    """Return the responses of a row relative to those of another contender, if it is there."""
    for other in rows:
        same = all(other[key] == row[key] for key in ("px", "seconds", "clients"))
        if same and other["contender"] == contender:
            return float(row["per_second"] / other["per_second"])
    return None


def missed_by(rows: list[Row], row: Row, share: float | None) -> list[str]:
    """Return the goals that one of our servers misses."""
    title, missed = f"{row['contender']}, {row['px']} pixels", []
    if share is not None and share < SHARE_GOAL:
        missed.append(f"{title}: {share:.0%} of the limit instead of {SHARE_GOAL:.0%}.")
    for name in (LITSERVE, BENTOML):
        ratio = ratio_to(rows, row, name)
        if ratio is not None and ratio < RATIO_GOAL:
            missed.append(f"{title}: {ratio:.2f} times {name} instead of {RATIO_GOAL:g}.")
    p99 = row["p99_ms"] / row["median_ms"]
    if p99 >= P99_GOAL:
        missed.append(f"{title}: p99 is {p99:.1f} medians instead of at most {P99_GOAL:g}.")
    return missed


PAGE = Page("serve", "serve.md", ("px", "contender", "seconds", "clients"), table_of)


def measure_size(px: int, given: argparse.Namespace, names: list[str]) -> int:
    """Measure the contenders of one size that are not measured yet, and return wrong responses."""
    results, wrong = PAGE.results, 0
    with tempfile.TemporaryDirectory() as place:
        run, onnx = Path(place, "run"), Path(place, "model.onnx")
        train_on(px, run)
        headstart.export(run, out=onnx)
        files = make_files(px)
        servers = make_servers(run, onnx, given.litserve_python, given.bentoml_python)
        models = {LIMITS[RUN]: run, LIMITS[ONNX]: onnx}
        for name in (*servers, *models):
            cell = {"px": px, "contender": name, "seconds": given.seconds, "clients": given.clients}
            if (names and name not in names) or results.find(**cell) is not None:
                continue
            before = facts("torch", "onnxruntime", load=os.getloadavg()[0])
            if name in models:
                measured = measure_limit(models[name], files, given.seconds)
            else:
                measured = measure_server(servers[name], files, given.clients, given.seconds)
                before["versions"] = servers[name].versions
            results.add({**cell, **before, **measured})
            wrong += measured.get("wrong", 0)
            print(f"{px} px, {name}: {measured['per_second']:,.0f} per second", flush=True)
    return wrong


def main() -> None:
    parser = PAGE.parser(__doc__)
    parser.add_argument("--px", default="28,224")
    parser.add_argument("--contenders", action="append", default=[], help="repeat it; default: all")
    parser.add_argument("--litserve-python", help="an interpreter with LitServe")
    parser.add_argument("--bentoml-python", help="an interpreter with BentoML")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=15)
    given = parser.parse_args()
    PAGE.use(given.results)
    wrong = 0
    if given.action == "run":
        for px in map(int, given.px.split(",")):
            wrong += measure_size(px, given, given.contenders)
    PAGE.write()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
