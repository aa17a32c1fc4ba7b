"""The values behind figures and sections: blocks, matrices, axes and colours."""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from examples import Data, Example, seed_spread, write_curves, write_run
from fit_example import build_fit
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from printed_texts import NAMES, require_clear_texts, smallest_printed

from headstart.report._layer_titles import layer_titles
from headstart.report._study import Entry, RunFolder, Score, open_run
from headstart.report.figures._backbone_cost import COST_SIZES, cost_figure
from headstart.report.figures._canvas import (
    COLUMN,
    PAGE,
    drawing_style,
    new_figure,
    percent_axis,
    percent_tick,
    save_figure,
)
from headstart.report.figures._confusion_figure import confusion_figure, spread
from headstart.report.figures._confusion_matrix import (
    labelled_classes,
    largest_error_share,
    matrix_pixels,
)
from headstart.report.figures._difference_plot import DifferenceBar, differences_figure
from headstart.report.figures._fit_progress import fit_progress_figure
from headstart.report.figures._label_curves import _Curve, _mark_sizes
from headstart.report.figures._learning_curves import (
    AxisLimits,
    curve_panel,
    entries_with_curves,
    epoch_limits,
    value_limits,
)
from headstart.report.figures._network_blocks import network_blocks
from headstart.report.figures._part_scores import part_scores
from headstart.report.figures._search import _epoch_labels, _similar_epochs
from headstart.report.figures._style import DARK, LIGHT, Theme
from headstart.report.pages._class_section import ClassRow, MeanClassScores, class_section
from headstart.report.pages._confusion_section import listed_pairs
from headstart.report.pages._sentence import sentence
from headstart.results import BackboneCandidate, FitFinding, LayerSummary, read_finding


def layer(
    name: str, kind: str = "Conv2d", parameters: int = 10, trainable: bool = True
) -> LayerSummary:
    return LayerSummary(
        name=name,
        kind=kind,
        output_shape=(4, 8, 8),
        parameters=parameters,
        trainable=trainable,
        multiply_adds=100,
    )


def test_a_layer_with_weights_is_drawn_with_those_after_it() -> None:
    network = [
        layer("conv1"),
        layer("norm", "BatchNorm2d"),
        layer("act", "ReLU", 0, False),
        layer("head", "Linear"),
    ]
    blocks = network_blocks(network, (8, 8, 1))
    assert [(block.title, block.kinds, block.parameters, block.state) for block in blocks] == [
        ("image", ("input",), 0, "no parameters"),
        ("conv1", ("Conv2d", "BatchNorm2d", "ReLU"), 20, "trained"),
        ("head", ("Linear",), 10, "trained"),
    ]


def test_a_frozen_backbone_has_one_block_per_stage() -> None:
    frozen = [
        layer(f"blocks.{stage}.{part}", trainable=False)
        for stage in range(3)
        for part in ("0.conv", "0.bn", "1.conv", "1.bn")
    ]
    network = [layer("conv_stem", trainable=False), *frozen, layer("head", "Linear")]
    blocks = network_blocks(network, (8, 8, 1))[1:]
    assert [block.title for block in blocks] == [
        *("conv_stem", "blocks.0", "blocks.1", "blocks.2", "head"),
    ]
    assert [block.state for block in blocks] == ["frozen"] * 4 + ["trained"]
    assert (blocks[1].layers, blocks[1].parameters, blocks[1].multiply_adds) == (4, 40, 400)


def test_a_long_network_is_drawn_by_stage_even_if_it_is_trained() -> None:
    network = [layer(f"stage.{number // 10}.conv{number}") for number in range(40)]
    blocks = network_blocks(network, (8, 8, 1))[1:]
    assert [(block.title, block.layers, block.state) for block in blocks] == [
        (f"stage.{number}", 10, "trained") for number in range(4)
    ]


