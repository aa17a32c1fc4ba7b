"""Reading results: files of this version and of version 0.1, and files that are damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headstart.errors import InputError
from headstart.results import (
    FINDINGS,
    Comparison,
    Effects,
    LabelCurves,
    LearningRates,
    RunSummary,
    read_finding,
    read_metrics,
)

OLD = Path(__file__).parents[1] / "assets" / "version-0.1"
OLD_RUNS = sorted(path.parent for path in OLD.rglob("metrics.json"))

# Version 0.1 had neither audit nor fit.
STUDIES_OF_0_1 = [study for study in FINDINGS if study not in ("audit", "fit")]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run folder with metrics of the present version."""
    content = read_metrics(OLD / "run").as_json()
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    return tmp_path


def edit(path: Path, **changes: Any) -> None:
    """Change some keys of a JSON file; the value `...` removes a key."""
    content = {**json.loads(path.read_text()), **changes}
    content = {key: value for key, value in content.items() if value is not ...}
    path.write_text(json.dumps(content))


def test_importing_the_models_does_not_import_torch() -> None:
    code = (
        "import sys, headstart.results as r; r.read_metrics; r.Comparison; "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("folder", OLD_RUNS, ids=lambda path: path.name)
def test_metrics_of_version_0_1_keep_their_values(folder: Path) -> None:
    old = json.loads((folder / "metrics.json").read_text())
    metrics = read_metrics(folder).as_json()
    kept = ("model", "seed", "epochs", "steps", "parameters", "seconds", "architecture")
    assert {key: metrics[key] for key in kept} == {key: old[key] for key in kept}
    assert metrics["recipe"] == old["resolved"]
    assert metrics["stop_reason"] == old["stopped"]
    for part in ("validation", "test"):
        if old[part] is not None:
            old[part]["class_names"] = old[part].pop("classes")
            old[part]["unreadable"] = 0  # no image could be left out in version 0.1
            old[part] |= {"groups": None, "interval_over_images": None}  # groups did not count then
            old[part]["cost"] = None  # recipes had no costs
            old[part]["metric"] = None  # the loss selected
        assert metrics[part] == old[part]


@pytest.mark.parametrize("study", STUDIES_OF_0_1)
def test_findings_of_version_0_1_open_as_the_model_of_their_study(study: str) -> None:
    old = json.loads((OLD / study / "finding.json").read_text())
    finding = read_finding(OLD / study)
    assert type(finding) is FINDINGS[study]
    assert finding.schema_version == 1
    assert finding.evaluated_on == old["judged_on"]
    assert finding.dataset.fingerprint == old["dataset"]["fingerprint"]
    assert finding.test_reads == old["test_reads"]


@pytest.mark.parametrize("study", STUDIES_OF_0_1)
def test_a_finding_that_was_written_reads_back_equal(study: str, tmp_path: Path) -> None:
    finding = read_finding(OLD / study)
    (tmp_path / "finding.json").write_text(json.dumps(finding.as_json()))
    assert read_finding(tmp_path) == finding


def assert_keeps(old: Any, new: Any) -> None:
    """Require that every value of an older file is still there; new keys are allowed."""
    if isinstance(old, dict):
        for key, value in old.items():
            assert_keeps(value, new[key])
    elif isinstance(old, list):
        assert len(new) == len(old)
        for old_item, new_item in zip(old, new, strict=True):
            assert_keeps(old_item, new_item)
    else:
        assert new == old


def test_an_upgraded_comparison_keeps_its_numbers() -> None:
    old = json.loads((OLD / "compare" / "finding.json").read_text())
    finding = read_finding(OLD / "compare")
    assert isinstance(finding, Comparison)
    verdict = finding.verdict
    assert_keeps(old["verdict"], verdict.as_json())
    expected = "undecided" if old["verdict"]["winner"] is None else "better"
    assert (verdict.outcome, verdict.equivalence_margin) == (expected, None)
    for pair in verdict.pairs:
        assert (pair.outcome == "better") == (pair.p_adjusted <= 0.05)
    assert [baseline.as_json() for baseline in finding.baselines] == old["floors"]
    contender = finding.contenders[0]
    assert contender.recipe_digest == old["contenders"][0]["recipe_hash"]
    assert contender.test is not None
    assert_keeps(old["contenders"][0]["test"], contender.test.as_json())


def test_the_outcome_of_an_older_verdict_follows_from_its_winner(tmp_path: Path) -> None:
    content = read_finding(OLD / "compare").as_json()
    path = tmp_path / "finding.json"
    for winner, outcome in (("cnn", "better"), (None, "undecided")):
        verdict = {**content["verdict"], "winner": winner}  # type: ignore[dict-item]
        del verdict["outcome"]
        path.write_text(json.dumps({**content, "verdict": verdict}))
        finding = read_finding(tmp_path)
        assert isinstance(finding, Comparison)
        assert finding.verdict.outcome == outcome
    path.write_text(json.dumps({**content, "verdict": {**verdict, "pairs": 3}}))
    with pytest.raises(InputError, match=r"invalid verdict\.pairs"):
        read_finding(tmp_path)


def test_an_upgraded_study_of_rates_knows_which_seeds_learned_nothing() -> None:
    finding = read_finding(OLD / "lr")
    assert isinstance(finding, LearningRates)
    assert {rate.lr: rate.diverged_seeds for rate in finding.rates} == {
        0.01: (0, 1),
        0.1: (),
        1.0: (),
    }
    assert finding.rates[0].diverged_everywhere
    assert not finding.rates[1].diverged_everywhere
    assert finding.range_test is not None
    assert finding.range_test.beyond_grid  # it suggests 0.0096, and the lowest rate is 0.01


def test_an_upgraded_study_of_labels_keeps_its_points() -> None:
    old = json.loads((OLD / "labels" / "finding.json").read_text())
    finding = read_finding(OLD / "labels")
    assert isinstance(finding, LabelCurves)
    for contender, was in zip(finding.contenders, old["contenders"], strict=True):
        assert contender.last_point.runs == tuple(was["runs"])
        assert contender.last_point.accuracy is not None
        assert contender.last_point.accuracy.mean == was["test"]["accuracy"]


def test_an_upgraded_effect_is_undecided_where_nothing_was_shown() -> None:
    finding = read_finding(OLD / "effects")
    assert isinstance(finding, Effects)
    assert {effect.outcome for effect in finding.effects} == {"undecided"}
    assert finding.baseline.fit is not None
    assert finding.baseline.fit.summary.startswith("underfits (bias)")


def test_a_summary_has_the_scores_without_the_tables() -> None:
    metrics = read_metrics(OLD / "run")
    summary = RunSummary.from_metrics(metrics, "runs/a", reused=True, warnings=("one class",))
    assert metrics.test is not None
    assert summary.test == metrics.test.scores()
    assert (summary.run, summary.reused, summary.warnings) == ("runs/a", True, ("one class",))
    assert "confusion" not in summary.as_json()["test"]  # type: ignore[operator]


def test_a_model_is_frozen() -> None:
    metrics = read_metrics(OLD / "run")
    with pytest.raises(ValidationError, match="frozen"):
        metrics.seed = 1  # type: ignore[misc]


def test_a_missing_field_is_named(run: Path) -> None:
    edit(run / "metrics.json", steps=...)
    with pytest.raises(InputError, match=r"metrics\.json: invalid steps: field required\."):
        read_metrics(run)


def test_a_field_of_the_wrong_type_is_named_with_its_value(run: Path) -> None:
    edit(run / "metrics.json", seconds={"train": "soon", "prepare": 0.0, "total": 1.0})
    message = r"invalid seconds\.train: input should be a valid number, got 'soon'\."
    with pytest.raises(InputError, match=message):
        read_metrics(run)


def test_an_unknown_field_is_named(run: Path) -> None:
    edit(run / "metrics.json", acuracy=0.5)
    with pytest.raises(InputError, match="invalid acuracy: extra inputs are not permitted"):
        read_metrics(run)


def test_a_file_of_a_newer_version_is_refused(run: Path) -> None:
    edit(run / "metrics.json", schema_version=2)
    with pytest.raises(InputError, match="expected at most 1, got 2") as error:
        read_metrics(run)
    assert "Upgrade" in error.value.hint


def test_a_damaged_file_of_version_0_1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text((OLD / "run" / "metrics.json").read_text())
    edit(tmp_path / "metrics.json", backbone=...)
    with pytest.raises(InputError, match=r"cannot be upgraded .* field 'backbone' is missing"):
        read_metrics(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"study": "dance", "schema_version": 1}'])
def test_a_file_that_is_not_a_finding_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "finding.json").write_text(content)
    with pytest.raises(InputError, match=r"finding\.json"):
        read_finding(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.json does not exist"):
        read_metrics(tmp_path)
