"""Precision and cores: decided by a test, kept for the machine, and followed by every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from headstart import store
from headstart.classifier import _precision
from headstart.classifier._precision import decide_bfloat16, decide_precision, use_bfloat16
from headstart.machine import limit_waiting_of_threads, usable_cores

Convolve = Callable[..., tuple[list[torch.Tensor], float]]


@pytest.fixture(autouse=True)
def undecided() -> Iterator[None]:
    """A process that has not decided yet."""
    decide_bfloat16.cache_clear()
    yield
    decide_bfloat16.cache_clear()


@pytest.fixture
def cpu_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_precision, "best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})


def convolve(*, bfloat16_seconds: float, bfloat16_value: float = 1.0) -> Convolve:
    """A convolution that is given its time and its result; float32 takes 1 s and gives 1."""

    def fake(*_: int, bfloat16: bool) -> tuple[list[torch.Tensor], float]:
        value = bfloat16_value if bfloat16 else 1.0
        return [torch.full((3,), value)], bfloat16_seconds if bfloat16 else 1.0

    return fake


FAST, SLOW = convolve(bfloat16_seconds=0.5), convolve(bfloat16_seconds=4.0)
WRONG = convolve(bfloat16_seconds=0.5, bfloat16_value=4.0)  # as in pytorch issue 163347


def decision_files(cache: Path) -> list[Path]:
    return sorted((cache / "headstart" / "precision").glob("*.json"))


def test_a_processor_without_bfloat16_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_precision, "best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert not decide_bfloat16().is_used
    assert "no bfloat16 arithmetic" in decide_bfloat16().reason
    assert decide_precision("auto") == "float32"
    assert use_bfloat16("bfloat16")  # an explicit value wins


@pytest.mark.parametrize(
    ("fake", "message"), [(WRONG, "convolution wrong"), (SLOW, "bfloat16 is slow here")]
)
def test_bfloat16_that_is_wrong_or_slow_is_not_used(
    fake: Convolve, message: str, cpu_with_bfloat16: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_precision, "_convolve", fake)
    assert not decide_bfloat16().is_used
    assert message in decide_bfloat16().reason


def test_the_real_test_runs_inside_a_block_without_gradients() -> None:
    expected = decide_bfloat16().reason.split(",")[0]
    decide_bfloat16.cache_clear()
    with torch.inference_mode():
        assert decide_bfloat16().reason.split(",")[0] == expected


@pytest.mark.parametrize(("first", "later"), [(FAST, SLOW), (SLOW, FAST)])
def test_a_later_process_follows_the_first_decision_of_the_machine(
    first: Convolve, later: Convolve, cpu_with_bfloat16: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_precision, "_convolve", first)
    decision = decide_bfloat16()
    decide_bfloat16.cache_clear()
    monkeypatch.setattr(_precision, "_convolve", later)
    assert decide_bfloat16() == decision


def test_a_decision_made_while_this_process_waited_is_followed(
    cpu_with_bfloat16: None, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = store.claim

    def decide_meanwhile(folder: Path, *, wait: bool) -> object:
        path = _precision._decision_file(["AVX512-BF16"])
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"is_used": True, "reason": "the other process"}))
        return claim(folder, wait=wait)

    monkeypatch.setattr(store, "claim", decide_meanwhile)
    monkeypatch.setattr(_precision, "_convolve", SLOW)
    assert decide_bfloat16().reason == "the other process"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"is_used": 1, "reason": "x"}', '{"reason": "x"}', "null"]
)
def test_a_damaged_decision_is_made_again(
    content: str, cpu_with_bfloat16: None, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_precision, "_convolve", SLOW)
    decision = decide_bfloat16()
    (path,) = decision_files(own_cache)
    whole = path.read_text()
    path.write_text(content)
    decide_bfloat16.cache_clear()
    assert decide_bfloat16() == decision
    assert path.read_text() == whole


def test_another_processor_or_torch_decides_for_itself(
    cpu_with_bfloat16: None, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_precision, "_convolve", FAST)
    assert decide_bfloat16().is_used
    for name, value in (("processor_name", lambda: "another"), ("_FILE_VERSION", 99)):
        decide_bfloat16.cache_clear()
        monkeypatch.setattr(_precision, name, value)
        monkeypatch.setattr(_precision, "_convolve", SLOW)
        assert not decide_bfloat16().is_used
    assert len(decision_files(own_cache)) == 3


def test_without_a_writable_cache_the_process_decides_alone(
    cpu_with_bfloat16: None,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (own_cache / "headstart").write_text("a file where a folder is needed")
    monkeypatch.setattr(_precision, "_convolve", SLOW)
    assert not decide_bfloat16().is_used


DECIDE = """
import sys, time, torch
from headstart import store
from headstart.classifier import _precision
torch.cpu.get_capabilities = lambda: {"avx512_bf16": True}
_precision.best_device = lambda: torch.device("cpu")
real = _precision._convolve
bias = float(sys.argv[1])
def contradictory(*case, bfloat16):
    tensors, seconds = real(*case, bfloat16=False)
    return tensors, seconds * (bias if bfloat16 else 1.0)
_precision._convolve = contradictory
print(_precision.decide_precision("auto"))
"""


@pytest.mark.slow
def test_processes_that_start_together_under_load_agree() -> None:
    """Half of them are made to measure bfloat16 as 100 times faster, half as 100 times slower."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], env=environment)
        for _ in range(3)
    ]
    deciding: list[subprocess.Popen[str]] = []
    try:
        for bias in ("0.01", "100", "0.01", "100"):
            command = [sys.executable, "-c", DECIDE, bias]
            pipe = subprocess.PIPE
            deciding.append(
                subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
            )
        answers = [process.communicate(timeout=120) for process in deciding]
    finally:
        for burner in busy:
            burner.kill()
            burner.wait()
    assert {errors for _, errors in answers} == {""}
    assert len({output for output, _ in answers}) == 1
    assert answers[0][0] in ("float32\n", "bfloat16\n")


def test_a_quota_or_a_mask_of_the_scheduler_lowers_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    for text, cores in (
        ("max 100000", 8),
        ("150000 100000", 2),
        ("9900000 100000", 8),
        ("1000 100000", 1),
    ):
        monkeypatch.setattr(Path, "read_text", lambda *_, text=text, **__: text)
        assert usable_cores() == cores


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "10000"}),
        ({"GOMP_SPINCOUNT": "5"}, {"GOMP_SPINCOUNT": "5"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_waiting_threads_soon_sleep_unless_the_user_decides(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: dict[str, str]
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    limit_waiting_of_threads()
    assert {name: os.environ[name] for name in expected} == expected
    assert len({"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)) == 1


def test_the_waiting_of_threads_is_limited_before_torch_is_imported() -> None:
    code = "import headstart, os, sys; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GOMP")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["10000", "False"]