def test_numbered_layers_have_titles_and_a_flattened_map_keeps_its_shape() -> None:
    shapes = [(32, 14, 14), (32, 7, 7), (32, 7, 7), (1568,), (64,), (64,), (10,)]
    kinds = ("Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "Dropout", "Linear")
    network = [
        layer(str(place), kind, 0 if kind not in ("Conv2d", "Linear") else 10).model_copy(
            update={"output_shape": shape}
        )
        for place, (kind, shape) in enumerate(zip(kinds, shapes, strict=True))
    ]
    blocks = network_blocks(network, (14, 14, 1))[1:]
    assert [(block.title, block.output_shape) for block in blocks] == [
        ("convolution", (32, 7, 7)),
        ("dense 1", (64,)),
        ("dense 2", (10,)),
    ]


def test_names_that_cut_accepts_stay() -> None:
    layers = [("blocks.0.conv1", "Conv2d"), ("head.1", "Linear"), ("head.3", "Linear")]
    assert layer_titles(layers) == ["blocks.0.conv1", "head dense 1", "head dense 2"]


def test_errors_are_visible_next_to_a_strong_diagonal() -> None:
    counts = np.array([[98, 2], [0, 100]])
    pixels = matrix_pixels(counts, largest_error_share([counts]), "#0067a5", "#59616b")
    assert tuple(pixels[0, 1]) == (0x00, 0x67, 0xA5, 255)
    assert tuple(pixels[0, 0, :3]) == (0x59, 0x61, 0x6B)
    assert pixels[1, 0, 3] == 0


def test_matrices_without_an_error_have_a_scale() -> None:
    assert largest_error_share([np.eye(3, dtype=np.int64)]) == 1.0
    assert largest_error_share([]) == 1.0


def test_pairs_are_ranked_by_images_then_share_and_single_images_are_left_out() -> None:
    counts = np.array([[6, 2, 1, 0], [0, 2, 2, 0], [3, 0, 3, 0], [1, 0, 0, 0]])
    pairs, single_pairs = listed_pairs(counts)
    assert [(pair.true, pair.predicted) for pair in pairs] == [(2, 0), (1, 2), (0, 1)]
    assert single_pairs == 2


def test_pairs_with_a_single_image_are_listed_if_there_are_no_others() -> None:
    pairs, single_pairs = listed_pairs(np.array([[9, 1, 0], [1, 1, 0], [0, 0, 5]]))
    assert [(pair.true, pair.predicted) for pair in pairs] == [(1, 0), (0, 1)]
    assert single_pairs == 0


@pytest.mark.parametrize("classes", [21, 25, 100, 144, 145, 1000])
def test_no_axis_names_more_than_twelve_of_many_classes(classes: int) -> None:
    assert 8 <= len(labelled_classes(classes)) <= 12
    assert len(labelled_classes(20)) == 20


def confused(classes: int, images: int = 60) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return a confusion matrix in which neighbouring classes in the middle are confused."""
    counts = np.diag(np.full(classes, images, np.int64))
    middle = classes // 2
    for step in range(min(4, middle)):
        counts[middle, middle - step - 1] = images // 3 - step
        counts[middle - step, classes - 1 - step // 2] += images // 6
    return counts


def drawn_matrix(
    counts: np.ndarray[tuple[int, int], np.dtype[np.int64]], names: Sequence[str]
) -> Figure:
    """Return a figure of a matrix with the layout of its file."""
    entry = Entry("efficientnet-lite0", 0, Score(), None)
    pairs, _ = listed_pairs(counts)
    figure = confusion_figure(entry, counts, names, largest_error_share([counts]), pairs)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("classes", [2, 10, 20, 21, 100])
def test_a_printed_matrix_has_letters_of_six_points_and_no_cut_or_overlapping_text(
    classes: int, kind: str
) -> None:
    names = [NAMES[kind](number) for number in range(classes)]
    with drawing_style():
        figure = drawn_matrix(confused(classes), names)
        width = figure.get_figwidth()
        # A figure that is wider than its place is printed smaller, and so are its letters.
        # More than 20 classes fit a column, unless all letters of long names are capitals.
        place = COLUMN if width <= COLUMN or (classes > 20 and kind != "capitals") else PAGE
        assert smallest_printed(figure, place) >= 6.0
        require_clear_texts(figure)


def test_a_matrix_of_ten_classes_fits_a_column_and_one_of_a_hundred_too() -> None:
    with drawing_style():
        for classes in (10, 100):
            names = [f"class {number}" for number in range(classes)]
            assert drawn_matrix(confused(classes), names).get_figwidth() <= COLUMN


def test_a_matrix_of_many_classes_names_and_lists_the_confused_ones(tmp_path: Path) -> None:
    names = [f"kind {number}" for number in range(100)]
    counts = np.diag(np.full(100, 50, np.int64))
    counts[7, 93], counts[40, 41], counts[41, 40] = 20, 10, 5
    with drawing_style():
        figure = drawn_matrix(counts, names)
        axes = figure.axes[0]
        labels = [text.get_text() for text in axes.get_yticklabels()]
        assert labels == ["kind 7", "kind 40", "kind 41"]
        labels = [text.get_text() for text in axes.get_xticklabels()]
        assert labels == ["kind 40", "kind 41", "kind 93"]
        assert figure.get_supxlabel().splitlines()[1:] == [
            "kind 7 → kind 93: 20 (29%)",
            "kind 40 → kind 41: 10 (17%)",
            "kind 41 → kind 40: 5 (9.1%)",
        ]
        rings = np.asarray(axes.lines[0].get_xydata())
        assert rings.tolist() == [[93, 7], [41, 40], [40, 41]]
        box = axes.get_window_extent()
        assert box.width == pytest.approx(box.height, rel=0.02)
        save_figure(figure, tmp_path, "matrix")
    assert (tmp_path / "matrix.svg").stat().st_size < 2e5


def test_a_matrix_of_many_classes_without_errors_names_its_ends() -> None:
    with drawing_style():
        figure = drawn_matrix(np.eye(30, dtype=np.int64), [f"kind {n}" for n in range(30)])
        labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert labels == ["kind 0", "kind 29"]
        assert figure.get_supxlabel() == "30 classes, no errors"


def test_labels_are_spread_as_little_as_possible() -> None:
    assert spread([1, 5, 9], 2, 0, 10) == [1, 5, 9]
    assert spread([4, 5, 6], 2, 0, 10) == [3, 5, 7]
    assert spread([0, 1, 1], 2, 0, 10) == pytest.approx([0, 2, 4])
    assert spread([9, 10], 2, 0, 10) == [8, 10]
    assert spread([], 2, 0, 10) == []


def entry_with_epochs(name: str, epochs: int) -> Entry[None]:
    run = RunFolder(Path(name), None, {"epoch": np.arange(1.0, epochs + 1)})
    return Entry(name, 0, Score(), None, (run,), run)


def test_entries_share_an_epoch_axis_unless_one_curve_would_be_a_dot() -> None:
    near = epoch_limits([entry_with_epochs("a", 6), entry_with_epochs("b", 12)])
    far = epoch_limits([entry_with_epochs("a", 6), entry_with_epochs("b", 90)])
    assert near["a"] == near["b"]
    assert far["a"] != far["b"]


@pytest.mark.parametrize(("low", "high"), [(0.78, 0.98), (0.953, 0.999), (0.0, 1.0), (0.91, 0.915)])
def test_ticks_in_percent_say_where_they_are(low: float, high: float) -> None:
    axes = new_figure(3, 3).subplots()
    axes.set(ylim=(low, high))
    percent_axis(axes.yaxis)
    ticks = axes.get_yticks()
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert len(set(texts)) == len(texts) >= 3
    for tick, text in zip(ticks, texts, strict=True):
        assert float(text.rstrip("%")) == pytest.approx(100 * tick)


def test_all_ticks_have_the_decimals_that_one_of_them_needs() -> None:
    assert [percent_tick(value, (0.95, 0.975)) for value in (0.95, 0.975)] == ["95.0%", "97.5%"]
    assert percent_tick(0.95, (0.95, 0.96)) == "95%"


def test_the_first_loss_is_cut_only_if_it_is_far_above_the_others(tmp_path: Path) -> None:
    for first, is_shown in ((0.55, True), (60.0, False)):
        losses = np.array([first, *np.linspace(0.3, 0.1, 199)])
        curves = {"epoch": np.arange(1.0, 201), "train_loss": losses}
        run = RunFolder(tmp_path, None, curves)
        entry = Entry("mlp", 0, Score(0.9, (0.8, 1.0), 100), None, (run,), run)
        assert (value_limits([entry], "loss")[1] >= first) is is_shown


def test_similar_numbers_of_epochs_share_a_mark_and_a_label() -> None:
    groups = _similar_epochs([0.44, 0.51, 0.53, 3])
    assert groups == [[0.44, 0.51, 0.53], [3]]
    assert _epoch_labels(groups) == ["after 0.44 to 0.53 epochs", "after 3 epochs"]
    many = _epoch_labels([[1], [2], [4], [8], [16]])
    assert many == ["after fewer epochs", None, None, None, "after 16 epochs"]


def test_sentences_have_minus_signs_and_options_that_stay_on_one_line() -> None:
    text = sentence("From -2.6 to 3.7 & 2026-11-29; see --group-by.")
    option = '<code class="nowrap">--group-by</code>'
    assert text == f"From −2.6 to 3.7 &amp; 2026-11-29; see {option}."


def test_a_command_at_the_end_of_a_sentence_is_code_and_keeps_its_hyphens() -> None:
    text = sentence('No "near copies" (p = 0.57). Find them: headstart audit photos-2 --quick')
    assert text == (
        "No “near copies” (p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.57). Find them: "
        '<code>headstart audit photos-2 <span class="nowrap">--quick</span></code>'
    )


def test_a_single_epoch_is_not_a_curve() -> None:
    entries = [entry_with_epochs("one", 1), entry_with_epochs("two", 2)]
    assert [entry.name for entry in entries_with_curves(entries)] == ["two"]


def test_training_accuracy_is_that_of_the_last_epoch_with_its_wilson_interval(
    tmp_path: Path,
) -> None:
    data = Data(images=100)
    write_run(tmp_path, Example("cnn", 0.8), data)
    write_curves(tmp_path, [[1, 1, 0.1, 0.9, 0.5, 1.0, 0.5], [2, 2, 0.1, 0.2, 0.9, 0.5, 0.7]])
    run = open_run(tmp_path)
    assert run is not None
    training, validation, test = part_scores(run, data.summary())
    assert (training.part, training.accuracy, training.images) == ("training", 0.9, 51_000)
    assert training.interval[0] < 0.9 < training.interval[1]
    assert (validation.images, test.images) == (100, 100)


def test_training_accuracy_is_left_out_if_it_was_not_measured(tmp_path: Path) -> None:
    data = Data(images=100)
    write_run(tmp_path, Example("cnn", 0.8), data)
    write_curves(tmp_path, [[1, 1, 0.1, 0.9, float("nan"), 1.0, 0.5]])
    run = open_run(tmp_path)
    assert run is not None
    assert [score.part for score in part_scores(run, data.summary())] == ["validation", "test"]


def entries_with_f1(folder: Path, accuracies: Sequence[float], data: Data) -> list[Entry[None]]:
    entries: list[Entry[None]] = []
    for place, accuracy in enumerate(accuracies):
        write_run(folder / str(place), Example("cnn", accuracy), data, noise=place)
        run = open_run(folder / str(place))
        assert run is not None
        entries.append(Entry(f"entry {place}", place, Score(), None, (run,), run))
    return entries


def test_classes_with_the_largest_difference_come_first(tmp_path: Path) -> None:
    data = Data(class_names=("x", "y", "z"), images=300)
    entries = entries_with_f1(tmp_path, (0.9, 0.4), data)
    section = class_section(entries, "test", data.class_names)
    gaps = [row.gap for row in section.rows]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 0.2
    assert {row.name for row in section.rows} == {"x", "y", "z"}
    lowest = min(row.lowest for row in section.rows)
    assert section.axis_start <= lowest < section.axis_start + 0.1


def test_the_weakest_classes_of_a_single_entry_come_first(tmp_path: Path) -> None:
    data = Data(class_names=("x", "y", "z"), images=300)
    section = class_section(entries_with_f1(tmp_path, (0.7,), data), "test", data.class_names)
    lowest = [row.lowest for row in section.rows]
    assert lowest == sorted(lowest)


def test_a_mark_with_an_equal_score_is_a_ring_around_the_other() -> None:
    same, other = MeanClassScores(0.9, 0.9, 0.9), MeanClassScores(0.8, 0.8, 0.8)
    row = ClassRow("x", 10, (same, None, other, same), 0.8, 0.1)
    (first, *_), (second, *_), (third, *_) = row.marks
    assert (first, second, third) == (0, 2, 3), "the contender without scores has no mark"
    sizes = [size for *_, size in row.marks]
    assert sizes[0] > 1.5 and sizes[1:] == [1, 1]

    curve = _Curve("a", "red", (10, 30), (seed_spread(0.5), seed_spread(0.7)), 100)
    other_curve = _Curve("b", "blue", (10, 30), (seed_spread(0.5), seed_spread(0.8)), 100)
    ring, mark = _mark_sizes(curve, [other_curve])
    assert ring > 1.5 * mark
    assert _mark_sizes(other_curve, []) == [mark, mark]


def linear_light(colour: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the linear light of a hexadecimal sRGB colour (IEC 61966-2-1)."""
    value = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_colour_has_the_contrast_of_wcag_aa(theme: Theme) -> None:
    def luminance(colour: str) -> float:
        return float(linear_light(colour) @ [0.2126, 0.7152, 0.0722])

    for colour in (theme.ink, theme.soft, theme.warn, *theme.accents):
        for ground in (theme.paper, theme.wash):
            low, high = sorted((luminance(colour), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (colour, ground)


# Machado, Oliveira & Fernandes (2009), severity 1.
COLOUR_VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
RGB_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", COLOUR_VISION)
def test_accents_stay_apart_for_colour_blind_readers(theme: Theme, vision: str) -> None:
    def lab(colour: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        seen = np.clip(np.array(COLOUR_VISION[vision]) @ linear_light(colour), 0, 1)
        xyz = RGB_TO_XYZ @ seen / [0.9505, 1, 1.089]
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    for first, second in combinations(theme.accents, 2):
        assert np.linalg.norm(lab(first) - lab(second)) >= 10, (first, second)


def test_the_room_is_imported_without_heavy_libraries() -> None:
    heavy = {"torch", "matplotlib", "PIL", "sklearn", "rich", "jinja2"}
    code = f"import sys, headstart.report; print({heavy} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("kind", ["a sentence", "a species"])
def test_names_of_forty_letters_are_complete_and_leave_room(classes: int, kind: str) -> None:
    names = [NAMES[kind](number) for number in range(classes)]
    complete = {name.replace(" ", "") for name in names}
    assert all(len(name) == 40 for name in names)
    with drawing_style():
        axes = drawn_matrix(confused(classes), names).axes[0]
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            shown = {label.replace("\n", "").replace(" ", "") for label in labels}
            assert 3 <= len(shown) == len(labels) and shown <= complete
        assert axes.get_window_extent().width > 0.4 * axes.figure.bbox.width


SPEEDS = {
    "apart": (30.0, 90.0, 250.0),
    "close": (80.0, 84.0, 92.0),
    "equal": (80.0, 80.0, 80.0),
    "at the ends": (5.0, 5.5, 4000.0),
}


@pytest.mark.parametrize("size", COST_SIZES.values(), ids=COST_SIZES)
@pytest.mark.parametrize("speeds", SPEEDS.values(), ids=SPEEDS)
@pytest.mark.parametrize("accuracies", [(0.60, 0.75, 0.90), (0.88, 0.89, 0.90)])
def test_no_name_of_a_backbone_covers_an_interval_or_another_name(
    accuracies: Sequence[float], speeds: Sequence[float], size: tuple[float, float]
) -> None:
    if accuracies[0] > 0.8 and len(set(speeds)) == 1:
        pytest.skip("marks at one place leave no room for three names")
    candidates = [
        BackboneCandidate(
            name=f"efficientnet-lite{number}@{32 * (number + 1)}",
            model=f"efficientnet-lite{number}",
            input_px=32 * (number + 1),
            features=1280,
            accuracy=accuracy,
            interval=(accuracy - 0.04, accuracy + 0.04),
            loss=1.0,
            l2=0.01,
            images_per_second=speed,
            is_best=number == 2,
            as_good=number == 2,
            is_recommended=number == 1,
            difference=None,
        )
        for number, (accuracy, speed) in enumerate(zip(accuracies, speeds, strict=True))
    ]
    with drawing_style():
        figure = cost_figure(candidates, size)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        texts = {text.get_text(): text.get_window_extent() for text in axes.texts}
        assert set(texts) == {candidate.name for candidate in candidates}
        for first, second in combinations(texts.values(), 2):
            assert not first.overlaps(second)
        for candidate in candidates:
            speed, (low, high) = candidate.images_per_second, candidate.interval
            ends = axes.transData.transform([(speed, low), (speed, high)])
            interval = Bbox(ends).padded(2)
            for text, box in texts.items():
                assert not box.overlaps(interval), text
        for text, box in texts.items():
            assert box.x0 >= axes.bbox.x0 - 1 and box.x1 <= axes.bbox.x1 + 1, text


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_the_axis_of_a_fit_has_no_share_below_zero_or_above_one(
    tmp_path: Path, score: float
) -> None:
    finding = read_finding(build_fit(tmp_path))
    assert isinstance(finding, FitFinding)
    step = finding.history[0].model_copy(update={"score": score, "best": score})
    finding = finding.model_copy(update={"history": (step,), "metric": "accuracy"})
    with drawing_style():
        axes = fit_progress_figure(finding).axes[0]
        low, high = axes.get_ylim()
        ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
        assert 0 <= low <= score <= high <= 1 and low < high
        assert len(ticks) >= 2 and min(ticks) >= -1e-9 and max(ticks) <= 1 + 1e-9


def test_a_class_without_images_has_no_scores_and_comes_last(tmp_path: Path) -> None:
    data = Data(class_names=("x", "y", "z"), images=300)
    entries = entries_with_f1(tmp_path, (0.7,), data)
    scores = entries[0].runs[0].scores("test")
    assert scores is not None
    empty = scores.per_class[0].model_copy(
        update={"support": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    )
    metrics = json.loads((tmp_path / "0" / "metrics.json").read_text())
    metrics["test"]["per_class"][0] = json.loads(empty.model_dump_json())
    (tmp_path / "0" / "metrics.json").write_text(json.dumps(metrics))
    run = open_run(tmp_path / "0")
    assert run is not None
    section = class_section([Entry("cnn", 0, Score(), None, (run,), run)], "test", data.class_names)
    assert section.rows[-1].name == "x" and section.rows[-1].support == 0
    assert section.axis_start > 0


@pytest.mark.parametrize(
    ("losses", "words"), [([0.9, 0.4], []), ([80.0, 50.0], ["all above 2"]), ([], ["not measured"])]
)
def test_a_panel_without_a_visible_curve_says_why(losses: list[float], words: list[str]) -> None:
    curves = {"epoch": np.arange(1.0, 3.0), "validation_loss": np.array(losses)}
    run = RunFolder(Path("run"), None, curves)
    entry = Entry("mlp", 0, Score(), None, (run,), run)
    figure = curve_panel(entry, "loss", AxisLimits((1, 2), (0.0, 2.0)), 1)
    assert [text.get_text() for text in figure.axes[0].texts] == words


@pytest.mark.parametrize("margin", [None, 0.005])
def test_the_line_at_zero_crosses_no_number(margin: float | None) -> None:
    differences = (0.0, 0.001, -0.001, 0.004, -0.02, 0.3, -0.3)
    bars = [
        DifferenceBar("row", value, (value - 0.01, value + 0.01), 0.01, LIGHT.ink)
        for value in differences
    ]
    with drawing_style():
        figure = differences_figure(bars, reach=0.05, margin=margin)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        zero = axes.transData.transform((0.0, 0.0))[0]
        boxes = [text.get_window_extent() for text in axes.texts]
        assert len(boxes) == len(differences)
        assert all(box.x0 > zero or box.x1 < zero for box in boxes)
        assert all(axes.bbox.x0 - 1 <= box.x0 and box.x1 <= axes.bbox.x1 + 1 for box in boxes)
