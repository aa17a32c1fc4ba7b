"""The benchmark of start-up: what it measures, and how its page compares."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from benchmark_scripts import BENCHMARKS, load_benchmark


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """Return the module of the benchmark."""
    return load_benchmark("startup")


def test_the_page_is_made_from_the_committed_results(benchmark: Any) -> None:
    written = (BENCHMARKS / "startup.md").read_text(encoding="utf-8")
    result = json.loads((BENCHMARKS / "results" / "startup.json").read_text(encoding="utf-8"))
    assert benchmark.page(result) == written


def test_a_row_has_the_ratio_to_pytorch_and_the_target(benchmark: Any) -> None:
    times = {"wall": 2.0, "lowest_wall": 1.5}
    rows = [
        {"command": benchmark.TORCH, **times, "cpu": 1.2, "lowest_cpu": 1.0},
        {"command": "wrong: train, no such data", **times, "cpu": 0.4, "lowest_cpu": 0.3},
    ]
    facts = {"date": "2026-11-30", "processor": "P", "cores": 2, "load": 0.0, "repeats": 1}
    written = benchmark.page({**facts, "versions": {"torch": "2.14"}, "rows": rows})
    assert "| wrong: train, no such data | 2.00 | 1.50 | 0.30 | 0.30 | 0.6 |" in written


def test_a_process_is_measured_by_its_own_processor_time(benchmark: Any) -> None:
    wall, cpu = benchmark.measure(["-c", "import time; time.sleep(0.5)"], dict(os.environ))
    assert wall > 0.5 > cpu
