"""The gate: may the candidate replace the reference, without a loss that matters?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from headstart import store
from headstart.errors import InputError
from headstart.formatting import (
    confidence,
    enumeration,
    margin as margin_text,
    points,
    points_interval,
)
from headstart.results import Comparison, ContenderPair, Interval, ResultModel, Verdict

Decision = Literal["better", "equivalent", "not worse", "worse", "undecided"]
GATE_FILE = "gate.json"
_LEVEL = 0.05
_EXIT_STATUS: dict[Decision, int] = {
    "better": 0,
    "equivalent": 0,
    "not worse": 0,
    "worse": 1,
    "undecided": 4,
}


class GateQuestion(ResultModel):
    """The question that a gate decides: the content of `gate.json` in a study folder.

    Attributes:
        reference: Name of the contender that is in use.
        candidate: Name of the contender that may replace it.
        margin: The largest loss of accuracy that does not matter, a fraction.
    """

    reference: str
    candidate: str
    margin: float

    @classmethod
    def read(cls, folder: Path) -> GateQuestion | None:
        """Return the question of a study folder. None if there is none, or it is not valid."""
        content = store.read_json_or(folder / GATE_FILE, {})
        try:
            return cls.model_validate(content)
        except ValidationError:
            return None


class Gate(ResultModel):
    """The decision about a candidate.

    Attributes:
        decision: "better", "equivalent", "not worse" (by the margin or more), "worse" or
            "undecided".
        passed: Whether the decision is "better", "equivalent" or "not worse".
        exit_status: 0 passed, 1 worse, 4 undecided.
        reference: Name of the contender that is in use.
        candidate: Name of the contender that may replace it.
        difference: Accuracy of the candidate minus that of the reference, a fraction. This and the
            next three are None if nothing was compared.
        interval: 95% interval of the difference.
        test_interval: Interval of the difference, whose lower end decides.
        confidence: Confidence of `test_interval`: 0.9, or more if the comparison was tested before
            with fewer seeds.
        p_value: Two-sided p-value of the difference. It is not corrected, because the pair was
            chosen beforehand.
        margin: The largest loss that does not matter, a fraction.
        sentence: The decision in words.
    """

    decision: Decision
    passed: bool
    exit_status: int
    reference: str
    candidate: str
    difference: float | None
    interval: Interval | None
    test_interval: Interval | None
    confidence: float
    p_value: float | None
    margin: float
    sentence: str


def gate_of(finding: Comparison, question: GateQuestion) -> Gate:
    """Decide about a candidate: a test of non-inferiority.

    The candidate passes if a loss of the margin or more is rejected at level 0.05, one-sided. That
    is the case if the lower end of the 90% interval of the difference lies above minus the margin.
    Two one-sided tests of equivalence contain this test, so "equivalent" passes as well. A
    candidate that is significantly worse, but by less than the margin, passes too: such a loss was
    declared not to matter.

    If seeds were added to the study, this is a further look at it. Both levels are then those of
    the look, as in its verdict.

    Args:
        finding: The comparison.
        question: The reference, the candidate and the margin.

    References:
        Non-inferiority: Piaggio et al. (2012), CONSORT statement, JAMA 308(24); ICH E9 (1998).
        Equivalence: Schuirmann (1987).
    """
    reference, candidate, margin = question.reference, question.candidate, question.margin
    verdict = finding.verdict
    failed = {contender.name for contender in finding.failed}
    without_time = {*verdict.too_short, *verdict.left_out}
    too_short = [name for name in (reference, candidate) if name in without_time]
    pair = _oriented_pair(verdict.pairs, candidate, reference)
    decision: Decision = "undecided"
    if candidate in failed:
        decision = "worse"
        reason = f"{candidate} does not pass: a run of it failed."
    elif reference in failed:
        reason = f"{candidate} and {reference} cannot be compared: {reference} has failed runs."
    elif too_short:
        reason = f"Undecided: the time limit is too short to train {' and '.join(too_short)}."
    elif pair is None:
        reason = f"{candidate} and {reference} cannot be compared: no run of both was evaluated."
    else:
        decision = _decide(pair, margin, verdict)
        reason = _sentence(decision, pair, margin, verdict)
    return Gate(
        decision=decision,
        passed=_EXIT_STATUS[decision] == 0,
        exit_status=_EXIT_STATUS[decision],
        reference=reference,
        candidate=candidate,
        difference=None if pair is None else pair.difference,
        interval=None if pair is None else pair.interval,
        test_interval=None if pair is None else _test_interval(pair),
        confidence=_test_confidence(pair, verdict),
        p_value=None if pair is None else pair.p_value,
        margin=margin,
        sentence=reason,
    )


def gate_question(names: Sequence[str], margin: float, *, until_decided: bool) -> GateQuestion:
    """Return the question of a gate: may the last contender replace the first?

    Args:
        names: Names of the contenders.
        margin: The largest loss of accuracy that does not matter, a fraction.
        until_decided: Whether seeds are added until the comparison is decided.

    Raises:
        InputError: There are no reference and candidate, or the number of seeds is not fixed.
    """
    if until_decided:
        raise InputError(
            "invalid --seeds for --gate: expected a number, got auto. With auto, seeds are added "
            "until a verdict is decided, and a gate asks another question.",
            "Pass a number of seeds, such as --seeds 5.",
        )
    if len(names) < 2:
        raise InputError(
            f"invalid --models for --gate: expected two contenders or more, got {len(names)}.",
            "Name the reference first and the candidate last: --models runs/old,runs/new",
        )
    return GateQuestion(reference=names[0], candidate=names[-1], margin=margin)


def _oriented_pair(
    pairs: Sequence[ContenderPair], candidate: str, reference: str
) -> ContenderPair | None:
    """Return the comparison of candidate and reference, with the candidate as `a`."""
    for pair in pairs:
        if (pair.a, pair.b) == (candidate, reference):
            return pair
        if (pair.a, pair.b) == (reference, candidate):
            test_interval = pair.equivalence_interval
            return pair.model_copy(
                update={
                    "a": candidate,
                    "b": reference,
                    "difference": -pair.difference,
                    "interval": _negated(pair.interval),
                    "equivalence_interval": test_interval and _negated(test_interval),
                }
            )
    return None


def _negated(interval: Interval) -> Interval:
    low, high = interval
    return (-high, -low)


def _test_interval(pair: ContenderPair) -> Interval:
    """Return the interval that decides; the 95% interval if version 0.1 wrote the finding."""
    return pair.equivalence_interval or pair.interval


def _test_confidence(pair: ContenderPair | None, verdict: Verdict) -> float:
    """Return the confidence of `_test_interval`."""
    if pair is not None and pair.equivalence_interval is None:
        return 0.95
    return verdict.equivalence_confidence


def _decide(pair: ContenderPair, margin: float, verdict: Verdict) -> Decision:
    low, high = _test_interval(pair)
    is_significant = pair.p_value <= (_LEVEL if verdict.level is None else verdict.level)
    if is_significant and pair.difference > 0:
        return "better"
    if low > -margin:
        return "equivalent" if high < margin else "not worse"
    return "worse" if is_significant else "undecided"


def _bound(low: float, margin: float) -> str:
    """Return the lower end in points, with as many decimals as show on which side it is."""
    text = points(low, signed=True)
    for decimals in (2, 3, 4):
        shown = float(text.replace("−", "-"))
        if (shown > -100 * margin) == (low > -margin):
            break
        text = f"{100 * low:+.{decimals}f}".replace("-", "−")
    return text


def _sentence(decision: Decision, pair: ContenderPair, margin: float, verdict: Verdict) -> str:
    """Return the decision in words.

    Args:
        decision: The decision.
        pair: The comparison, with the candidate as `a`.
        margin: The largest loss that does not matter, a fraction.
        verdict: The verdict, whose looks set the level.
    """
    candidate, reference = pair.a, pair.b
    low, _ = _test_interval(pair)
    size = margin_text(margin)
    shown = confidence(_test_confidence(pair, verdict))
    bound = f"the lower end of the {shown} interval is {_bound(low, margin)} points"
    words = {
        "better": f"{candidate} is significantly better than {reference}",
        "equivalent": f"{candidate} and {reference} are equivalent within {size}: {bound}",
        "not worse": f"{candidate} is not worse than {reference} by {size} or more: {bound}",
        "worse": f"{candidate} is significantly worse than {reference}",
        "undecided": f"Undecided: {candidate} may be worse than {reference} by {size} or more; "
        f"{bound}",
    }
    difference = points(pair.difference, signed=True)
    text = (
        f"{words[decision]}. The difference is {difference} points "
        f"(95% interval {points_interval(pair.interval)})."
    )
    if decision == "not worse" and verdict.outcome == "undecided":
        text += " The verdict is undecided, because it asks another question: which one is better."
    if len(verdict.looks) > 1:
        earlier = enumeration([str(seeds) for seeds in verdict.looks[:-1]])
        text += f" This was tested before, with {earlier} seeds, and the level allows for that."
    return text
