"""The page of a single run."""

import json
import re
from pathlib import Path

import pytest
from examples import Data, Example, copy_real, write_curves, write_run
from pages import page_text, section, section_names

from headstart.errors import InputError
from headstart.report import report, write_run_report
from headstart.results import RunMetrics


def test_a_run_has_a_page_without_a_verdict(tmp_path: Path) -> None:
    write_run(tmp_path, Example("cnn", 0.95), seed=3, noise=5)
    page = page_text(tmp_path)
    assert re.search(r"<h1[^>]*>cnn on digits: 9\d\.\d%</h1>", page)
    assert section_names(page) == [
        "results",
        "curves",
        "confusion",
        "classes",
        "networks",
        "examples",
        "images",
        "reproduce",
        "glossary",
    ]
    assert "McNemar" not in page
    assert "Precision" in page
    assert (tmp_path / "figures" / "confusion-cnn.svg").exists()


@pytest.mark.usefixtures("page_only")
def test_a_real_run_of_version_01_has_a_page(tmp_path: Path) -> None:
    page = page_text(copy_real("run", tmp_path))
    assert "<h1>mlp on digits: " in page
    assert "2 epochs, 12 steps, 0.3 s of training." in section(page, "results")


@pytest.mark.usefixtures("page_only")
def test_the_results_list_test_and_validation_scores(tmp_path: Path) -> None:
    metrics = write_run(tmp_path, Example("cnn", 0.95), Data(images=2000))
    assert metrics.test is not None
    results = section(page_text(tmp_path), "results")
    assert results.index(">Test</th>") < results.index(">Validation</th>")
    assert results.count(f"<b>{100 * metrics.test.accuracy:.2f}%</b>") == 2


@pytest.mark.usefixtures("page_only")
def test_a_starved_run_is_noted_and_lists_no_confused_pairs(tmp_path: Path) -> None:
    write_run(tmp_path, Example("cnn", 0.95))
    path = tmp_path / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    assert "before the network had seen every" not in page_text(tmp_path)

    confusion = metrics["test"]["confusion"]
    counts = [[sum(row) * (column == 1) for column in range(len(row))] for row in confusion]
    metrics["test"]["confusion"] = counts
    path.write_text(json.dumps(metrics | {"epochs": 0.03, "steps": 1}), encoding="utf-8")
    page = page_text(tmp_path)
    assert "The run ended before the network had seen every training image (0.03 epochs)." in page
    confusion_part = section(page, "confusion")
    assert "All test images are predicted as 1, so no pair of classes" in confusion_part
    assert "Share of the true class" not in confusion_part


@pytest.mark.usefixtures("page_only")
def test_a_score_on_validation_images_is_marked(tmp_path: Path) -> None:
    write_run(tmp_path, Example("cnn", 0.95), Data(has_test=False))
    page = page_text(tmp_path)
    assert "% (validation images)</h1>" in page
    assert ">Test</th>" not in page


@pytest.mark.usefixtures("page_only")
def test_a_run_without_an_evaluation_says_so(tmp_path: Path) -> None:
    content = write_run(tmp_path, Example("cnn", 0.95), Data(has_test=False)).as_json()
    (tmp_path / "metrics.json").write_text(json.dumps({**content, "validation": None}))
    data = json.loads((tmp_path / "data.json").read_text())
    data["parts"]["validation"] = {"images": 0, "per_class": [0] * 10}
    (tmp_path / "data.json").write_text(json.dumps(data))
    page = page_text(tmp_path)
    assert "<h1>cnn on digits, without an evaluation</h1>" in page
    assert "so this page has no scores" in page
    assert "<table" not in section(page, "results") and "Validation accuracy</dt>" not in page


def solved_run(folder: Path) -> RunMetrics:
    """Write a run whose head was solved for, as training writes it: one row of curves."""
    metrics = write_run(folder, Example("efficientnet-lite0", 0.8, is_frozen=True))
    content = metrics.as_json()
    content["recipe"] = {**metrics.recipe, "optimizer": "lbfgs"}
    content["epochs"] = content["steps"] = 1
    (folder / "metrics.json").write_text(json.dumps(content))
    write_curves(folder, [[1, 20.0, 0.001, 0.011, 1.0, 0.455, 0.8]])
    return metrics


def test_a_solved_head_has_accuracies_instead_of_curves(tmp_path: Path) -> None:
    metrics = solved_run(tmp_path)
    assert metrics.validation is not None
    page = page_text(tmp_path)
    curves = section(page, "curves")
    assert "Accuracy by part of the split" in curves
    assert "The linear head was solved for with L-BFGS" in curves
    assert "<svg" not in curves
    rows = re.findall(r'<th scope="row">(\w+)</th><td>([\d,]+)</td><td><b>([\d.]+)%', curves)
    accuracy = f"{100 * metrics.validation.accuracy:.1f}"
    assert rows == [
        ("Training", "51,000", "100.00"),
        ("Validation", "600", accuracy),
        ("Test", "600", accuracy),
    ]
    assert "Head solved, " in section(page, "results")
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {
        "accuracy-by-part",
        "architecture-efficientnet-lite0",
        "confusion-efficientnet-lite0",
        "gallery-efficientnet-lite0",
    }


@pytest.mark.usefixtures("page_only")
def test_training_of_one_epoch_is_not_called_solved(tmp_path: Path) -> None:
    write_run(tmp_path, Example("cnn", 0.5))
    write_curves(tmp_path, [[1, 20.0, 0.001, 2.1, 0.4, 2.0, 0.5]])
    curves = section(page_text(tmp_path), "curves")
    assert "Training took less than two epochs, so it has no learning curve." in curves
    assert "L-BFGS" not in curves


@pytest.mark.usefixtures("page_only")
def test_warnings_about_the_data_stand_with_the_results(tmp_path: Path) -> None:
    write_run(tmp_path, Example("cnn", 0.5), Data(warnings=("12 images of <cat> are tiny.",)))
    results = section(page_text(tmp_path), "results")
    assert "<b>Data:</b> 12 images of &lt;cat&gt; are tiny." in results


def test_a_folder_without_metrics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.json does not exist"):
        write_run_report(tmp_path)
    with pytest.raises(InputError, match="holds no finished study or run"):
        report(tmp_path)
    with pytest.raises(InputError, match="nowhere does not exist"):
        report(tmp_path / "nowhere")


def test_damaged_data_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path, Example("cnn", 0.5))
    (tmp_path / "data.json").write_text('{"name": "digits"}')
    with pytest.raises(InputError, match=r"data\.json: invalid source: Field required"):
        write_run_report(tmp_path)
