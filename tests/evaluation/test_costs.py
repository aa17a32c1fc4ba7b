"""Decisions that minimise the expected cost, and tables of costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.classifier import Predictions, concatenate_predictions
from headstart.errors import InputError
from headstart.evaluation import decide, expected_cost
from headstart.models.recipes import cost_matrix, make_recipe, read_recipe

NAMES = ("cat", "dog", "rat")
TABLE = "true,dog,rat,cat\nrat,4,0,5\ncat,1,2,0\ndog,0,3,6\n"
MATRIX = [[0, 1, 2], [6, 0, 3], [5, 4, 0]]  # in the order of NAMES


def recipe_costs(path: Path, text: str) -> str:
    path.write_text(text)
    costs = make_recipe("mlp", {"costs": str(path)}).costs
    assert costs is not None
    return costs


def test_a_table_in_any_order_becomes_a_matrix_in_the_order_of_the_classes(tmp_path: Path) -> None:
    text = recipe_costs(tmp_path / "costs.csv", TABLE)
    assert cost_matrix(text, NAMES).tolist() == MATRIX


def test_a_recipe_keeps_the_costs_and_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    recipe_costs(path, TABLE)
    recipe = make_recipe("mlp", {"costs": path})
    path.unlink()
    assert read_recipe(recipe.model_dump(mode="json")) == recipe
    assert recipe.digest != make_recipe("mlp").digest


def test_recipes_without_costs_and_metric_keep_their_digest() -> None:
    written = make_recipe("mlp").model_dump(mode="json")
    assert not {"costs", "metric"} & set(written)
    assert make_recipe("mlp", {"metric": "log-loss"}).digest == make_recipe("mlp").digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line"),
        ("true,cat\ncat,0\n", "two or more classes"),
        ("true,cat,cat\ncat,0,1\n", "each once"),
        ("true,cat,dog\ncat,0,1\n", "'dog' has no row"),
        ("true,cat,dog\ncat,0,1\ncat,1,0\n", "line 3: the class 'cat' occurs twice"),
        ("true,cat,dog\ncat,0,1\ndig,1,0\n", "line 3: .*'dig' has no column: did you mean 'dog'"),
        ("true,cat,dog\ncat,0\ndog,1,0\n", "line 2: expected 2 costs, got 1"),
        ("true,cat,dog\ncat,0,x\ndog,1,0\n", "predicting dog for cat: .*got 'x'"),
        ("true,cat,dog\ncat,0,-1\ndog,1,0\n", "at least 0, got '-1'"),
        ("true,cat,dog\ncat,0,inf\ndog,1,0\n", "got 'inf'"),
        ("true,cat,dog\ncat,0,0\ndog,0,0\n", "all costs are 0"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"costs\.csv.*{message}"):
        recipe_costs(tmp_path / "costs.csv", text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        make_recipe("mlp", {"costs": str(tmp_path / "nowhere.csv")})


@pytest.mark.parametrize(
    ("names", "message"),
    [(("cat", "dog"), "'rat', which is not"), ((*NAMES, "cow"), "lack cow: expected 4")],
)
def test_costs_of_other_classes_are_refused(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    text = recipe_costs(tmp_path / "costs.csv", TABLE)
    with pytest.raises(InputError, match=message):
        cost_matrix(text, names)


def test_the_decision_has_the_least_expected_cost() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    costs = np.array(MATRIX, np.float64)
    for row, choice in zip(probabilities, decide(probabilities, costs), strict=True):
        expected = [sum(row[true] * costs[true, k] for true in range(3)) for k in range(3)]
        assert expected[choice] == min(expected)
    equal = 1 - np.eye(3)
    assert (decide(probabilities, equal) == decide(probabilities, None)).all()


def test_the_expected_cost_is_the_mean_of_what_the_decisions_cost() -> None:
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([1, 1, 1], 4000)
    labels = np.array([rng.choice(3, p=row) for row in probabilities])
    costs = np.array(MATRIX, np.float64)
    cost = expected_cost(labels, probabilities, costs)
    promised = (probabilities @ costs).min(1).mean()
    assert cost.interval is not None
    assert cost.interval[0] < promised < cost.interval[1]
    assert cost.mean < cost.most_probable
    assert expected_cost(labels[:1], probabilities[:1], costs).interval is None


def test_predictions_are_the_decisions_and_keep_their_costs_when_they_are_joined() -> None:
    costs = np.array(MATRIX, np.float64)
    probabilities = np.array([[0.5, 0.3, 0.2]], np.float32)
    batch = Predictions(NAMES, probabilities, np.zeros(1, np.float32), costs=costs)
    joined = concatenate_predictions([batch, batch])
    assert joined.labels == ["dog", "dog"]  # 2.8 for a cat, 1.3 for a dog, 1.9 for a rat
    assert joined.as_json(["a", "b"])[0]["label"] == "dog"
