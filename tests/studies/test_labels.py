"""The study of labels: nested subsets, learning curves and their sentences, time limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart import store
from headstart.data import (
    Dataset,
    Split,
    SplitDataset,
    draw_labelled_subset,
    make_split,
    max_labels_per_class,
    read_split,
    without_validation,
)
from headstart.errors import InputError
from headstart.execution import Job, Outcome
from headstart.formatting import points
from headstart.models.recipes import make_recipe
from headstart.results import LabelComparison, LabelMatch, read_finding, read_metrics
from headstart.studies import LabelCurvesConfig, StudyContext, run_study
from headstart.studies._contenders import NamedContender
from headstart.studies._grid import Grid, Variant
from headstart.studies._grid_plan import plan_grid
from headstart.studies._grid_runs import run_grid
from headstart.studies._label_matching import (
    CurvesComparison,
    _needs_sentence,
    _sentence,
    compare_label_curves,
    reference_of,
)

QUICK: dict[str, Any] = {"epochs": 2.0, "batch": 32, "nodes": 16}


def quick(*models: str, **changes: Any) -> LabelCurvesConfig:
    config: dict[str, Any] = {
        "models": models or ("mlp", "mlp:fast"),
        "per_class": (3, 20),
        "seeds": 2,
        "values": QUICK,
    }
    return LabelCurvesConfig(**{**config, **changes})


@pytest.fixture
def data(digits: Dataset, digits_split: Split) -> SplitDataset:
    return SplitDataset(digits, digits_split)


@pytest.fixture
def small_data(digits: Dataset, small: Split) -> SplitDataset:
    return SplitDataset(digits, small)


def test_fewer_labels_are_a_subset_of_more_and_every_class_has_its_number(
    data: SplitDataset,
) -> None:
    for draw in range(3):
        chain = [draw_labelled_subset(data, count, draw) for count in (1, 7, 50)]
        for count, rows in zip((1, 7, 50), chain, strict=True):
            assert np.bincount(data.dataset.labels[rows]).tolist() == [count] * 10
            assert set(rows) <= set(data.split.train)
            assert (np.diff(rows) > 0).all()
        assert set(chain[0]) < set(chain[1]) < set(chain[2])
    first = draw_labelled_subset(data, 7, 1)
    assert (first == draw_labelled_subset(data, 7, 1)).all()
    assert set(first) != set(draw_labelled_subset(data, 7, 0))


def test_an_exact_copy_is_not_a_further_label(data: SplitDataset) -> None:
    labels, train = data.dataset.labels, data.split.train
    zeros = train[labels[train] == 0]
    hashes = data.dataset.hashes.copy()
    hashes[zeros[5:]] = hashes[zeros[5]]
    copied = SplitDataset(replace(data.dataset, hashes=hashes), data.split)
    assert max_labels_per_class(copied) == 6
    rows = draw_labelled_subset(copied, 6, 0)
    assert len({row.tobytes() for row in hashes[rows[labels[rows] == 0]]}) == 6
    with pytest.raises(InputError, match="'0'"):
        draw_labelled_subset(copied, 7, 0)


def test_no_group_is_in_a_subset_and_in_an_evaluated_part(digits: Dataset) -> None:
    groups = np.arange(len(digits)) // 9
    grouped = replace(digits, groups=groups)
    split = make_split(grouped)
    drawn = set(groups[draw_labelled_subset(SplitDataset(grouped, split), 30, 0)])
    assert not drawn & set(groups[np.concatenate([split.validation, split.test])])


def test_contenders_learn_from_the_same_images_and_are_evaluated_on_the_same(
    data: SplitDataset, tmp_path: Path
) -> None:
    finding = run_study(quick(), data, tmp_path / "study")
    assert finding == read_finding(tmp_path / "study")
    first, second = finding.contenders
    assert [point.labels for point in first.points] == [30, 200]
    assert finding.per_class == (3, 20)
    for ours, theirs in zip(first.points, second.points, strict=True):
        for seed, runs in enumerate(zip(ours.runs, theirs.runs, strict=True)):
            seen, same = (read_split(tmp_path / "study" / run, data.dataset) for run in runs)
            drawn = draw_labelled_subset(data, ours.per_class, seed)
            assert (seen.train == drawn).all()
            assert (seen.train == same.train).all()
            assert (seen.test == data.split.test).all()
            assert not len(seen.validation)
    assert (finding.test_reads, finding.compared_with) == (8, "mlp")
    assert "The 270 validation images are not used." in finding.notes[0]
    assert first.points[0].accuracy is not None
    assert len(first.points[0].accuracy.per_seed) == 2


def test_a_killed_study_resumes_with_its_plan_and_its_finished_runs(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_half(grid: Grid, *rest: Any) -> None:
        half = [replace(variant, runs={}) for variant in grid.variants[:2]]
        run_grid(replace(grid, variants=half), *rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("headstart.studies._labels.run_grid", run_half)
        run_study(quick(), data, tmp_path / "study")
    runs = tmp_path / "study" / "runs"
    finished = {path: path.stat().st_mtime_ns for path in runs.glob("*/metrics.json")}
    assert len(finished) == 4
    finding = run_study(quick(), data, tmp_path / "study")
    assert {path: path.stat().st_mtime_ns for path in finished} == finished

    def draw_first_only(visible: SplitDataset, per_class: int, draw: int) -> Any:
        assert draw == 0, "a finished study draws no image that it does not need"
        return draw_labelled_subset(visible, per_class, draw)

    monkeypatch.setattr("headstart.studies._labels.draw_labelled_subset", draw_first_only)
    assert run_study(quick(), data, tmp_path / "study") == finding


def test_runs_that_another_study_finished_are_not_in_the_time_that_is_announced(
    data: SplitDataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_study(quick(seeds=1), data, tmp_path / "first")
    monkeypatch.setattr("headstart.progress._quiet", False)
    run_study(quick(), data, tmp_path / "second")
    printed = capsys.readouterr().err
    assert "Reusing 4 of 8 runs that are already finished." in printed
    assert "8 runs, 4 of them done, about" in printed


def test_a_time_limit_costs_seeds_first_then_the_most_labels_then_length(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.studies._grid_plan.expected_seconds", lambda *_: 10.0)
    monkeypatch.setattr("headstart.studies._grid_plan._REPORT_SECONDS", 0.0)
    grids: list[Grid] = []

    def stop(grid: Grid, *_: Any) -> None:
        grids.append(grid)
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.studies._labels.run_grid", stop)
    config = quick(per_class=(3, 10, 30, 100), seeds=3, values={**QUICK, "epochs": 4.0})
    for number, limit in enumerate((300, 200, 150, 100, 60, 30)):
        with pytest.raises(KeyboardInterrupt):
            run_study(replace(config, time_limit=float(limit)), data, tmp_path / str(number))
    assert [(len(grid.seeds), grid.variants[-1].name) for grid in grids] == [
        (3, "mlp-fast-100"),
        (2, "mlp-fast-100"),
        (2, "mlp-fast-30"),
        (2, "mlp-fast-10"),
        (1, "mlp-fast-10"),
        (1, "mlp-fast-10"),
    ]
    epochs = [grid.variants[0].recipe.epochs or 0 for grid in grids]
    assert epochs[:5] == [4.0] * 5
    assert 1 < epochs[5] < 4
    assert "Left out for the time limit: mlp-100, mlp-fast-100." in grids[2].notes


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_single_seed_that_a_time_limit_left_is_named(
    small_data: SplitDataset, seeds: tuple[int, ...]
) -> None:
    recipe = make_recipe("mlp")
    grid = Grid([Variant("mlp-1", recipe)], seeds, ["The time limit allows fewer seeds."])
    notes = quick("mlp", seeds=3)._notes(grid, {}, small_data, "test")
    assert any(note.startswith("One seed: differences are about") for note in notes) == (
        len(seeds) == 1
    )


def test_a_head_that_is_solved_for_is_not_shortened_with_the_iterative_runs(
    small_data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.studies._grid_plan.expected_seconds", lambda *_: 10.0)
    monkeypatch.setattr("headstart.studies._grid_plan._REPORT_SECONDS", 0.0)
    monkeypatch.setattr("headstart.studies._time_limit._SECONDS_PER_PREDICTION", 0.0)
    fake_time = SimpleNamespace(perf_counter=lambda: 0.0)
    monkeypatch.setattr("headstart.studies._study.time", fake_time)
    head = Variant("head", make_recipe("efficientnet-lite0"))
    net = Variant("net", make_recipe("mlp", {"epochs": 8.0}))

    def planned(name: str, limit: float, *variants: Variant) -> dict[str, float | None]:
        context = StudyContext(small_data, tmp_path / name, started=0.0)
        grid = plan_grid(Grid(list(variants), (0,)), context, limit, slots=1)
        return {variant.name: variant.recipe.epochs for variant in grid.variants}

    assert planned("both", 15 / 0.95, head, net) == {"head": 1.0, "net": 4.0}
    plan = store.read_json(tmp_path / "both" / "budget.json")
    assert plan["seconds"] == {"head": 10.0, "net": 5.0}
    message = r"leaves 0.8 epochs for each of 1 runs.\n.*--time-limit 13s"
    with pytest.raises(InputError, match=message):
        planned("short", 11 / 0.95, head, net)
    message = r"leaves too little time for the runs.\n.*--time-limit 11s"
    with pytest.raises(InputError, match=message):
        planned("head", 9.0, head)


def test_a_frozen_backbone_is_compared_with_the_network_that_is_not_pretrained(
    digits: Dataset, tmp_path: Path
) -> None:
    data = SplitDataset(digits, make_split(digits, train_images=300, test=0.03))
    values = {"input_px": 32, "nodes": 16}
    config = quick("efficientnet-lite0", "mlp", per_class=(2, 8), seeds=1, values=values)
    finding = run_study(config, data, tmp_path / "study")
    assert finding.compared_with == "mlp"
    assert finding.comparisons[0].a == "efficientnet-lite0"
    assert [point.per_class for point in finding.contenders[0].points] == [2, 8]
    metrics = read_metrics(tmp_path / "study" / "runs" / "efficientnet-lite0-8-seed0")
    assert metrics.recipe["optimizer"] == "lbfgs"
    assert metrics.backbone is not None
    assert metrics.backbone.input_px == 32


def test_failed_runs_are_in_no_test_and_the_notes_say_whose_the_points_are(
    small_data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.execution._job import attempt

    def fail_some(job: Job, visible: SplitDataset) -> Outcome:
        if job.name in ("mlp-20, seed 1", "mlp-3, seed 0", "mlp-3, seed 1"):
            return Outcome(job, None, "memory", "too large")
        return attempt(job, visible)

    monkeypatch.setattr("headstart.execution._executors.attempt", fail_some)
    finding = run_study(quick(), small_data, tmp_path / "study")
    assert (
        "mlp with 20 labels per class failed with 1 of 2 seeds. It is left out of the tests, and "
        "its point is of the other seeds." in finding.notes
    )
    assert (
        "mlp with 3 labels per class failed with 2 of 2 seeds. It is left out of the tests."
        in finding.notes
    )
    assert finding.comparisons[0].differences == ()
    assert "Too many runs" in finding.comparisons[0].sentence
    without, with_one = finding.contenders[0].points
    assert without.accuracy is None
    assert without.failures == ("seed 0: too large", "seed 1: too large")
    assert with_one.accuracy is not None
    assert len(with_one.accuracy.per_seed) == 1


def test_features_are_computed_once_for_all_runs_and_shrink_with_the_time(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SplitDataset(digits, make_split(digits, train_images=300, test=0.05))
    config = quick(
        "mlp",
        "efficientnet-lite0",
        per_class=(2, 5, 10),
        seeds=3,
        time_limit=600.0,
        values={"epochs": 2.0, "input_px": 32},
    )
    monkeypatch.setattr("headstart.studies._labels.seconds_per_image", lambda *_: 1.9)
    monkeypatch.setattr("headstart.studies._grid_plan.expected_seconds", lambda *_: 0.1)
    sizes: list[tuple[str, tuple[int, int, int]]] = []

    def record(recipe: Any, visible: SplitDataset) -> Any:
        split = visible.split
        sizes.append((recipe.model, (len(split.train), len(split.validation), len(split.test))))
        return recipe

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.studies._labels.with_features", record)
    monkeypatch.setattr("headstart.studies._labels.run_grid", stop)
    with pytest.raises(KeyboardInterrupt):
        run_study(config, data, tmp_path / "study")
    assert [model for model, _ in sizes] == ["mlp", "efficientnet-lite0"]
    assert sizes[0][1] == sizes[1][1]
    train_images, validation_images, test_images = sizes[0][1]
    assert (validation_images, test_images) == (0, len(data.split.test))
    # Five labels per class and two seeds. Ten labels or three seeds would take too long.
    assert 50 <= train_images < 100

    with pytest.raises(InputError, match=r"leaves \d+ s for features that take about \d+ s"):
        run_study(replace(config, time_limit=10.0), data, tmp_path / "short")


def test_numbers_of_labels_that_the_data_cannot_give_are_left_out_with_a_note(
    small_data: SplitDataset, tmp_path: Path
) -> None:
    config = quick("mlp", per_class=(2, 9, 100, 3000), seeds=1)
    finding = run_study(config, small_data, tmp_path / "study")
    assert finding.per_class == (2, 9)
    note = "Left out: 100 and 3,000 labels per class. The smallest class has "
    assert finding.notes[0].startswith(note)
    assert finding.comparisons == ()
    assert finding.main is None
    assert "with 2 labels per class and" in finding.sentence
    message = "a curve through 9 and 3,000 labels per class needs more"
    with pytest.raises(InputError, match=message):
        run_study(quick("mlp", per_class=(9, 3000)), small_data, tmp_path / "none")


def test_validation_images_evaluate_where_there_are_no_test_images(
    digits: Dataset, tmp_path: Path
) -> None:
    data = SplitDataset(digits, make_split(digits, test=0, train_images=300))
    finding = run_study(quick(seeds=1), data, tmp_path / "study")
    assert (finding.evaluated_on, finding.test_reads) == ("validation", 0)
    assert any("evaluated on the" in note for note in finding.notes)
    assert without_validation(data).split.fingerprint != data.split.fingerprint


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (quick(per_class=(10,)), "a curve needs at least two"),
        (quick(per_class=(0, 10)), "a curve needs at least two"),
        (quick(seeds=0), "invalid --seeds 0"),
        (quick("mpl", "cnn"), "unknown model 'mpl'"),
        (quick("mlp", "mlp"), "must appear once"),
        (quick(values={"patience": 3}), "would stop early by validation images"),
        (quick(values={"colour": 3}), "colour"),
    ],
)
def test_an_invalid_configuration_is_refused_before_any_work(
    config: LabelCurvesConfig, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        config.check()


def compare_curves(counts: tuple[int, ...], **accuracies: tuple[float, ...]) -> CurvesComparison:
    """Compare contenders with these accuracies, on many images."""
    rng = np.random.default_rng(2)
    correct = {}
    for name, curve in accuracies.items():
        for count, accuracy in zip(counts, curve, strict=True):
            correct[name, count] = rng.random((3, 2000)) < accuracy
    names = list(accuracies)
    return compare_label_curves(names, names[0], correct, counts, "test")


def compare_lines(**lines: tuple[float, float]) -> CurvesComparison:
    """Compare contenders whose accuracy is linear in the logarithm of labels.

    Args:
        lines: The accuracy with one label, and the gain per decade, by name.
    """
    counts = (10, 30, 100, 300, 1000)
    accuracies = {
        name: tuple(float(first + gain * np.log10(count)) for count in counts)
        for name, (first, gain) in lines.items()
    }
    return compare_curves(counts, **accuracies)


def main_match(comparison: LabelComparison) -> LabelMatch:
    assert comparison.match is not None
    return comparison.matches[comparison.match]


def test_the_sentence_says_how_many_times_and_where_curves_cross() -> None:
    result = compare_lines(slow=(0.1, 0.25), quick=(0.45, 0.10))
    assert result.sentence.startswith("With 10 labels per class, quick classifies 5")
    assert "slow needs 6." in result.sentence
    assert "The curves cross at about 2" in result.sentence
    assert "With 1,000 labels per class, slow is better by 1" in result.sentence
    comparison = result.comparisons[0]
    assert comparison.crossing is not None
    low, high = comparison.crossing.interval
    assert low is not None
    assert high is not None
    assert low < 215 < high
    low, high = comparison.matches[0].factor_interval
    assert low is not None
    assert high is not None
    assert low < 10**0.8 < high


def test_the_sentence_claims_nothing_beyond_the_range() -> None:
    never = compare_lines(slow=(0.1, 0.1), quick=(0.6, 0.1))
    assert "slow would need more than 100 times as many" in never.sentence
    assert (
        "The curves do not cross: with 1,000 labels per class, quick is still better by 4"
        in never.sentence
    )
    assert never.comparisons[0].matches[0].needs.as_json() == {
        "per_class": None,
        "where": "above",
        "interval": [1000.0, None],
    }

    same = compare_lines(one=(0.1, 0.2), other=(0.1, 0.2))
    largest = 0.0
    for difference in same.comparisons[0].differences:
        largest = max(largest, *map(abs, difference.interval))
    assert largest > 0.001
    assert (
        same.sentence
        == "No significant difference between other and one with 10 to 1,000 labels per class: "
        f"at most {points(largest)} points either way (95% intervals)."
    )
    assert same.comparisons[0].crossing is None
    assert same.comparisons[0].leader is None

    wide = [
        difference.model_copy(update={"interval": (-1.0, 0.2)})
        for difference in same.comparisons[0].differences
    ]
    unknown = same.comparisons[0].model_copy(update={"differences": tuple(wide)})
    assert _sentence(unknown, "test", 2000).endswith(
        "labels per class, but the 95% intervals are too wide to limit it."
    )

    meet = compare_lines(slow=(0.1, 0.25), quick=(0.55, 0.10))
    assert "With 1,000 labels per class, the difference is no longer significant." in meet.sentence


def test_the_main_finding_is_about_a_contender_that_beats_the_reference() -> None:
    result = compare_lines(cnn=(0.2, 0.2), worse=(0.1, 0.1), better=(0.5, 0.1))
    assert result.main == 1
    assert result.sentence == result.comparisons[1].sentence
    assert (result.comparisons[0].leader, result.comparisons[0].follower) == ("cnn", "worse")


def test_curves_that_cross_before_the_first_significant_difference_are_not_said_not_to() -> None:
    result = compare_curves((10, 100, 1000), slow=(0.505, 0.60, 0.65), quick=(0.50, 0.70, 0.80))
    assert (
        "With 10 labels per class, slow is ahead, which is not significant. "
        "With 1,000 labels per class, quick is better by 1" in result.sentence
    )
    assert "do not cross" not in result.sentence


def test_one_label_per_class_is_one_label() -> None:
    counts = (1, 10, 100)
    ahead = compare_curves(counts, slow=(0.505, 0.60, 0.65), quick=(0.50, 0.70, 0.80))
    assert "With 1 label per class, slow is ahead" in ahead.sentence
    alone = compare_curves((1,), slow=(0.5,), quick=(0.9,))
    assert alone.sentence == "quick is better than slow with 1 label per class."
    same = compare_curves((1,), slow=(0.5,), quick=(0.5,))
    assert " between quick and slow with 1 label per class: at most " in same.sentence


def test_an_end_of_an_interval_outside_the_measured_numbers_is_not_made_up() -> None:
    result = compare_curves((10, 30, 100), slow=(0.549, 0.56, 0.70), quick=(0.50, 0.62, 0.90))
    match = main_match(result.comparisons[0])
    assert match.factor_interval[0] is not None  # with 30 labels: between the measured numbers
    open_match = match.model_copy(update={"factor_interval": (None, 1.9)})
    assert "95% interval up to 1.9)." in _needs_sentence(open_match, "slow", (10, 30, 100))


@pytest.mark.parametrize(
    ("way", "reference"), [("frozen", "cnn"), ("finetune", "cnn"), ("scratch", "backbone")]
)
def test_a_backbone_that_learns_from_scratch_is_not_pretrained(way: str, reference: str) -> None:
    contenders = [
        NamedContender("backbone", make_recipe("efficientnet-lite0", {"transfer": way})),
        NamedContender("cnn", make_recipe("cnn")),
    ]
    assert reference_of(contenders) == reference


def test_the_variance_of_one_pair_says_nothing_about_another() -> None:
    rng, counts, names = np.random.default_rng(4), (10, 100), ("cnn", "a", "b", "c")
    correct = {(name, count): rng.random((3, 1000)) < 0.5 for name in names for count in counts}
    intervals = []
    for compared in (("cnn", "a"), names):
        result = compare_label_curves(compared, "cnn", correct, counts, "test")
        differences = result.comparisons[0].differences
        intervals.append([difference.interval for difference in differences])
    assert intervals[0] == intervals[1]
