"""The terminal tables."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backbones_example import build_backbones
from compare_example import Built, build_comparison
from effects_example import build_effects
from examples import REAL_STUDIES, Data, changed
from fit_example import build_fit
from labels_example import build_labels
from lr_example import build_learning_rates
from rich.console import Console, RenderableType
from rich.text import Text
from tune_example import build_search

from headstart.formatting import percent
from headstart.report import (
    backbones_table,
    compare_table,
    datasets_table,
    effects_table,
    explanation_lines,
    export_table,
    fit_table,
    labels_table,
    layers_table,
    lr_table,
    predictions_table,
    run_table,
    runs_table,
    submission_table,
    tune_table,
)
from headstart.report.terminal._explanation_text import evidence_place
from headstart.report.terminal._notebook import table_html
from headstart.report.terminal._tables import wrap_path
from headstart.results import (
    BackboneRanking,
    Comparison,
    Effects,
    Finding,
    FitFinding,
    LabelCurves,
    LearningRates,
    Tuning,
    read_finding,
)

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "compare": lambda folder: build_comparison(folder, Built(data=Data(images=120))),
    "tune": build_search,
    "lr": build_learning_rates,
    "labels": build_labels,
    "effects": build_effects,
    "backbones": build_backbones,
}


def study_table(finding: Finding) -> RenderableType:
    match finding:
        case Comparison():
            return compare_table(finding)
        case Tuning():
            return tune_table(finding)
        case LearningRates():
            return lr_table(finding)
        case LabelCurves():
            return labels_table(finding)
        case Effects():
            return effects_table(finding)
        case BackboneRanking():
            return backbones_table(finding)
    raise AssertionError(finding.study)


def printed(table: RenderableType, width: int = 200) -> str:
    out = io.StringIO()
    Console(width=width, file=out).print(table)
    return out.getvalue()


def longest_line(text: str) -> int:
    return max(len(line.rstrip()) for line in text.splitlines())


@pytest.fixture(scope="module", params=BUILDERS)
def finding(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Finding:
    return read_finding(BUILDERS[request.param](tmp_path_factory.mktemp(request.param)))


TEXTS = {
    "compare": ["● cnn", "96.", "nearest neighbour on pixels 84.0%", "is better than"],
    "tune": ["not finite", "memory", "The optimism is 0.3 points.", "is better than", "≈ 8"],
    "lr": ["● 0.003", "≈ 0.001", "1 of 3", "3 of 3", "−17.9 to −16.9", "A range test suggests"],
    "labels": ["efficientnet-lite0", "10,000", "vs cnn", "+20.0 yes", "−10.0 yes", "Left out:"],
    "effects": ["undecided", "−31.5 to −30.5", "rmsprop – – – failed", "The baseline overfits"],
    "backbones": [
        *("● efficientnet-lite0@96", "≈ efficientnet-lite0@128", "420", "1,280", "−20.5"),
    ],
}


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_tables_fit_and_lose_no_number(finding: Finding, width: int) -> None:
    text = printed(study_table(finding), width)
    assert longest_line(text) <= min(width, 100)
    assert "…" not in text
    words = " ".join(text.split())
    assert [expected for expected in TEXTS[finding.study] if expected not in words] == []


@pytest.mark.parametrize("kind", BUILDERS)
def test_the_tables_of_real_studies_fit(kind: str) -> None:
    text = printed(study_table(read_finding(REAL_STUDIES / kind)), 80)
    assert longest_line(text) <= 80


_LONG_NAME = "herring-gull_juvenile-plumage_2024-winter"  # 41 letters


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        ("accuracy", "98.0%"),
        ("macro-f1", "84.2%"),
        ("log-loss", "-0.8421"),
        (f"/a/{_LONG_NAME}.py:gain", "0.8421"),
    ],
)
@pytest.mark.parametrize("has_folds", [True, False])
@pytest.mark.parametrize(
    "name", ["cnn", "efficientnet-lite0@160, fine-tuned, longer 2", _LONG_NAME, "x" * 60]
)
def test_the_table_of_fit_breaks_no_name_and_no_number_at_80_columns(
    tmp_path: Path, metric: str, score: str, has_folds: bool, name: str
) -> None:
    finding = read_finding(build_fit(tmp_path))
    assert isinstance(finding, FitFinding)
    first = changed(finding.tried[0], name=name, score=0.84215, validation_score=0.84215)
    if has_folds:
        first = changed(first, cross_validated=first.validation)
    text = printed(fit_table(changed(finding, metric=metric, tried=(first,))), 80)
    assert longest_line(text) <= 80
    table = text.partition("● part of")[0]
    assert score in table
    assert "50.0%" in table  # the weight
    lines = [re.split(r" {2,}", line.strip(" ●"))[0] for line in table.splitlines()]
    if name == _LONG_NAME:
        parts = [line for line in lines if line and line in name]
        assert "".join(parts) == name
        assert all(part.endswith(("-", "_")) for part in parts[:-1])
    elif name == "x" * 60:
        assert "".join(line for line in lines if line and line in name) == name
    else:
        assert set(name.split()) <= set(" ".join(lines).split())


def test_long_names_of_a_comparison_are_broken_after_their_parts(tmp_path: Path) -> None:
    finding = read_comparison(build_comparison(tmp_path, Built(data=Data(images=60))))
    first, *others = finding.contenders
    text = printed(
        compare_table(changed(finding, contenders=(changed(first, name=_LONG_NAME), *others))), 80
    )
    table = text.partition("\n\n")[0]
    assert longest_line(text) <= 80
    assert all(part in table for part in ("herring-gull_", "2024-winter", "95% interval"))
    assert re.search(r"\d\d\.\d to \d\d\.\d%", table)


def read_comparison(folder: Path) -> Comparison:
    finding = read_finding(folder)
    assert isinstance(finding, Comparison)
    return finding


def test_a_wide_comparison_has_the_cost_of_prediction(tmp_path: Path) -> None:
    finding = read_comparison(build_comparison(tmp_path, Built(data=Data(images=60))))
    assert "ms/image" not in printed(compare_table(finding), 80)
    assert "ms/image" in printed(compare_table(finding), 100)


def test_equivalent_contenders_are_marked(tmp_path: Path) -> None:
    built = Built(data=Data(images=60), winner=None, is_equivalent=True)
    text = printed(compare_table(read_comparison(build_comparison(tmp_path, built))))
    text = " ".join(text.split())
    assert "≈ cnn" in text and "≈ efficientnet-lite0 " in text
    assert "●" not in text


def test_names_are_not_markup_of_rich(tmp_path: Path) -> None:
    finding = read_comparison(build_comparison(tmp_path, Built(data=Data(images=60))))
    winner = changed(finding.contenders[0], name="[red]cnn[/red]")
    verdict = changed(finding.verdict, winner="[red]cnn[/red]")
    finding = changed(finding, contenders=(winner, *finding.contenders[1:]), verdict=verdict)
    text = " ".join(printed(compare_table(finding)).split())
    assert "● [red]cnn[/red]" in text
    assert winner.test is not None and percent(winner.test.accuracy) in text


def test_warnings_stand_below_the_table(tmp_path: Path) -> None:
    data = Data(images=60, warnings=("12 images are [tiny].",))
    finding = read_comparison(build_comparison(tmp_path, Built(data=data, seeds=1)))
    text = printed(compare_table(finding))
    assert text.index("is better than") < text.index("12 images are [tiny].")
    text = printed(run_table({"run": "runs/a", "warnings": ["the loss [did] not fall."]}))
    assert text.index("runs/a") < text.index("the loss [did] not fall.")


def test_a_comparison_without_test_images_has_validation_scores(tmp_path: Path) -> None:
    data = Data(images=120, has_test=False)
    finding = read_comparison(build_comparison(tmp_path, Built(data=data, is_compared=False)))
    text = printed(compare_table(finding))
    assert "validation" in text
    assert "No verdict" in text


RUN: dict[str, Any] = {
    "run": "runs/a",
    "model": "cnn",
    "seed": 0,
    "epochs": 6,
    "parameters": 13_264,
    "seconds": {"train": 80.0, "total": 85.0},
    "validation": {"accuracy": 0.91, "n": 900},
    "test": {"accuracy": 0.92, "interval": [0.9, 0.94], "n": 900},
}


def test_a_run_has_its_interval_and_number_of_images() -> None:
    text = " ".join(printed(run_table(RUN)).split())
    assert "test accuracy 92.0% (90.0 to 94.0%), 900 images" in text
    assert "training time 80 s" in text
    repeated = {**RUN, "repeats": {"run": "runs/b", "identical": False}}
    assert "runs/b: weights NOT the same" in printed(run_table(repeated))


def test_a_run_whose_head_was_solved_has_no_epochs() -> None:
    text = " ".join(printed(run_table({**RUN, "epochs": 1, "solved_heads": 1})).split())
    assert "training head solved" in text and "epochs" not in text


def test_runs_are_listed_finished_or_not() -> None:
    unfinished = {"run": "runs/b", "state": "unfinished", "model": "cnn", "seed": 1}
    text = printed(runs_table([RUN, unfinished]))
    assert "92.0%" in text and "runs/b" in text
    assert "No runs were found here." in printed(runs_table([]))


@pytest.mark.parametrize("width", [80, 100])
def test_the_list_of_runs_fits_and_names_folders_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.chdir(tmp_path)
    here = {
        "run": str(tmp_path / "runs/a"),
        "state": "finished",
        "model": "efficientnet-lite0",
        "seed": 1234,
        "seconds": {"train": 294.0},
        "validation": {"accuracy": 0.91, "n": 9000},
        "test": {"accuracy": 0.92, "n": 9000},
    }
    elsewhere = {"run": "/elsewhere/b", "state": "unfinished", "model": "mlp", "seed": 1}
    text = printed(runs_table([here, elsewhere]), width)
    assert longest_line(text) <= width
    rows = [line.split() for line in text.splitlines()]
    first = ["runs/a", "finished", "efficientnet-lite0", "1234", "92.00%", "91.00%"]
    assert first in [row[:6] for row in rows]
    assert ["/elsewhere/b", "unfinished", "mlp"] in [row[:3] for row in rows]


def test_a_long_path_is_broken_between_its_parts() -> None:
    path = "runs/compare-fashion-mnist-0123abcd/efficientnet-lite0-seed0"
    lines = wrap_path(path, 20).split("\n")
    assert "".join(lines) == path
    assert max(map(len, lines)) <= 20
    assert all(line[-1] in "/-_" for line in lines[:-1])
    assert wrap_path("x" * 50, 20).split("\n") == ["x" * 20, "x" * 20, "x" * 10]
    assert wrap_path("runs/a", 20) == "runs/a"


def test_the_list_of_runs_breaks_paths_between_their_parts() -> None:
    path = "studies/compare-fashion-mnist-0123abcd/runs/efficientnet-lite0-finetune-seed0"
    text = printed(runs_table([{**RUN, "run": path}]), 80)
    parts = [line.split()[0] for line in text.splitlines()[3:] if line.strip()]
    assert "".join(parts) == path
    assert all(part[-1] in "/-_" for part in parts[:-1])


def test_predictions_are_marked_if_they_are_unlike_the_training_data() -> None:
    predictions = [
        {
            "image": "a.png",
            "label": "cat",
            "probabilities": {"cat": 0.75, "dog": 0.25},
            "unfamiliar": True,
        },
        {
            "image": "b.png",
            "label": "dog",
            "probabilities": {"dog": 0.9, "cat": 0.1},
            "unfamiliar": False,
        },
    ]
    result = {
        "predictions": predictions,
        "top": 1,
        "csv": "out.csv",
        "figure": None,
        "unreadable": [],
    }
    text = " ".join(printed(predictions_table(result)).split())
    assert "a.png (!) cat" in text and "75.0%" in text and "25.0%" not in text
    assert "(!) Images unlike the training data, less reliable: 1 of 2 images." in text
    assert "Written: out.csv" in text


@pytest.mark.parametrize("sets", [{}, {"set": ["ants", "bees"], "uncertain": True}])
def test_paths_of_images_take_the_room_of_long_bars(sets: dict[str, object]) -> None:
    def lines(image: str) -> list[str]:
        probabilities = {"ants": 1.0, "bees": 0.0}
        prediction = {"image": image, "label": "ants", "probabilities": probabilities}
        result = {
            "predictions": [{**prediction, "unfamiliar": True, **sets}],
            "top": 1,
            "csv": None,
            "figure": None,
            "unreadable": [],
            "coverage": 0.9 if sets else None,
            "calibration": {"images": 80, "groups": None, "coverage_interval": [0.85, 0.95]},
        }
        printed_lines = printed(predictions_table(result), width=80).splitlines()
        return [line for line in printed_lines if "(!)" in line and "█" in line]

    (short,) = lines("a.jpg")
    (long,) = lines("val/ants/10308379_1b6c72e.jpg")
    (longer,) = lines("/home/someone/photos/of/insects/val/ants/10308379_1b6c72e180.jpg")
    assert "val/ants/10308379_1b6c72e.jpg (!)" in long
    assert "/ants/10308379_1b6c72e180.jpg (!)" in longer and "/home" not in longer
    assert short.count("█") == (12 if sets else 24) and longer.count("█") == 8
    assert max(map(len, (short, long, longer))) <= 80


def test_a_submission_counts_its_classes() -> None:
    result = {
        "labels": {"cat": 3, "dog": 1},
        "unfamiliar": 1,
        "columns": ["id", "label"],
        "submission": "submission.csv",
        "rows": 4,
        "unreadable": [],
    }
    text = printed(submission_table(result))
    assert "1 image is unlike the training data." in text
    assert "Written: submission.csv, 4 rows of id, label" in text


def test_an_export_names_its_parity_and_the_cost_of_8_bits() -> None:
    result = {
        "onnx": "model.onnx",
        "bytes": 13_264,
        "parity": {"top1_agreement": 1.0, "n": 64, "part": "test", "max_difference": 1e-6},
        "int8": {
            "onnx": "model.int8.onnx",
            "bytes": 4_000,
            "accuracy": 0.9012,
            "float_accuracy": 0.9034,
            "ms_per_image": {"1": 0.5},
            "float_ms_per_image": {"1": 0.7},
        },
    }
    text = " ".join(printed(export_table(result)).split())
    assert "same class as the run 100.0% of 64 test images" in text
    assert "accuracy 90.1% (float: 90.3%)" in text
    assert "ms/image, batch 1 0.5 (float: 0.7)" in text


def test_a_flattened_map_is_listed_with_height_width_and_channels() -> None:
    rest = {"parameters": 0, "multiply_adds": 0, "trainable": False}
    layers = [
        {"name": "0", "kind": "MaxPool2d", "output_shape": [64, 7, 7], **rest},
        {"name": "1", "kind": "Flatten", "output_shape": [3136], **rest},
    ]
    text = " ".join(printed(layers_table(layers)).split())
    assert "pooling MaxPool2d 7 × 7 × 64 0" in text
    assert "flatten Flatten 7 × 7 × 64 = 3136" in text


def test_a_rate_that_varies_more_over_seeds_has_a_mark(tmp_path: Path) -> None:
    finding = read_finding(build_learning_rates(tmp_path))
    assert isinstance(finding, LearningRates)
    assert "~" not in printed(lr_table(finding))
    best, close = finding.rates[3], finding.rates[2]
    assert close.difference is not None
    unsure = close.difference.model_copy(update={"p_adjusted": 0.54})
    close = changed(close, as_good=False, difference=unsure)
    text = printed(lr_table(changed(finding, rates=(close, best))))
    assert "~ varies significantly more over seeds" in text
    assert "~  0.001" in text


def test_a_rate_below_the_best_is_too_low_and_does_not_diverge(tmp_path: Path) -> None:
    finding = read_finding(build_learning_rates(tmp_path))
    assert isinstance(finding, LearningRates)
    low = changed(finding.rates[0], diverged_seeds=(0, 1, 2))
    text = printed(lr_table(changed(finding, rates=(low, *finding.rates[1:]))))
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()[:2] == "0."}
    assert rows[f"{low.lr:g}"].rstrip().endswith("too low")
    assert rows[f"{finding.rates[-1].lr:g}"].rstrip().endswith("3 of 3")


def test_layers_and_datasets_are_listed_with_their_sums() -> None:
    layers = [
        {
            "name": name,
            "kind": "Linear",
            "output_shape": [10],
            "parameters": 1000,
            "multiply_adds": 900,
            "trainable": is_trained,
        }
        for name, is_trained in (("body", False), ("head", True))
    ]
    text = " ".join(printed(layers_table(layers)).split())
    assert "total 2 layers 2,000 1,800" in text
    assert "trained 1,000" in text
    datasets = [
        {
            "name": "digits",
            "images": 1797,
            "train": 0,
            "test": 0,
            "classes": 10,
            "image_shape": [8, 8, 1],
            "from": None,
            "cached": False,
        }
    ]
    text = " ".join(printed(datasets_table(datasets)).split())
    assert "digits 1,797 – 10 8 × 8 × 1 no: headstart data get digits" in text


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        ({(0, 0): 3.0}, "upper left"),
        ({(0, 0): 3.0, (3, 4): 2.0, (4, 4): 2.0}, "lower right"),
        ({(2, 2): 1.0, (0, 4): -9.0}, "middle"),
        ({(2, 0): 1.0}, "left"),
        ({(1, 1): -1.0}, "none"),
    ],
)
def test_an_explanation_names_the_place_of_most_evidence(
    cells: dict[tuple[int, int], float], place: str
) -> None:
    values = np.zeros((5, 5))
    for cell, value in cells.items():
        values[cell] = value
    assert evidence_place(values) == place


def test_an_explanation_without_feature_maps_says_so() -> None:
    explanation = {
        "run": "runs/a",
        "model": "mlp",
        "label": "3",
        "predicted": "8",
        "probability": 0.25,
        "occlusion": {"values": [[1.0, 0.0], [0.0, 0.0]]},
        "grad_cam": None,
    }
    text = explanation_lines({"explanations": [explanation], "figure": "explanation.png"})
    assert text.splitlines() == [
        "mlp (runs/a): 3, 25.0% (predicted: 8). Most evidence: upper left.",
        "  Occlusion only: Grad-CAM needs feature maps, and this model has none.",
        "Figure: explanation.png",
    ]


def test_dim_text_in_a_notebook_has_the_colour_of_its_other_text() -> None:
    """Grey on white has a contrast of 4.0, which is below the 4.5 of WCAG AA."""
    html = table_html(Text("test accuracy", style="dim"))
    assert "opacity: 0.7" in html and "color: #" not in html
