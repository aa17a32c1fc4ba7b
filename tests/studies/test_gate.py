"""The gate: better, equivalent, not worse, worse or undecided, and its exit status."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation import Looks
from headstart.report import gate_summary
from headstart.results import Comparison, FailedContender, read_finding
from headstart.studies import (
    Gate,
    VerdictRules,
    _gate,
    gate_of,
    gate_question,
    verdict_from_predictions,
)

REAL = Path(__file__).parents[1] / "assets" / "version-0.1" / "compare"
MARGIN = 0.01
QUESTION = gate_question(["old", "new"], MARGIN, until_decided=False)
Bools = NDArray[np.bool_]


def runs(rng: np.random.Generator, accuracies: tuple[float, float], n: int) -> tuple[Bools, Bools]:
    """Simulate three runs of two recipes that find the same images difficult."""
    ease = rng.random(n)
    old, new = (ease < accuracy + rng.normal(0, 0.02, (3, n)) for accuracy in accuracies)
    return old, new


def decide(old: Bools, new: Bools, margin: float = MARGIN) -> Gate:
    return gate_of(finding_of(old, new), gate_question(["old", "new"], margin, until_decided=False))


def finding_of(old: Bools, new: Bools, looks: Looks | None = None) -> Comparison:
    finding = read_finding(REAL)
    assert isinstance(finding, Comparison)
    rules = VerdictRules(MARGIN, looks)
    verdict = verdict_from_predictions({"old": old, "new": new}, (), "test", rules)
    contenders = [
        contender.model_copy(update={"name": name})
        for contender, name in zip(finding.contenders, ("old", "new"), strict=False)
    ]
    return finding.model_copy(
        update={"verdict": verdict, "failed": (), "contenders": tuple(contenders)}
    )


@pytest.mark.parametrize(
    ("accuracies", "n", "decision", "status"),
    [
        ((0.90, 0.93), 4000, "better", 0),
        ((0.93, 0.90), 4000, "worse", 1),
        ((0.90, 0.90), 20000, "equivalent", 0),
        ((0.90, 0.893), 200000, "equivalent", 0),
        ((0.90, 0.906), 700, "not worse", 0),
        ((0.90, 0.895), 300, "undecided", 4),
    ],
)
def test_the_decision_and_its_exit_status(
    accuracies: tuple[float, float], n: int, decision: str, status: int
) -> None:
    gate = decide(*runs(np.random.default_rng(0), accuracies, n))
    assert (gate.decision, gate.exit_status, gate.passed) == (decision, status, status == 0)
    assert gate.reference == "old" and gate.candidate == "new"
    # Only here do gate and verdict seem to contradict each other.
    assert ("it asks another question" in gate.sentence) == (decision == "not worse")


def test_the_difference_is_that_of_the_candidate_whichever_is_more_accurate() -> None:
    old, new = runs(np.random.default_rng(1), (0.9, 0.93), 2000)
    one, other = decide(old, new), decide(new, old)
    assert one.difference == pytest.approx(new.mean() - old.mean())
    assert other.difference == pytest.approx(-(new.mean() - old.mean()))
    assert one.interval is not None and other.interval is not None
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))


def test_a_loss_of_the_margin_passes_in_at_most_5_percent() -> None:
    rng = np.random.default_rng(2)
    gates = [decide(*runs(rng, (0.9, 0.9 - MARGIN), 2000)) for _ in range(150)]
    assert np.mean([gate.passed for gate in gates]) <= 0.05 + 2 * (0.05 * 0.95 / 150) ** 0.5


def test_a_second_look_needs_more_evidence_and_says_so() -> None:
    second = Looks((2, 3), 3, is_planned=False)
    rng = np.random.default_rng(5)
    lost = 0
    for _ in range(20):
        arrays = runs(rng, (0.9, 0.897), 3000)
        finding = finding_of(*arrays, second)
        once, again = decide(*arrays), gate_of(finding, QUESTION)
        assert once.test_interval is not None and again.test_interval is not None
        assert once.confidence == pytest.approx(0.9) and again.confidence > 0.91
        assert again.test_interval[0] < once.test_interval[0], "the interval is wider"
        assert once.passed or not again.passed
        lost += once.passed and not again.passed
        assert "tested before, with 2 seeds" in again.sentence
        assert "tested before" not in once.sentence
        if again.decision == "undecided":
            assert f"{100 * again.confidence:.3g}% interval" in again.sentence
            assert f"{100 * again.confidence:.3g}% interval" in gate_summary(finding, again)
    assert lost > 0


def test_a_finding_without_an_interval_of_equivalence_is_decided_by_its_95_percent_interval() -> (
    None
):
    finding = finding_of(*runs(np.random.default_rng(4), (0.9, 0.895), 300))
    (pair,) = finding.verdict.pairs
    old = pair.model_copy(update={"equivalence_interval": None})
    verdict = finding.verdict.model_copy(update={"pairs": (old,)})
    gate = gate_of(finding.model_copy(update={"verdict": verdict}), QUESTION)
    assert gate.decision == "undecided" and gate.confidence == 0.95
    assert "the lower end of the 95% interval is" in gate.sentence


def test_a_candidate_with_a_failed_run_does_not_pass() -> None:
    finding = finding_of(*runs(np.random.default_rng(3), (0.9, 0.95), 1000))
    for name, status in (("new", 1), ("old", 4)):
        failed = FailedContender(name=name, failures=("seed 1 failed",))
        gate = gate_of(finding.model_copy(update={"failed": (failed,)}), QUESTION)
        assert gate.exit_status == status and "failed" in gate.sentence


def test_the_summary_is_markdown_with_both_contenders_and_the_margin() -> None:
    finding = finding_of(*runs(np.random.default_rng(4), (0.9, 0.895), 300))
    gate = gate_of(finding, QUESTION)
    summary = gate_summary(finding, gate)
    assert summary.startswith("## Accuracy gate: undecided\n")
    assert "reference: old" in summary and "candidate: new" in summary
    assert "Non-inferiority margin: 1 point;" in summary and "The limit is " in summary

    hostile = gate.model_copy(update={"candidate": "a|b<i>*", "sentence": "a|b<i>*"})
    assert "a\\|b\\<i\\>\\*" in gate_summary(finding, hostile)


def test_a_gate_needs_two_contenders() -> None:
    with pytest.raises(InputError, match="expected two contenders or more, got 1"):
        gate_question(["cnn"], MARGIN, until_decided=False)


def test_a_gate_needs_a_fixed_number_of_seeds() -> None:
    with pytest.raises(InputError, match="invalid --seeds for --gate: expected a number, got auto"):
        gate_question(["old", "new"], MARGIN, until_decided=True)


@pytest.mark.parametrize(
    ("low", "shown"),
    [
        (-0.0048, "−0.48"),
        (-0.0052, "−0.5"),
        (-0.005, "−0.5"),
        (-0.00496, "−0.496"),
        (0.01, "+1.0"),
    ],
)
def test_a_bound_is_shown_on_its_side_of_the_margin(low: float, shown: str) -> None:
    assert _gate._bound(low, margin=0.005) == shown
