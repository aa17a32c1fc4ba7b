"""Figure files as a paper prints them: in one column of 3.3 inches, or in two of 7 inches.

No letter has less than 6 points there, and no text is cut or touches another one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from examples import Data
from printed_texts import NAMES, require_clear_texts, shown_texts, smallest_printed
from test_every_page import BUILDERS, WITHOUT_FIGURES
from tune_example import build_search

from headstart.formatting import wrap_name
from headstart.report._error_images import ErrorImage, ExplainedPrediction
from headstart.report._gallery_images import Gallery, GalleryImage
from headstart.report._study import Entry, Score
from headstart.report.figures._architecture import architecture_figure
from headstart.report.figures._canvas import COLUMN, PAGE, drawing_style
from headstart.report.figures._fonts import cut_to_width, text_width, wrap_to_width
from headstart.report.figures._gallery import gallery_figure
from headstart.report.figures._network_blocks import Block, BlockState
from headstart.report.figures._search import trials_figure
from headstart.report.figures._worst_errors import worst_errors_figure
from headstart.report.pages._render import _finding_page
from headstart.results import JsonObject, Trial, Tuning, read_finding

SMALLEST = 6.0  # points
ENTRIES = [
    Entry[object](name, place, Score(), None)
    for place, name in enumerate(("cnn", "efficientnet-lite0 with the weights of another project"))
]
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("kind", [kind for kind in BUILDERS if kind not in WITHOUT_FIGURES])
def test_every_figure_file_has_letters_of_six_points_on_a_page(
    tmp_path: Path, kind: str, classes: int
) -> None:
    names = [NAMES["a species"](number) for number in range(classes)]
    BUILDERS[kind](tmp_path, Data(class_names=names, images=400))
    with drawing_style():
        page = _finding_page(tmp_path, read_finding(tmp_path))
        assert page.figures
        for name, draw in page.figures.items():
            figure = draw()
            assert smallest_printed(figure, PAGE) >= SMALLEST, name
            assert figure.get_figwidth() <= PAGE, name


def images(count: int, kind: str) -> tuple[GalleryImage, ...]:
    """Return images of a gallery, whose predictions are other classes."""
    found: list[GalleryImage] = []
    for number in range(count):
        predicted = NAMES[kind](number + 1)
        probabilities = ((predicted, 0.999),)
        found.append(GalleryImage(PIXELS, "a", NAMES[kind](number), predicted, probabilities))
    return tuple(found)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_a_printed_gallery_is_readable(count: int, kind: str) -> None:
    with drawing_style():
        figure = gallery_figure(ENTRIES[1], Gallery(images(count, kind), images(2, kind)[:count]))
        assert smallest_printed(figure, COLUMN if count <= 4 else PAGE) >= SMALLEST
        require_clear_texts(figure)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("count", [1, 3, 6])
def test_printed_worst_errors_are_readable(count: int, kind: str) -> None:
    errors: list[ErrorImage] = []
    for number in range(count):
        predictions = tuple(
            ExplainedPrediction(entry, NAMES[kind](number + 1), 0.97, "Grad-CAM", PIXELS)
            for entry in ENTRIES
        )
        name = f"photographs/summer/IMG_{number:04d}.jpg"
        errors.append(ErrorImage(PIXELS, name, NAMES[kind](number), predictions))
    with drawing_style():
        figure = worst_errors_figure(errors)
        assert smallest_printed(figure, COLUMN if count <= 3 else PAGE) >= SMALLEST
        require_clear_texts(figure)


@pytest.mark.parametrize("count", [1, 4, 6, 7, 24])
def test_a_printed_network_is_readable(count: int) -> None:
    states: Sequence[BlockState] = ("frozen", "trained", "no parameters")
    blocks = [
        Block(
            title=f"features.denseblock{number}.denselayer{number}.conv2",
            kinds=("Conv2dNormActivation", "BatchNorm2d", "ReLU", "MaxPool2d"),
            output_shape=(2048, 112, 112),
            parameters=123_456,
            multiply_adds=1,
            layers=4,
            state=states[number % 3],
        )
        for number in range(count)
    ]
    with drawing_style():
        figure = architecture_figure(ENTRIES[1], blocks)
        assert smallest_printed(figure, COLUMN if count <= 6 else PAGE) >= SMALLEST
        require_clear_texts(figure)


MORE_SETTINGS: JsonObject = {
    "augmentation.mixup_probability": {"low": 1e-6, "high": 0.5, "log": True},
    "optimizer": ["adamw", "sgd-with-momentum", "nadam"],
    "batch": [16, 32, 64, 128, 256, 512],
    "weight_decay": {"low": 1e-5, "high": 0.1, "log": True},
    "label_smoothing": {"low": 0.0, "high": 0.2, "log": False},
    "use_batch_normalisation": [True, False],
}


def with_more_settings(trial: Trial) -> Trial:
    """Return a trial with a value of each of `MORE_SETTINGS`."""
    values: JsonObject = dict(trial.values)
    for key, searched in MORE_SETTINGS.items():
        if isinstance(searched, list):
            values[key] = searched[trial.number % len(searched)]
        else:
            values[key] = 0.01
    return trial.model_copy(update={"values": values})


@pytest.mark.parametrize("is_large", [False, True])
def test_the_printed_trials_of_a_search_are_readable(tmp_path: Path, is_large: bool) -> None:
    finding = read_finding(build_search(tmp_path))
    assert isinstance(finding, Tuning)
    if is_large:
        trials = tuple(map(with_more_settings, finding.trials))
        changes = {"trials": trials, "space": {**finding.space, **MORE_SETTINGS}}
        finding = finding.model_copy(update=changes)
    with drawing_style():
        figure = trials_figure(finding)
        assert smallest_printed(figure, PAGE) >= SMALLEST
        require_clear_texts(figure)
        keys = {text.get_text().replace("\n", "") for text in shown_texts(figure)}
        assert set(finding.space) - keys <= ({"use_batch_normalisation"} if is_large else set())


def test_text_is_wrapped_or_cut_to_a_width_in_inches() -> None:
    name = "Genus_species_of_bird_number_012"
    wrapped = wrap_to_width(name, 0.7, 6.0)
    assert wrapped.replace("\n", "") == name
    assert max(text_width(line, 6.0) for line in wrapped.split("\n")) <= 0.7
    assert wrap_to_width("ant", 0.7, 6.0) == "ant"
    cut = cut_to_width(name, 0.7, 6.0)
    assert cut.startswith("Genus") and cut.endswith("012") and "…" in cut
    assert text_width(cut, 6.0) <= 0.7
    assert cut_to_width("ant", 0.7, 6.0) == "ant"


def test_a_name_with_dots_breaks_after_a_dot_but_not_in_a_number() -> None:
    assert wrap_name("augmentation.shift", 13) == "augmentation.\nshift"
    assert wrap_name("at 1.25 pixels", 7) == "at 1.25\npixels"
