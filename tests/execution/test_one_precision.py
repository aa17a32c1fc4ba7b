"""All runs of a study compute in one precision, whatever each worker would decide for itself."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from small_runs import job, one_thread, weights

from headstart.classifier import DecidedPrecision, Precision, _precision
from headstart.data import Dataset, Split, SplitDataset
from headstart.execution import Where, open_executor, run_all
from headstart.training import TrainingJob, train

RAY = pytest.param(
    Where(ray="auto"),
    "float32",
    marks=[
        pytest.mark.slow,
        pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
    ],
)
OTHER: dict[DecidedPrecision, DecidedPrecision] = {"float32": "bfloat16", "bfloat16": "float32"}


def keep_decision(precision: DecidedPrecision) -> None:
    """Leave the decision that workers of this machine would read."""
    for units in (["AMX", "AVX512-BF16"], ["AMX"], ["AVX512-BF16"]):
        path = _precision._decision_file(units)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"is_used": precision == "bfloat16", "reason": "a test"}))


@pytest.mark.parametrize(
    ("where", "precision"),
    [(Where(workers=2), "bfloat16"), RAY],
)
def test_contradictory_decisions_give_the_same_weights(
    where: Where,
    precision: DecidedPrecision,
    data: tuple[Dataset, Split],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def decide(requested: Precision) -> DecidedPrecision:
        return precision if requested == "auto" else requested

    keep_decision(OTHER[precision])
    monkeypatch.setattr(_precision, "decide_precision", decide)
    monkeypatch.setattr("headstart.classifier.decide_precision", decide, raising=False)
    # The optimizer of the mlp rounds matrices of this size where bfloat16 is used.
    jobs = [job(tmp_path, "r0", 0, "cnn", nodes=8), job(tmp_path, "r1", 1, "mlp", nodes=128)]
    with one_thread(), open_executor(where, SplitDataset(*data)) as executor:
        outcomes = list(run_all(executor, jobs))
        assert [outcome.reason for outcome in outcomes] == [None, None]
        for run in jobs:
            folder = tmp_path / "direct" / run.name
            direct = TrainingJob(
                run.recipe, SplitDataset(*data), run.seed, folder, precision=precision
            )
            train(direct)

    for run in jobs:
        assert weights(run.folder) == weights(tmp_path / "direct" / run.name)
        assert json.loads((run.folder / "plan.json").read_text())["precision"] == precision
