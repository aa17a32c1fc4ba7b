"""The benchmarks of speed against other tools: their pages are what their result files say."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_scripts import load_benchmark
from headstart.data import load

FACTS = {"date": "2026-11-30", "processor": "P with AMX", "cores": 2, "load": 0.1}
FACTS["versions"] = {"torch": "2.14.1"}
NAMES = ("time_to_accuracy", "time_to_tune", "features", "serve")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_made_from_the_committed_results(name: str) -> None:
    page = load_benchmark(name).PAGE
    assert page.text() == page.path.read_text(encoding="utf-8")


def test_other_results_are_printed_and_the_page_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = load_benchmark("serve").PAGE
    before = page.path.read_text(encoding="utf-8")
    row = {"px": 28, "contender": "LitServe, ONNX", "seconds": 4.0, "clients": 16, "n": 40}
    page.use(tmp_path / "serve.json").add({**row, **served(), **FACTS})
    page.write()
    assert "| 28 | LitServe, ONNX | 4 | 40 | 10 |" in capsys.readouterr().out
    assert page.path.read_text(encoding="utf-8") == before


def test_a_row_is_found_by_its_keys_on_this_processor_and_replaced(tmp_path: Path) -> None:
    shared = load_benchmark("result_files")
    results = shared.ResultFile(tmp_path / "rows.json", ("seed",))
    assert results.find(seed=0) is None
    results.add({"seed": 0, "seconds": 1.0, **shared.facts("torch", "no-such-package")})
    results.add({"seed": 1, "seconds": 2.0, **shared.facts()})
    results.add({"seed": 0, "seconds": 3.0, **FACTS})
    assert results.find(seed=0)["seconds"] == 1.0
    assert list(results.find(seed=0)["versions"]) == ["torch"]

    results.add({"seed": 0, "seconds": 4.0, **shared.facts()})
    assert [row["seconds"] for row in results.read()] == [2.0, 3.0, 4.0]


def trained(contender: str, seed: int, seconds: float, accuracy: float, **more: Any) -> Any:
    cell = {"data": "fashion-mnist", "contender": contender, "options": "", "seed": seed}
    return {**cell, "epochs": 2, "seconds": seconds, "accuracy": accuracy, **more, **FACTS}


def test_time_to_accuracy_counts_from_the_first_epoch_at_the_target() -> None:
    benchmark = load_benchmark("time_to_accuracy")
    epochs = [{"seconds": 150.0, "accuracy": 0.91}, {"seconds": 300.0, "accuracy": 0.921}]
    rows = [
        trained("fast", 0, 9.0, 0.921, command_seconds=14.0),
        trained("fast", 1, 11.0, 0.923, command_seconds=16.0),
        trained("Keras CNN", 0, 300.0, 0.921, by_epoch=epochs),
        trained("Keras CNN", 1, 280.0, 0.915, by_epoch=epochs[:1]),
    ]
    text = "".join(benchmark.table_of(rows))
    assert "| fashion-mnist | fast |  | 2 | 10.0 | 15.0 | 2.0 | 92.10%, 92.30% | 92.20% |" in text
    assert "ended after: 300.0 s, never." in text
    assert "29.0 times faster" in text  # the median of 300 and 280, divided by 10
    assert "30 times" in text and text.rstrip().endswith("missed.")  # the goal with AMX

    rows[0]["processor"] = rows[2]["processor"] = rows[3]["processor"] = "P with AVX512-BF16"
    assert "20 times" in "".join(benchmark.table_of(rows[::-1]))


def test_time_to_tune_compares_the_accuracy_at_the_same_time() -> None:
    benchmark = load_benchmark("time_to_tune")
    history = [(8.0, 0.96), (20.0, 0.975), (150.0, 0.98), (201.0, 0.99)]
    ours = [{"seconds": at, "best_validation": best} for at, best in history]
    row = {"seed": 0, "options": "", "n": 13_860, "headstart": ours, **FACTS}
    row["peer"] = {"seconds": 200.0, "best_validation": 0.97}
    text = "".join(benchmark.table_of([row]))
    assert "| 0 |  | 200.0 s, 97.00% | 20.0 s | 10.0 | 98.00% | +1.00 |" in text
    assert "10.0 times faster** (goal 10: met)" in text
    assert "**+1.00 points** (goal +1.2: missed)" in text


def test_the_same_search_is_given_to_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = load_benchmark("time_to_tune")
    peer = tmp_path / "peer.py"
    line = json.dumps({"seconds": 600.0, "best_validation": 0.5})
    peer.write_text(f"print({line!r})")
    given = benchmark.PAGE.parser("").parse_args(["run"])
    given.peer, given.peer_python, given.peer_data = peer, sys.executable, tmp_path
    digits = tmp_path / "digits.npz"
    images, labels = load("digits").images[:600, ..., 0], load("digits").labels[:600]
    train, validation = (images[:400], labels[:400]), (images[400:], labels[400:])
    np.savez(
        digits,
        x_train=train[0],
        y_train=train[1],
        x_validation=validation[0],
        y_validation=validation[1],
    )
    monkeypatch.setattr(benchmark, "same_digits", lambda folder, out: digits)

    row = benchmark.measure(given, 0, ["--trials", "2", "--epochs", "3"])
    assert row["peer"] == {"seconds": 600.0, "best_validation": 0.5}
    assert row["options"] == "--trials 2 --epochs 3" and row["seed"] == 0
    assert row["headstart"] and 0 <= row["headstart"][0]["best_validation"] <= 1


def test_features_are_compared_with_the_best_of_the_others() -> None:
    benchmark = load_benchmark("features")
    speeds = {
        name: {"seconds": seconds, "cpu_seconds": 2 * seconds, "cosine": 1.0}
        for name, seconds in (("resizing of the others", 1e-4), ("timm", 4e-3), ("OpenVINO", 1e-3))
    }
    speeds["Headstart"] = {"seconds": 0.625e-3, "cpu_seconds": 1e-3, "cosine": 0.9995}
    row = {"network": "efficientnet-lite0", "px": 128, "n": 64, "threads": 2, "speeds": speeds}
    row["cosine"] = {"fashion-mnist": {"mean": 0.9988, "1%": 0.99, "minimum": 0.98}}
    row |= {"probe": {}, "left_out": {"ONNX Runtime": "onnxruntime is not installed"}, **FACTS}
    text = "".join(benchmark.table_of([row]))
    assert "| efficientnet-lite0, 128 | 64 | 250 | 1,000 | 1,600 | 1.60 | 2 |" in text
    assert "without ONNX Runtime: onnxruntime is not installed" in text
    missed = text[text.index("**Goals missed**") :]
    assert "speed of efficientnet-lite0, 128" in missed and "on fashion-mnist" in missed


def test_all_features_are_those_of_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = load_benchmark("features")

    def missing(*_: object) -> None:
        raise ImportError(name="openvino")

    monkeypatch.setattr(benchmark, "use_compiled", missing)
    monkeypatch.setattr(benchmark, "use_openvino", missing)
    monkeypatch.setattr(benchmark, "SPEED_DATA", "digits")
    monkeypatch.setattr(benchmark, "COSINE_DATA", ("digits",))
    monkeypatch.setattr(benchmark, "BATCH", 8)
    row = benchmark.measure("test_resnet", 64, 16, 1)
    without = ("torch.compile", "torch.compile, bfloat16", "OpenVINO", "OpenVINO, bfloat16")
    assert row["left_out"] == dict.fromkeys(without, "openvino is not installed")
    speeds = row["speeds"]
    assert set(speeds) == {"resizing of the others", "timm", "ONNX Runtime", "Headstart"}
    assert speeds["ONNX Runtime"]["cosine"] > 0.9999
    assert row["cosine"]["digits"]["mean"] > 0.99
    assert all(each["seconds"] > 0 and each["cpu_seconds"] > 0 for each in speeds.values())


def served(**more: float) -> dict[str, float]:
    times = {"per_second": 10.0, "median_ms": 4.0, "p99_ms": 9.0, "wrong": 0}
    use = {"server_cpu_ms": 1.0, "clients_cpu_ms": 0.1, "first_mb": 600.0, "last_mb": 606.0}
    return {**times, **use, **more}


def test_a_server_is_compared_with_its_limit_and_the_others() -> None:
    benchmark = load_benchmark("serve")
    cell = {"px": 28, "seconds": 15.0, "clients": 16, "n": 150, **FACTS}
    rates = {"Headstart, ONNX": 90, "LitServe, ONNX": 30, "BentoML, ONNX": 60}
    rows = [{**cell, "contender": name, **served(per_second=rate)} for name, rate in rates.items()]
    alone = {"per_second": 120.0, "server_cpu_ms": 2.0}
    rows.append({**cell, "contender": "no server, ONNX", **alone})
    text = "".join(benchmark.table_of(rows))
    assert "| 28 | Headstart, ONNX | 15 | 150 | 90 | 75% | 4.0, 9.0 |" in text
    missed = text[text.index("**Goals missed**") :]
    assert "75% of the limit instead of 85%" in missed
    assert "1.50 times BentoML" in missed
    assert "LitServe" not in missed and "p99" not in missed


ECHO = """
import json, sys, subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Handler.count += 1
        wrong = sys.argv[1] == "wrong" and Handler.count % 10 == 0
        answer = json.dumps({"label": "" if wrong else json.loads(body)["image"][:8]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *words):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""


@pytest.mark.parametrize("kind", ["right", "wrong"])
def test_clients_check_each_response_and_the_whole_family_is_ended(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = load_benchmark("serve")
    monkeypatch.setattr(benchmark, "WARM_SECONDS", 0.2)
    started = []

    def command(port: int) -> list[str]:
        return [sys.executable, "-c", ECHO, kind, str(port)]

    def end_all(process: Any) -> None:
        started.extend(benchmark.family_of(process.pid))
        original(process)

    original = benchmark.end_all
    monkeypatch.setattr(benchmark, "end_all", end_all)
    server = benchmark.Server(command, {}, {})
    row = benchmark.measure_server(server, [b"first image", b"second image"], 2, 1.0)
    assert row["n"] > 10 and row["per_second"] == row["n"]
    assert (row["wrong"] > 0) == (kind == "wrong")
    assert row["first_mb"] > 5 and row["p99_ms"] >= row["median_ms"] > 0
    assert len(started) == 2
    assert not any(benchmark.is_running(pid) for pid in started)


def test_a_list_of_labels_is_what_bentoml_answers() -> None:
    benchmark = load_benchmark("serve")
    server = benchmark.Server(lambda port: [], {}, {}, key="images", in_lists=True)
    assert json.loads(server.body(b"abc")) == {"images": ["YWJj"]}
    assert server.label(b'["seven"]') == "seven"
    assert dataclasses.replace(server, in_lists=False).label(b'{"label": "7"}') == "7"
