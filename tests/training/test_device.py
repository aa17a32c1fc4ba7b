"""Where and how precisely to compute: decided by trying, and said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headstart.classifier import _device
from headstart.classifier._device import self_test, use_bfloat16
from headstart.machine import usable_cores


@pytest.fixture(autouse=True)
def tried_anew() -> None:
    self_test.cache_clear()


def test_a_processor_without_bfloat16_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_device, "best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert not self_test().is_good
    assert "no bfloat16 arithmetic" in self_test().why
    assert not use_bfloat16("auto")
    assert use_bfloat16("bfloat16")  # an explicit value wins


@pytest.mark.parametrize(("harm", "said"), [("wrong", "convolution wrong"), ("slow", "slow here")])
def test_bfloat16_that_is_wrong_or_slow_is_not_used(
    harm: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_device, "best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})

    def convolve(*case: int, bfloat16: bool, seconds: dict[bool, float]) -> list[torch.Tensor]:
        seconds[bfloat16] += 4.0 if bfloat16 and harm == "slow" else 1.0
        return [
            torch.full((3,), 1.0 if not bfloat16 or harm == "slow" else 4.0)
        ]  # as in pytorch issue 163347

    monkeypatch.setattr(_device, "_convolve", convolve)
    assert not self_test().is_good
    assert said in self_test().why


def test_on_a_processor_that_has_bfloat16_the_real_test_gives_one_answer_twice() -> None:
    first = self_test().is_good
    self_test.cache_clear()
    assert self_test().is_good is first


def test_the_test_needs_no_calm_moment() -> None:
    expected = self_test().why.split(",")[0]
    self_test.cache_clear()
    with torch.inference_mode():
        assert self_test().why.split(",")[0] == expected


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
