"""The numbers of short runs, as they were before the code was rearranged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from . import runs

# On other processors and versions sums are rounded in another order, and training amplifies that.
# The tolerances are a guess: bfloat16 against float32, which differ more, stay within them here.
LOSS_TOLERANCE = 0.05
ACCURACY_TOLERANCE = 0.03

RECORDED: dict[str, Any] = json.loads(runs.RECORD.read_text(encoding="utf-8"))
IS_SAME_MACHINE = runs.machine() == RECORDED["machine"]
COMPUTES_IN_BFLOAT16 = any(
    torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16")
)
# `python tests/golden/runs.py --check` carries out the other studies as well, which take minutes.
QUICK_STUDIES = ("compare", "labels")


def check_run(run: dict[str, Any], recorded: dict[str, Any]) -> None:
    assert (run["steps"], run["parameters"]) == (recorded["steps"], recorded["parameters"])
    if IS_SAME_MACHINE:
        assert run == recorded
        return
    assert run["train_loss"] == pytest.approx(recorded["train_loss"], abs=LOSS_TOLERANCE)
    assert run["validation_loss"] == pytest.approx(recorded["validation_loss"], abs=LOSS_TOLERANCE)
    for part, scores in recorded["scores"].items():
        if scores is None:  # a run without validation images
            assert run["scores"][part] is None
            continue
        assert run["scores"][part]["n"] == scores["n"]
        assert run["scores"][part]["accuracy"] == pytest.approx(
            scores["accuracy"], abs=ACCURACY_TOLERANCE
        )


@pytest.mark.parametrize("name", list(runs.RUNS))
def test_a_run_still_gives_the_recorded_weights_and_scores(name: str, tmp_path: Path) -> None:
    if "bfloat16" in name and not COMPUTES_IN_BFLOAT16:
        pytest.skip("this processor emulates bfloat16, which takes a minute")
    check_run(runs.run(name, tmp_path), RECORDED["runs"][name])


@pytest.mark.parametrize("name", QUICK_STUDIES)
def test_a_study_still_makes_the_recorded_runs(name: str, tmp_path: Path) -> None:
    study, recorded = json.loads(json.dumps(runs.study(name, tmp_path))), RECORDED["studies"][name]
    assert study["runs"].keys() == recorded["runs"].keys()
    for run, results in study["runs"].items():
        check_run(results, recorded["runs"][run])
    if IS_SAME_MACHINE:
        assert study["finding"] == recorded["finding"]
