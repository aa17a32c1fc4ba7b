"""The GPU benchmark: all its sections on a CPU with tiny data, and what it does about failures."""

from __future__ import annotations

import importlib
import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.classifier import best_device
from headstart.data import TEST, TRAIN, Dataset, load
from headstart.errors import InputError

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module of the benchmark."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("gpu")


@pytest.fixture
def coloured(digits: Dataset) -> Dataset:
    """Return 100 images in colour, of which each tenth is a test image."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (100, 8, 8, 3)).astype(np.uint8)
    dataset = load((images, np.arange(100) % 4, ("a", "b", "c", "d")))
    parts = np.where(np.arange(100) % 10, TRAIN, TEST).astype(np.uint8)
    return replace(dataset, name="noise", parts=parts)


@pytest.mark.slow
def test_every_section_runs_on_tiny_data(
    gpu: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu.json"
    assert gpu.main(["--small", "--out", str(out)]) == 0

    result = json.loads(out.read_text())
    errors = {section["name"]: section["error"] for section in result["sections"]}
    assert errors == dict.fromkeys(gpu.SECTIONS)
    assert result["machine"]["torch"] and result["date"] and result["peak_resident_bytes"] > 1e8

    numbers = {
        row["measurement"]: row["numbers"]
        for section in result["sections"]
        for row in section["rows"]
    }
    assert len(numbers) == sum(len(section["rows"]) for section in result["sections"]) == 14
    (resumed,) = [values for name, values in numbers.items() if "killed and resumed" in name]
    (trained,) = [values for name, values in numbers.items() if "one epoch of SGD" in name]
    if best_device().type == "cpu":
        assert resumed == {"is_equal": True, "largest": 0.0, "relative": 0.0}
        assert trained["weights"]["is_equal"]

    table = capsys.readouterr().out.splitlines()
    assert len(table) == 2 + 14 + 1
    assert {line.count("|") for line in table} == {9}
    assert "FAILED" not in "\n".join(table)


def test_parts_are_small_and_join_to_the_dataset(
    gpu: Any, coloured: Dataset, tmp_path: Path
) -> None:
    paths = gpu.gpu_data.pack(coloured, tmp_path, most_bytes=10_000)
    assert len(paths) > 2
    assert max(path.stat().st_size for path in paths) <= 10_000

    joined = load(gpu.gpu_data.join_parts("noise", tmp_path, tmp_path / "joined.npz"))
    assert joined.class_names == coloured.class_names
    for part in (TRAIN, TEST):
        rows, expected = joined.parts == part, coloured.parts == part
        assert np.array_equal(joined.images[rows], coloured.images[expected])
        assert np.array_equal(joined.labels[rows], coloured.labels[expected])


def test_a_missing_or_damaged_part_is_named(gpu: Any, coloured: Dataset, tmp_path: Path) -> None:
    paths = gpu.gpu_data.pack(coloured, tmp_path, most_bytes=10_000)
    paths[1].write_bytes(paths[1].read_bytes()[:5000])
    with pytest.raises(InputError, match=paths[1].name):
        gpu.gpu_data.join_parts("noise", tmp_path, tmp_path / "joined.npz")
    paths[0].unlink()
    with pytest.raises(InputError, match=r"expected one file noise-1-of-N\.npz, got 0"):
        gpu.gpu_data.join_parts("noise", tmp_path, tmp_path / "joined.npz")


def fail(bench: Any, section: Any) -> None:
    raise ValueError("broken | here")


def hang(bench: Any, section: Any) -> None:
    while True:
        signal.pause()


@pytest.mark.parametrize(
    ("broken", "error"),
    [(fail, "ValueError: broken | here"), (hang, "OutOfTime: exceeded its limit of 0.2 s")],
)
def test_a_section_that_fails_or_hangs_does_not_end_the_others(
    broken: Callable[[Any, Any], None],
    error: str,
    gpu: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def succeed(bench: Any, section: Any) -> None:
        section.rows.append(gpu.Row("fast", "1", "at least 2", False, 3))

    monkeypatch.setattr(gpu, "SECTIONS", {"features": broken, "fine-tuning": succeed})
    monkeypatch.setitem(gpu.SMALL.limits, "features", 0.2)
    out = tmp_path / "gpu.json"
    assert gpu.main(["--small", "--out", str(out)]) == 1

    first, second = json.loads(out.read_text())["sections"]
    assert first["error"] == error and not first["rows"]
    assert second["error"] is None and second["rows"][0]["measurement"] == "fast"
    table = capsys.readouterr().out
    assert f"| features | FAILED | {error.replace('|', '/')} |" in table
    assert "| fine-tuning | fast | 1 | 3 | at least 2 | no |" in table


def test_missing_data_and_a_missing_gpu_are_named(
    gpu: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(InputError, match=r"cifar10-1-of-N\.npz"):
        gpu.run_all(tmp_path, tmp_path / "gpu.json", gpu.SMALL, [])
    if best_device().type != "cuda":
        assert gpu.main([]) == 3
        assert "--small" in capsys.readouterr().err


def test_the_limits_of_all_sections_leave_room_within_eight_minutes(gpu: Any) -> None:
    assert set(gpu.FULL.limits) == set(gpu.SECTIONS) == set(gpu.SMALL.limits)
    assert sum(gpu.FULL.limits.values()) <= 450
