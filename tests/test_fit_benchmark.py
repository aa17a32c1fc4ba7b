"""The benchmark of `fit`: its page is what its results say."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark_scripts import load_benchmark


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """Return the module of the benchmark."""
    return load_benchmark("fit")


def test_the_page_is_made_from_the_committed_results(benchmark: Any) -> None:
    assert benchmark.PAGE.text() == benchmark.PAGE.path.read_text(encoding="utf-8")


def test_a_row_has_means_spreads_and_the_gain_over_the_best_other(benchmark: Any) -> None:
    cell = {"data": "d", "limit": 60, "seconds": 50.0, "processor": "P", "date": "2026-11-30"}
    rows = [
        {**cell, "seed": 0, "method": "fit", "accuracy": 0.90},
        {**cell, "seed": 1, "method": "fit", "accuracy": 0.92},
        {**cell, "seed": 0, "method": "cnn", "accuracy": 0.80},
        {**cell, "seed": 0, "limit": 0, "method": "scikit-learn", "accuracy": 0.85},
        {**cell, "seed": 0, "method": "frozen", "accuracy": None},
    ]
    (row,) = benchmark.table_of(rows)[2:]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:2] == ["d", "60 s"]
    assert cells[2] == "91.0% ± 1.4 (2, 50 s)"
    assert cells[3] == "80.0% (1, 50 s)"
    assert cells[4] == "failed"
    assert cells[6] == "85.0% (1, 50 s)"
    assert cells[-1] == "+6.0"
