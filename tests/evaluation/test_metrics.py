"""Metrics of one model on one set of images."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss, precision_recall_fscore_support

from headstart.errors import InputError
from headstart.evaluation import Confusion, compute_metrics, most_confused, wilson_interval

# Five images of three classes. Images 0, 1 and 4 are classified correctly. Class 2 is predicted
# once, for an image of class 0.
LABELS = np.array([0, 1, 0, 1, 1])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.5, 0.4, 0.1], [0.3, 0.4, 0.3]]
)


def test_the_wilson_interval_has_the_published_values() -> None:
    # Newcombe (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize("n", [1, 7, 270, 9999])
def test_the_wilson_interval_is_the_one_of_scipy(n: int) -> None:
    for correct in {0, 1, n // 3, n - 1, n}:
        for level in (0.8, 0.95):
            expected = binomtest(correct, n).proportion_ci(level, method="wilson")
            assert wilson_interval(correct, n, level) == pytest.approx(
                (expected.low, expected.high), abs=1e-12
            )


def test_the_wilson_interval_of_a_perfect_model_has_a_positive_width() -> None:
    low, high = wilson_interval(10, 10)
    assert 0.7 < low < high == 1.0


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_impossible_counts_have_no_interval(correct: int, n: int) -> None:
    with pytest.raises(
        InputError, match=f"correct between 0 and n, got n={n} and correct={correct}"
    ):
        wilson_interval(correct, n)


def test_accuracy_loss_and_confusion_are_those_computed_by_hand() -> None:
    metrics = compute_metrics(LABELS, PROBABILITIES)
    assert (metrics.accuracy, metrics.n) == (0.6, 5)
    assert metrics.interval == wilson_interval(3, 5)
    assert metrics.loss == pytest.approx(-np.log([0.8, 0.7, 0.1, 0.4, 0.4]).mean())
    assert metrics.confusion.tolist() == [[1, 0, 1], [1, 2, 0], [0, 0, 0]]


def test_each_class_has_precision_recall_and_f1_and_zero_where_undefined() -> None:
    first, second, third = compute_metrics(LABELS, PROBABILITIES).per_class
    assert (first.precision, first.recall, first.f1, first.support) == (0.5, 0.5, 0.5, 2)
    assert (second.precision, second.support) == (1.0, 3)
    assert second.recall == pytest.approx(2 / 3)
    assert (third.precision, third.recall, third.f1, third.support) == (0.0, 0.0, 0.0, 0)


def test_metrics_agree_with_scikit_learn_on_random_predictions() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 300)
    probabilities = rng.dirichlet(np.ones(7), 300)
    probabilities[:, 5] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    metrics = compute_metrics(labels, probabilities)
    assert metrics.macro_f1 == pytest.approx(
        f1_score(labels, probabilities.argmax(axis=1), average="macro", zero_division=0)
    )
    columns = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=np.arange(7), zero_division=0
    )
    per_class = [(m.precision, m.recall, m.f1, m.support) for m in metrics.per_class]
    assert np.array(per_class) == pytest.approx(np.column_stack(columns))
    clipped = np.maximum(probabilities, 1e-12)
    assert metrics.loss == pytest.approx(
        log_loss(labels, clipped / clipped.sum(axis=1, keepdims=True), labels=range(7))
    )


def test_a_class_that_never_occurs_does_not_lower_macro_f1() -> None:
    metrics = compute_metrics(np.array([0, 1]), np.array([[1.0, 0, 0], [0, 1, 0]]))
    assert metrics.macro_f1 == 1.0
    assert metrics.per_class[2].f1 == 0.0


def test_a_certain_mistake_has_a_finite_loss() -> None:
    assert compute_metrics(np.array([1]), np.array([[1.0, 0]])).loss == pytest.approx(
        -np.log(1e-12)
    )


def test_metrics_are_plain_json() -> None:
    written = json.loads(
        json.dumps(compute_metrics(LABELS, PROBABILITIES.astype(np.float32)).as_json())
    )
    assert written["confusion"] == [[1, 0, 1], [1, 2, 0], [0, 0, 0]]
    assert written["per_class"][0] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert len(written["interval"]) == 2


def test_logits_are_refused_with_the_row_and_a_hint() -> None:
    with pytest.raises(
        InputError, match=r"invalid row 1 of the probabilities: .* a sum of 3\.5 and"
    ) as caught:
        compute_metrics(np.array([0, 1]), np.array([[0.5, 0.5], [1.5, 2]]))
    assert caught.value.hint == "Apply softmax to logits first."


@pytest.mark.parametrize("row", [[np.nan, 1.0], [-0.5, 1.5]])
def test_probabilities_that_are_missing_or_negative_are_refused(row: list[float]) -> None:
    with pytest.raises(InputError, match="invalid row 0 of the probabilities"):
        compute_metrics(np.array([0]), np.array([row]))


def test_a_label_without_a_probability_is_refused() -> None:
    with pytest.raises(
        InputError, match="invalid labels: expected classes from 0 to 1, got 0 to 3"
    ):
        compute_metrics(np.array([0, 3]), np.array([[0.5, 0.5], [0.5, 0.5]]))


def test_no_image_is_refused() -> None:
    with pytest.raises(InputError, match=r"N of at least 1, got \(0,\) and \(0, 2\)"):
        compute_metrics(np.zeros(0, dtype=np.int64), np.zeros((0, 2)))


def test_the_most_confused_pairs_come_first_with_their_rates() -> None:
    confusion = np.array([[8, 2, 0], [5, 4, 1], [0, 2, 18]])
    assert most_confused(confusion, 3) == [
        Confusion(1, 0, 5, 0.5),
        Confusion(0, 1, 2, 0.2),
        Confusion(2, 1, 2, 0.1),
    ]
    assert len(most_confused(confusion)) == 4
    assert most_confused(np.diag([3, 4])) == []
