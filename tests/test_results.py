"""Results of the verbs: a dict, its tables as data frames, a torch module, HTML for notebooks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import headstart
from headstart import api, progress
from headstart.api._results import LearningRatesResult
from headstart.data import take
from headstart.errors import InputError
from headstart.report import table_html
from headstart.results import LearningRates, read_finding

ASSETS = Path(__file__).parent / "assets" / "version-0.1"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> api.Run:
    """Train a cnn that averages over mirror images; one class is called NA, one is markup."""
    images, labels = shades(["NA", "<b>", "7"])
    return headstart.train(
        (images, labels), epochs=2, nodes=8, flip=True, out=tmp_path_factory.mktemp("runs") / "run"
    )


def shades(names: list[str], channels: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    labels = np.arange(160) % len(names)
    images = rng.integers(0, 90, (160, 8, 8, channels)) + 80 * labels.reshape(-1, 1, 1, 1)
    return images.astype(np.uint8), np.array(names)[labels]


def test_a_result_is_the_json_that_it_was(run: api.Run) -> None:
    assert json.loads(json.dumps(run)) == run
    assert run.folder == Path(run["run"])


def test_curves_and_predictions_are_frames(run: api.Run) -> None:
    assert run.curves["epoch"].tolist() == [1, 2]
    assert run.curves["validation_accuracy"].iloc[-1] == pytest.approx(
        run["validation"]["accuracy"], abs=1e-5
    )
    predictions = run.predictions
    assert set(predictions["label"]) == {"NA", "<b>", "7"}, "names stay words"
    tested = predictions[predictions["part"] == "test"]
    assert tested["correct"].mean() == pytest.approx(run["test"]["accuracy"])
    assert np.allclose(tested[["7", "<b>", "NA"]].sum(axis=1), 1, atol=1e-4)


def test_a_notebook_shows_the_figures_of_a_run(run: api.Run) -> None:
    figures = run.figures
    assert list(figures) == ["curves", "confusion", "architecture", "gallery"]
    assert repr(figures) == "<RunFigures: curves, confusion, architecture, gallery>"
    html = figures._repr_html_()
    assert html.count('src="data:image/png;base64,iVBOR') == len(figures) == 4
    assert 'alt="Confusion matrix"' in html
    assert repr(figures["gallery"]) == "<RunFigure: Example predictions>"
    drawn = figures["confusion"].draw()
    assert {"NA", "<b>", "7"} <= {text.get_text() for text in drawn.axes[0].get_xticklabels()}


def test_the_summary_of_a_run_lists_the_layers_of_its_network(run: api.Run) -> None:
    summary = run.summary()
    assert summary.layers == run.metrics.architecture
    total = sum(layer.parameters for layer in summary.layers)
    assert run["parameters"] == total
    for text in (str(summary), summary._repr_html_()):
        assert "blocks.0.conv1" in text and f"{total:,}" in text
    assert "\x1b" not in str(summary)


@pytest.mark.parametrize(
    ("names", "channels", "flip"),
    [(["a", "b", "c"], 3, True), (["a", "b"], 1, False), (["a", "b"], 3, True)],
)
def test_the_module_gives_logits_whose_softmax_is_the_prediction(
    names: list[str], channels: int, flip: bool, tmp_path: Path
) -> None:
    images, labels = shades(names, channels)
    run = headstart.train((images, labels), epochs=2, nodes=8, flip=flip, out=tmp_path / "run")
    expected = headstart.load_classifier(run.folder).probabilities(images)
    module = run.module
    planes = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.inference_mode():
        for given in (
            planes,
            planes / 255,
            torch.from_numpy(images),
            torch.from_numpy(images) / 255,
        ):
            logits = module(given)
            assert logits.shape == (160, len(names)) and logits.dtype == torch.float32
            assert np.allclose(
                logits.softmax(1).numpy(), expected, atol=0.01
            )  # bfloat16, another batch size
    pixels = (planes[:4] / 255).requires_grad_()
    loss = torch.nn.functional.cross_entropy(module(pixels), torch.zeros(4, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(loss, pixels)
    assert gradient.abs().sum() > 0
    assert not module.training and module.class_names == tuple(names)


def test_the_metrics_of_a_run_are_typed(run: api.Run) -> None:
    assert run.metrics.test is not None
    assert run.metrics.test.accuracy == run["test"]["accuracy"]


def test_the_module_is_loaded_once(run: api.Run) -> None:
    assert run.module is run.module
    assert json.loads(json.dumps(run)) == run


def test_the_module_refuses_images_of_another_shape(run: api.Run) -> None:
    with pytest.raises(InputError, match=r"expected \(channels, .*\(1, 8, 8\), got \(1, 9, 8\)"):
        run.module(torch.zeros(2, 1, 9, 8))


def test_studies_have_their_tables_as_frames(page_only: None, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"train_images": 200, "epochs": 1, "nodes": 8}
    comparison = headstart.compare(
        "digits", models="mlp", seeds=2, time_limit=None, out=tmp_path / "compare", **keys
    )
    assert comparison.contenders["name"].tolist() == ["mlp"]
    assert (
        comparison.contenders["test_accuracy"][0] == comparison["contenders"][0]["test"]["accuracy"]
    )
    assert comparison.folder == tmp_path / "compare"
    rates = headstart.lr(
        "digits", model="mlp", values=[0.05, 0.1], seeds=1, out=tmp_path / "lr", **keys
    )
    assert sorted(rates.rates["lr"]) == [0.05, 0.1]
    assert "difference_difference" not in rates.rates
    assert rates.rates["difference"].notna().sum() == 1, "of the rate that is not the best"
    assert rates.finding.rates[0].lr == rates["rates"][0]["lr"] == 0.05
    search = headstart.tune(
        "digits",
        model="mlp",
        space={"lr": [0.01, 0.1]},
        trials=2,
        seeds=1,
        out=tmp_path / "tune",
        **keys,
    )
    assert len(search.trials) == 2 and len(search.history) >= 1
    effects = headstart.effects(
        "digits", model="mlp", of="l2", seeds=1, out=tmp_path / "effects", **keys
    )
    assert set(effects.effects["hyperparameter"]) == {"l2"}
    for result in (comparison, rates, search, effects):
        assert "<pre" in result._repr_html_() and "mlp" in str(result)


def test_a_notebook_shows_the_figures_of_a_study(tmp_path: Path) -> None:
    study = headstart.lr(
        "digits",
        model="mlp",
        values=[0.05, 0.1],
        seeds=1,
        train_images=100,
        epochs=1,
        nodes=8,
        out=tmp_path / "lr",
    )
    figures = study.figures
    assert list(figures) == ["learning-rates"]  # a range test needs more steps
    assert repr(figures) == "<StudyFigures: learning-rates>"
    figure = figures["learning-rates"]
    assert repr(figure) == "<StudyFigure: Learning rates>"
    assert figure._repr_png_() == figure.path.read_bytes()
    html = figures._repr_html_()
    assert html.count('src="data:image/png;base64,iVBOR') == len(figures) == 1
    assert 'alt="Learning rates"' in html


def test_frames_have_the_columns_of_fields_that_are_null() -> None:
    finding = read_finding(ASSETS / "lr")
    assert isinstance(finding, LearningRates)
    full = LearningRatesResult(finding).rates
    rates = [rate.model_copy(update={"difference": None}) for rate in finding.rates]
    empty = LearningRatesResult(finding.model_copy(update={"rates": tuple(rates)})).rates
    assert list(empty) == list(full)
    assert full["difference"].notna().any() and not empty["difference"].notna().any()


def test_without_pandas_a_frame_says_what_to_install(
    run: api.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        InputError, match=r"pandas is not installed.*\n.*pip install 'headstart\[pandas\]'"
    ):
        _ = run.curves


def test_html_is_small_and_escaped_and_sets_no_background(run: api.Run) -> None:
    shown = api.Run({**run, "model": "<script>alert(1)</script>"})._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    assert "accuracy" in shown and len(shown) < 5_000
    assert "background: none" in shown and "background-color" not in shown
    assert table_html("plain").count("<pre") == 1


def test_a_dataset_shows_an_image_of_each_class() -> None:
    images, labels = shades(["NA", "<b>", "7"], channels=3)
    dataset = headstart.load((images, labels))
    shown = dataset._repr_html_()
    assert "160 images, 8x8 RGB, 3 classes" in shown
    assert shown.count("data:image/png;base64,") == 3
    assert "<b>arrays</b>" in shown and "&lt;b&gt;" in shown and shown.count("<b>") == 1
    assert len(take(dataset.images, np.arange(2))) == 2


class Page:
    """A notebook cell that keeps its messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def display(self, content: dict[str, str], **_: Any) -> Page:
        self.messages.append(content["text/html"])
        return self

    def update(self, content: dict[str, str], **_: Any) -> None:
        self.messages.append(content["text/html"])


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    class ZMQInteractiveShell:
        pass

    page, ipython = Page(), type(sys)("IPython")
    ipython.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    ipython.display = page  # type: ignore[attr-defined]
    for name, module in (
        ("ipykernel", type(sys)("ipykernel")),
        ("IPython", ipython),
        ("IPython.display", page),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0.0)
    progress.show_progress(True)
    return page


def test_a_bar_in_a_notebook_shows_how_far_it_is_and_goes(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INNER_BAR_AFTER_SECONDS", 0.0)
    with progress.task("reading <b>", 4, "images") as task:
        task.note("loss 0.3")
        task.advance(1)
        task.advance(2)
    assert page.messages[0].startswith(
        '<progress value="1" max="4"></progress> reading &lt;b&gt;: 1 of 4 images'
    )
    assert "3 of 4 images" in page.messages[1] and page.messages[1].endswith("loss 0.3")
    assert page.messages[2:] == [""]


def test_short_work_leaves_nothing_in_a_notebook(page: Page) -> None:
    with progress.task("reading", 1) as task:
        task.advance()
    assert page.messages == []
    progress.show_progress(False)
    assert progress.in_notebook()
