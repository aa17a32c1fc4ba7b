"""Known errors, planted in hidden copies of the labels, that calibrate the audit's claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from scipy.stats import t as student_t

from headstart import progress
from headstart.audit._noise_model import NoiseModel

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]
Refit = Callable[[Sequence[Indices]], list[NoiseModel]]

# Copies of each kind that find out which kind of error the labels have, and copies that calibrate.
PILOT_COPIES, COPIES = 6, 24
_COPIES_PER_FIT = 6
_LEAST_PLANTED = 10

_LARGEST_LOG_ODDS = 8.0

# Copies vary less than data do: they come from one model of the labels. In simulated audits, the
# deviations were 1.13 to 1.14 times as wide as in the copies for sign-digits and Fashion-MNIST, and
# 1.5 times for digits, where the interval is wide for other reasons.
_WIDENING = 1.15

# Share of right labels that look wrong to any evidence, such as a scribbled 4 that is closer to
# every 9. Planted errors say nothing about them, so the lower limit allows for them. The upper one
# allows for the reverse, where errors are so few that the copies take them for such images: of 50
# suspects of MNIST, 0 to 6 were expected to be wrong, but nine clearly show another digit.
_MISLEADING_IMAGES = 0.001
_LENGTHS = 24  # numbers of suspects for which an interval is prepared


@dataclass(frozen=True)
class Calibration:
    """Calibration of the log-odds of a noise model, by planted errors.

    Attributes:
        slope: Calibrated log-odds are `slope * log_odds + offset`, within limits of the log-odds.
        offset: See `slope`.
        lengths: Numbers of first suspects, ascending, int64 of shape (L,).
        deviations: True minus expected number of wrong labels among the first suspects of each
            copy, float64 of shape (copies, L).
        misleading: Number of right labels that may look wrong to any evidence.
        planted: Mean number of planted errors per copy.
    """

    slope: float
    offset: float
    lengths: Indices
    deviations: Floats
    misleading: float
    planted: float

    def apply(self, log_odds: Floats) -> Floats:
        """Return calibrated log-odds."""
        return self.slope * _clip(log_odds) + self.offset

    def deviation_interval(self, length: int) -> tuple[float, float]:
        """Return limits of the true minus the expected number of wrong labels.

        Args:
            length: Number of first suspects.

        Returns:
            Limits of the 95% prediction interval for one further copy, by Student's t.
        """
        nearest = int(np.abs(np.log(self.lengths / max(length, 1))).argmin())
        deviations = self.deviations[:, nearest]
        copies = len(deviations)
        spread = float(deviations.std(ddof=1)) * np.sqrt(1 + 1 / copies)
        half_width = _WIDENING * float(student_t.ppf(0.975, copies - 1)) * float(spread)
        centre = float(deviations.mean())
        right = min(self.misleading, self.misleading * length / self.planted)
        wrong = min(self.misleading, length) * self.undecidable_share
        return min(centre - half_width, 0.0) - right, max(centre + half_width, 0.0) + wrong

    @property
    def undecidable_share(self) -> float:
        """Share of misleading images among all that look wrong, from 0 to 1.

        Near 1, errors are so few that evidence cannot tell them from misleading images.
        """
        return self.misleading / (self.misleading + self.planted)


@dataclass(frozen=True)
class _Copy:
    """A hidden copy of the labels.

    Attributes:
        labels: Its labels, int64 of shape (N,).
        is_planted: Which of them are planted errors, shape (N,).
    """

    labels: Indices
    is_planted: Bools


@dataclass(frozen=True)
class _Plan:
    """How errors are planted.

    Attributes:
        count: Number of errors.
        confused: Share of them whose class is drawn from those that the model confuses with the
            true one. The others get any class, each equally likely.
        wrong: Probability that each label of the original is wrong, shape (N,).
    """

    count: int
    confused: float
    wrong: Floats


def calibrate(model: NoiseModel, labels: Indices, refit: Refit, seed: int) -> Calibration:
    """Plant errors in hidden copies of the labels, and compare what is found with what is true.

    A copy starts from labels that are as right as the model can make them: each label is replaced
    by the likeliest other class with the probability that it is wrong. Then errors are planted.
    Pilot copies find out how many errors, and of which kind, make a copy look like the original.
    Each further copy varies both as far as the pilot copies leave them open.

    Assumed is that a wrong label replaces the right one by a class that is either arbitrary or
    similar, whatever the image. Where errors gather on images that are hard to classify, more
    labels are wrong than the interval says.

    Args:
        model: The noise model of the given labels.
        labels: Given labels, int64 of shape (N,).
        refit: Fits noise models to other labels of the same images.
        seed: Seed of all random choices.
    """
    rng = np.random.default_rng(seed)
    similarity = _class_similarity(model.probabilities)
    with progress.task("calibration of suspects", 2 * PILOT_COPIES + COPIES, "copies") as task:

        def run(plans: Sequence[_Plan]) -> list[tuple[NoiseModel, _Copy]]:
            results = []
            for start in range(0, len(plans), _COPIES_PER_FIT):
                some = plans[start : start + _COPIES_PER_FIT]
                copies = [_make_copy(model, labels, similarity, plan, rng) for plan in some]
                models = refit([copy.labels for copy in copies])
                results += list(zip(models, copies, strict=True))
                task.advance(len(some))
            return results

        plans = _plan_copies(model, labels, similarity, run, rng)
        results = run(plans)

    ranked_log_odds, ranked_planted = [], []
    for fitted, copy in results:
        order = np.argsort(-fitted.log_odds, kind="stable")
        ranked_log_odds.append(_clip(fitted.log_odds[order]))
        ranked_planted.append(copy.is_planted[order])
    slope, offset = _fit_line(np.concatenate(ranked_log_odds), np.concatenate(ranked_planted))

    longest = min(len(labels), max(2 * max(plan.count for plan in plans), 50))
    lengths = np.unique(np.geomspace(1, longest, _LENGTHS).round().astype(np.int64))
    deviations = np.empty((len(results), len(lengths)))
    for number, (log_odds, is_planted) in enumerate(
        zip(ranked_log_odds, ranked_planted, strict=True)
    ):
        expected = expit(slope * log_odds + offset).cumsum()[lengths - 1]
        deviations[number] = is_planted.cumsum()[lengths - 1] - expected
    planted = float(np.mean([plan.count for plan in plans]))
    misleading = _MISLEADING_IMAGES * len(labels)
    return Calibration(slope, offset, lengths, deviations, misleading, planted)


def _plan_copies(
    model: NoiseModel,
    labels: Indices,
    similarity: Floats,
    run: Callable[[Sequence[_Plan]], list[tuple[NoiseModel, _Copy]]],
    rng: np.random.Generator,
) -> list[_Plan]:
    """Choose number and kind of the errors to plant, from pilot copies of both pure kinds.

    The number of errors that the model expects, and the similarity of the classes of its suspects,
    are compared between the original and the pilot copies.
    """
    wrong = expit(model.log_odds)
    expected = float(wrong.sum())
    count = int(np.clip(round(expected), _LEAST_PLANTED, len(labels) // 2))
    kinds = [0.0] * PILOT_COPIES + [1.0] * PILOT_COPIES
    pilots = run([_Plan(count, kind, wrong) for kind in kinds])
    factors = np.array(
        [count / max(float(expit(fitted.log_odds).sum()), 1.0) for fitted, _ in pilots]
    ).reshape(2, -1)
    traits = np.array(
        [_suspects_similarity(fitted, copy.labels, similarity) for fitted, copy in pilots]
    ).reshape(2, -1)

    arbitrary, similar = traits.mean(1)
    distance = max(similar - arbitrary, 1e-6)
    confused = (_suspects_similarity(model, labels, similarity) - arbitrary) / distance
    confused = float(np.clip(confused, 0, 1))
    confused_error = float(traits.std(1, ddof=1).mean()) / distance
    factor_error = float(factors.std(1, ddof=1).mean())

    # Probabilities of the kind that the labels seem to have make the further copies cleaner.
    is_near = [abs(kind - confused) < 2 / 3 for kind in kinds]
    near = [pilot for pilot, keep in zip(pilots, is_near, strict=True) if keep] or pilots
    slope, offset = _fit_line(
        np.concatenate([_clip(fitted.log_odds) for fitted, _ in near]),
        np.concatenate([copy.is_planted for _, copy in near]),
    )
    wrong = expit(slope * _clip(model.log_odds) + offset)
    plans = []
    for _ in range(COPIES):
        share = float(np.clip(rng.normal(confused, confused_error), 0, 1))
        factor = (1 - share) * factors[0].mean() + share * factors[1].mean()
        wanted = expected * rng.normal(factor, factor_error)
        plans.append(
            _Plan(int(np.clip(round(wanted), _LEAST_PLANTED, len(labels) // 2)), share, wrong)
        )
    return plans


def _class_similarity(probabilities: Floats) -> Floats:
    """Return how often the model confuses two classes, (K, K), rows adding up to 1."""
    similarity = probabilities.T @ probabilities
    np.fill_diagonal(similarity, 0)
    similarity += 1e-9
    np.fill_diagonal(similarity, 0)
    shares: Floats = similarity / np.maximum(similarity.sum(1, keepdims=True), 1e-12)
    return shares


def _suspects_similarity(model: NoiseModel, labels: Indices, similarity: Floats) -> float:
    """Return the mean rank of similarity of given and true classes, over expected errors."""
    ranks = similarity.argsort(1).argsort(1) / max(similarity.shape[1] - 1, 1)
    wrong = expit(model.log_odds)
    likely = model.log_probabilities.argmax(1)
    is_other = likely != labels
    weights = wrong[is_other]
    if weights.sum() < 1e-9:
        return 0.0
    return float(np.average(ranks[likely[is_other], labels[is_other]], weights=weights))


def _make_copy(
    model: NoiseModel,
    labels: Indices,
    similarity: Floats,
    plan: _Plan,
    rng: np.random.Generator,
) -> _Copy:
    """Make a copy of the labels with planted errors."""
    clean = labels.copy()
    rows = np.flatnonzero(rng.random(len(labels)) < plan.wrong)
    # The likeliest class, not a draw: a wrong draw would look like an error that nobody planted.
    likely = model.log_probabilities[rows].copy()
    likely[np.arange(len(rows)), labels[rows]] = -np.inf
    clean[rows] = likely.argmax(1)

    rows = rng.choice(len(clean), plan.count, replace=False)
    is_confused = rng.random(plan.count) < plan.confused
    weights = np.where(is_confused[:, None], similarity[clean[rows]], 1.0)
    noisy = clean.copy()
    noisy[rows] = _draw_other(weights, clean[rows], rng)
    is_planted = np.zeros(len(clean), bool)
    is_planted[rows] = True
    return _Copy(noisy, is_planted)


def _draw_other(weights: Floats, labels: Indices, rng: np.random.Generator) -> Indices:
    """Draw a class other than `labels` for each row, in proportion to `weights` (n, K)."""
    weights = weights + 1e-12
    weights[np.arange(len(labels)), labels] = 0
    cumulative = weights.cumsum(1)
    drawn = rng.random((len(labels), 1)) * cumulative[:, -1:]
    other: Indices = (cumulative <= drawn).sum(1)
    return other


def _clip(log_odds: Floats) -> Floats:
    """Limit log-odds, so that a few mistakes of a model that is too certain do not decide."""
    return np.clip(log_odds, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)


def _fit_line(log_odds: Floats, is_planted: Bools) -> tuple[float, float]:
    """Fit a logistic regression of planted errors on log-odds."""

    def loss_and_gradient(line: Floats) -> tuple[float, Floats]:
        logits = line[0] * log_odds + line[1]
        errors = (expit(logits) - is_planted) / len(logits)
        loss = -float(np.where(is_planted, log_expit(logits), log_expit(-logits)).mean())
        return loss, np.array([(errors * log_odds).sum(), errors.sum()])

    bounds = [(0.05, 5.0), (None, None)]
    result = minimize(loss_and_gradient, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds)
    return float(result.x[0]), float(result.x[1])
