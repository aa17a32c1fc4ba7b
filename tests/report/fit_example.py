"""A built study of `fit`: an ensemble of two runs, and one rung that failed."""

from __future__ import annotations

from pathlib import Path

from examples import Data, Example, common_fields, write_finding, write_run

from headstart.results import FitFinding, PartScores


def build_fit(folder: Path, data: Data | None = None) -> Path:
    """Write the study folder of a fit, and return its path."""
    data = data or Data()
    examples = (Example("cnn", 0.968), Example("efficientnet-lite0", 0.951, is_frozen=True))
    runs = {
        example.name: write_run(folder / "runs" / example.name, example, data)
        for example in examples
    }
    chosen = write_run(folder / "classifier", Example("ensemble", 0.97), data)
    assert chosen.validation is not None
    scores: dict[str, PartScores] = {}
    for name, run in runs.items():
        assert run.validation is not None
        scores[name] = run.validation.scores()
    tried = [
        {
            "name": name,
            "family": name,
            "state": "done",
            "reason": "because <it> is cheap",
            "run": f"runs/{name}",
            "validation": scores[name],
            "score": scores[name].accuracy,
            "validation_score": scores[name].accuracy,
            "epochs": 6.0,
            "seconds": 20.0,
            "weight": 0.5,
        }
        for name in runs
    ]
    tried.append(
        {"name": "cnn <2>", "family": "cnn", "state": "failed", "reason": "too large & more"}
    )
    history = [
        {"seconds": 30.0 * (place + 1), "name": name, "score": scores[name].accuracy, "best": 0.968}
        for place, name in enumerate(runs)
    ]
    finding = FitFinding.model_validate(
        {
            **common_fields("fit", data, seeds=1),
            "run": str(folder / "classifier"),
            "metric": "accuracy",
            "chosen": {
                "kind": "ensemble",
                "members": [{"name": name, "weight": 0.5} for name in runs],
                "sentence": "An average of 2 runs.",
            },
            "validation": chosen.validation.scores(),
            "validation_score": 0.97,
            "test": None if chosen.test is None else chosen.test.scores(),
            "runs": ["classifier"],
            "tried": tried,
            "history": history,
            "plan": ["cnn, short: 10 s"],
            "seconds": {"total": 118.0, "rungs": 100.0, "final": 8.0},
            "sentences": ["The classifier is an average of 2 runs.", "It is good."],
        }
    )
    return write_finding(folder, finding)
