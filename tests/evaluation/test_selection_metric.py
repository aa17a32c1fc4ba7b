"""Metrics that select: the known ones, and functions of the user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from headstart.errors import InputError
from headstart.evaluation import compute_metrics, score_or_none, selection_metric

LABELS = np.array([0, 0, 0, 0, 1, 2, 2, 1])
PROBABILITIES = np.random.default_rng(0).dirichlet([1, 1, 1], 8)


def write(folder: Path, text: str) -> str:
    (folder / "my.py").write_text(text)
    return f"{folder / 'my.py'}:score"


def score(name: str) -> float:
    return selection_metric(name).score(LABELS, PROBABILITIES)


def test_the_metrics_are_those_of_scikit_learn() -> None:
    predicted = PROBABILITIES.argmax(1)
    assert score("accuracy") == (predicted == LABELS).mean()
    assert score("macro-f1") == pytest.approx(f1_score(LABELS, predicted, average="macro"))
    assert score("balanced-accuracy") == pytest.approx(balanced_accuracy_score(LABELS, predicted))
    assert score("log-loss") == pytest.approx(-log_loss(LABELS, PROBABILITIES))
    assert score("macro-f1") == compute_metrics(LABELS, PROBABILITIES).macro_f1


def test_a_class_without_labels_does_not_count_in_the_balanced_accuracy() -> None:
    two = np.where(LABELS == 2, 1, LABELS)
    expected = np.mean([(PROBABILITIES.argmax(1) == two)[two == label].mean() for label in (0, 1)])
    assert selection_metric("balanced-accuracy").score(two, PROBABILITIES) == expected


@pytest.mark.parametrize(
    ("name", "suggested"), [("acuracy", "accuracy"), ("macro_f1", "macro-f1"), ("x", "Choose one")]
)
def test_an_unknown_metric_is_refused_with_the_nearest_name(name: str, suggested: str) -> None:
    with pytest.raises(InputError, match=suggested):
        selection_metric(name)


def test_a_function_of_the_user_is_called_with_copies(tmp_path: Path) -> None:
    name = write(tmp_path, "def score(y, p):\n    p[:] = 0\n    return len(y)\n")
    before = PROBABILITIES.copy()
    metric = selection_metric(name)
    assert metric.score(LABELS, PROBABILITIES) == 8.0
    assert (before == PROBABILITIES).all()
    assert metric.name == name and len(metric.digest) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def score(y, p):\n    return y / 0 if y is None else [][3]\n", "line 2.*IndexError"),
        ("import json\ndef score(y, p):\n    json.loads('{')\n", "line 3.*JSONDecodeError"),
        ("x = 1\ndef score(y p):\n", "line 2.*SyntaxError"),
        ("x = 1\nraise SystemExit\n", "line 2.*SystemExit"),
        ("def scores(y, p):\n    return 1\n", "did you mean 'scores'"),
        ("score = 3\n", "does not define a function"),
        ("def score(y, p):\n    return float('nan')\n", "finite number, got nan"),
        ("def score(y, p):\n    return None\n", "finite number, got None"),
        ("def score(y, p):\n    return p\n", r"finite number, got an array of shape \(8, 3\)"),
        ("def score(y, p):\n    return True\n", "finite number, got True"),
    ],
)
def test_a_failing_function_is_named_with_file_and_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=rf"(?s)my\.py.*{message}"):
        score(write(tmp_path, text))


@pytest.mark.parametrize("name", ["nowhere.py:score", "nowhere.py", "nowhere.py:"])
def test_a_missing_file_or_function_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="metric"):
        selection_metric(name)


def test_a_score_has_the_digits_that_its_images_carry(tmp_path: Path) -> None:
    assert selection_metric("accuracy").describe(8 / 9, images=9) == "accuracy 88.9%"
    assert selection_metric("macro-f1").describe(0.87521, images=2000) == "macro-f1 87.52%"
    assert selection_metric("log-loss").describe(-0.25, images=9) == "log-loss 0.2500"
    own = selection_metric(write(tmp_path, "def score(y, p):\n    return 1.0\n"))
    assert own.describe(12.34567, images=9).endswith(":score 12.35")


def test_a_function_that_fails_on_the_test_images_costs_no_finished_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = selection_metric(write(tmp_path, "def score(y, p):\n    return 1 / (len(y) - 3)\n"))
    labels = np.array([0, 1, 0])
    assert score_or_none(own, labels, np.full((3, 2), 0.5)) is None
    assert score_or_none(str(tmp_path / "gone.py") + ":score", labels, np.full((3, 2), 0.5)) is None
    assert "WARNING: " in capsys.readouterr().err
