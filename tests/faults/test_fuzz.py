"""A short run of the fuzzer. `python tests/faults/fuzz.py --seconds 1200` is the long one."""

from __future__ import annotations

from pathlib import Path

import fuzz
import pytest

INPUTS = 150


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_end_in_errors_with_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fuzzer = fuzz.Fuzzer(tmp_path / "files", seed=0)
    for number in range(INPUTS):
        fuzzer.run(number)
    assert not fuzzer.failures, "\n".join(failure.text for failure in fuzzer.failures)
    outcomes = {outcome for _, outcome in fuzzer.counts}
    assert {"read", "InputError", "UnreadableImage"} <= outcomes
