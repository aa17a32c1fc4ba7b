"""Costs of errors, from the recipe through the run to the classifier and the exported file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart import api
from headstart.classifier import load_classifier
from headstart.data import Dataset, Split, SplitDataset
from headstart.deploy import explain, open_model
from headstart.errors import InputError
from headstart.models.recipes import make_recipe
from headstart.report import predictions_table, table_text
from headstart.results import read_metrics
from headstart.training import TrainingJob, check_recipe, train


def costs_of(names: tuple[str, ...], dear: str) -> str:
    """Return costs of 1 per error, and of 50 for each missed image of one class."""
    rows = [",".join(("true", *names))]
    for true in names:
        price = 50 if true == dear else 1
        rows.append(",".join([true, *("0" if name == true else str(price) for name in names)]))
    return "\n".join(rows)


def test_predictions_of_a_run_and_of_its_exported_file_cost_least(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    costs = costs_of(digits.class_names, "8")
    recipe = make_recipe("mlp", {"epochs": 1, "nodes": 32, "costs": costs})
    train(TrainingJob(recipe, SplitDataset(digits, small), 0, tmp_path / "run"))

    images = digits.images[small.test]
    model = open_model(tmp_path / "run")
    predictions = model.predict(images)
    expected = predictions.probabilities @ np.array(predictions.costs)
    assert predictions.labels == [digits.class_names[k] for k in expected.argmin(1)]
    most_probable = [digits.class_names[k] for k in predictions.probabilities.argmax(1)]
    assert predictions.labels.count("8") > most_probable.count("8")

    row = next(row for row in range(len(images)) if predictions.labels[row] != most_probable[row])
    explanation = explain(load_classifier(tmp_path / "run"), images[row])
    assert explanation.label == explanation.predicted == predictions.labels[row]

    for top in (1, 2, None):
        result = api.predict(tmp_path / "run", images[row : row + 1], top=top)
        (prediction,) = result["predictions"]
        assert prediction["label"] in prediction["probabilities"]
        assert len(prediction["probabilities"]) == (top or 10)
        table = table_text(predictions_table({**result, "top": 1}))
        assert f" {prediction['label']} " in table

    test = read_metrics(tmp_path / "run").test
    assert test is not None and test.cost is not None and test.cost.interval is not None
    assert test.cost.interval[0] < test.cost.mean < test.cost.interval[1]
    assert test.cost.mean < test.cost.most_probable

    api.export(tmp_path / "run", out=tmp_path / "model.onnx", data=digits)
    assert open_model(tmp_path / "model.onnx").predict(images).labels == predictions.labels


def test_costs_of_other_classes_are_refused_before_training(digits: Dataset, small: Split) -> None:
    recipe = make_recipe("mlp", {"costs": costs_of(("cat", "dog"), "cat")})
    with pytest.raises(InputError, match="'cat', which is not a class"):
        check_recipe(recipe, SplitDataset(digits, small))
