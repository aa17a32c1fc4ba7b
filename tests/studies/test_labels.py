"""The study of labels: nested subsets, the same for all contenders; what it says of them; what a time limit costs; resuming."""

from __future__ import annotations

import json
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
from headstart.models.recipes import make_recipe
from headstart.studies import LabelStudy, labels
from headstart.studies._contenders import Contender
from headstart.studies._grid import Variant, plan_grid, run_grid
from headstart.studies._label_matching import _needs, findings

QUICK: dict[str, Any] = {"epochs": 2.0, "batch": 32, "nodes": 16}


def quick(*models: str, **changes: Any) -> LabelStudy:
    given: dict[str, Any] = {
        "models": models or ("mlp", "mlp:fast"),
        "per_class": (3, 20),
        "seeds": 2,
        "values": QUICK,
    }
    return LabelStudy(**{**given, **changes})


def test_fewer_labels_are_a_part_of_more_and_every_class_has_its_number(
    digits: Dataset, digits_split: Split
) -> None:
    for draw in range(3):
        chain = [
            draw_labelled_subset(SplitDataset(digits, digits_split), count, draw)
            for count in (1, 7, 50)
        ]
        for count, rows in zip((1, 7, 50), chain, strict=True):
            assert np.bincount(digits.labels[rows]).tolist() == [count] * 10
            assert set(rows) <= set(digits_split.train) and (np.diff(rows) > 0).all()
        assert set(chain[0]) < set(chain[1]) < set(chain[2])
    other, again = (
        draw_labelled_subset(SplitDataset(digits, digits_split), 7, 1),
        draw_labelled_subset(SplitDataset(digits, digits_split), 7, 1),
    )
    assert (other == again).all() and set(other) != set(
        draw_labelled_subset(SplitDataset(digits, digits_split), 7, 0)
    )


def test_an_exact_copy_is_no_further_label(digits: Dataset, digits_split: Split) -> None:
    zeros = digits_split.train[digits.labels[digits_split.train] == 0]
    hashes = digits.hashes.copy()
    hashes[zeros[5:]] = hashes[zeros[5]]
    copied = replace(digits, hashes=hashes)
    assert max_labels_per_class(SplitDataset(copied, digits_split)) == 6
    rows = draw_labelled_subset(SplitDataset(copied, digits_split), 6, 0)
    assert len({row.tobytes() for row in hashes[rows[digits.labels[rows] == 0]]}) == 6
    with pytest.raises(InputError, match=r"but '0' has 6 different ones.\n.*from 1 to 6"):
        draw_labelled_subset(SplitDataset(copied, digits_split), 7, 0)


def test_no_group_is_in_a_subset_and_in_what_judges(digits: Dataset) -> None:
    grouped = replace(digits, groups=np.arange(len(digits)) // 9)
    split = make_split(grouped)
    assert grouped.groups is not None
    drawn = set(grouped.groups[draw_labelled_subset(SplitDataset(grouped, split), 30, 0)])
    assert not drawn & set(grouped.groups[np.concatenate([split.validation, split.test])])


def test_contenders_learn_from_the_same_images_and_are_judged_on_the_same(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    finding = labels(quick(), SplitDataset(digits, digits_split), tmp_path / "study")
    assert finding == json.loads((tmp_path / "study" / "finding.json").read_text())
    one, other = finding["contenders"]
    assert [point["labels"] for point in one["points"]] == [30, 200] and finding["per_class"] == [
        3,
        20,
    ]
    for ours, theirs in zip(one["points"], other["points"], strict=True):
        for seed, (a, b) in enumerate(zip(ours["runs"], theirs["runs"], strict=True)):
            seen, same = (read_split(tmp_path / "study" / run, digits) for run in (a, b))
            assert (
                seen.train
                == draw_labelled_subset(SplitDataset(digits, digits_split), ours["per_class"], seed)
            ).all()
            assert (seen.train == same.train).all() and (seen.test == digits_split.test).all()
            assert not len(seen.validation)
    assert finding["test_reads"] == 8 and finding["compared_with"] == "mlp"
    assert "270 validation images had no part" in finding["notes"][0]
    assert len(one["points"][0]["accuracy"]["per_seed"]) == 2


def test_a_killed_study_goes_on_with_its_plan_and_takes_finished_runs(
    digits: Dataset, digits_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(grid: Any, *rest: Any) -> None:
        run_grid(
            replace(grid, variants=[replace(one, runs={}) for one in grid.variants[:2]]), *rest
        )
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("headstart.studies._labels.run_grid", half)
        labels(quick(), SplitDataset(digits, digits_split), tmp_path / "study")
    made = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "study" / "runs").glob("*/metrics.json")
    }
    assert len(made) == 4
    finding = labels(quick(), SplitDataset(digits, digits_split), tmp_path / "study")
    assert all(path.stat().st_mtime_ns == when for path, when in made.items())
    monkeypatch.setattr(
        "headstart.studies._labels.draw_labelled_subset",
        lambda *given: draw_labelled_subset(*given) if given[2] == 0 else pytest.fail(),
    )
    assert labels(quick(), SplitDataset(digits, digits_split), tmp_path / "study") == finding, (
        "and draws no image that it does not need"
    )


def test_runs_that_another_study_made_are_not_in_the_time_that_is_announced(
    digits: Dataset,
    digits_split: Split,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels(quick(seeds=1), SplitDataset(digits, digits_split), tmp_path / "first")
    monkeypatch.setattr("headstart.progress._quiet", False)
    labels(quick(), SplitDataset(digits, digits_split), tmp_path / "second")
    said = capsys.readouterr().err
    assert "4 of 8 runs were made before, and are taken over." in said
    assert "8 runs, 4 of them done, about" in said


def test_a_time_limit_costs_seeds_first_then_the_most_labels_then_length(
    digits: Dataset, digits_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.studies._grid.expected_seconds", lambda *_: 10.0)
    monkeypatch.setattr("headstart.studies._grid._REPORT_SECONDS", 0.0)
    grids = []

    def stop(grid: Any, *_: Any) -> None:
        grids.append(grid)
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.studies._labels.run_grid", stop)
    for number, limit in enumerate((300, 200, 150, 100, 60, 30)):
        asked = quick(
            per_class=(3, 10, 30, 100),
            seeds=3,
            time_limit=float(limit),
            values={**QUICK, "epochs": 4.0},
        )
        with pytest.raises(KeyboardInterrupt):
            labels(asked, SplitDataset(digits, digits_split), tmp_path / str(number))
    shown = [
        (len(grid.seeds), [one.name for one in grid.variants][-1], grid.variants[0].recipe.epochs)
        for grid in grids
    ]
    assert [row[:2] for row in shown] == [
        (3, "mlp-fast-100"),
        (2, "mlp-fast-100"),
        (2, "mlp-fast-30"),
        (2, "mlp-fast-10"),
        (1, "mlp-fast-10"),
        (1, "mlp-fast-10"),
    ]
    assert [row[2] for row in shown[:5]] == [4.0] * 5 and 1 < shown[5][2] < 4
    assert "Left out for the time limit: mlp-100, mlp-fast-100." in grids[2].notes


def test_a_head_that_is_solved_for_is_not_shortened_with_the_runs_that_learn_by_steps(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.studies._grid.expected_seconds", lambda *_: 10.0)
    monkeypatch.setattr("headstart.studies._grid._REPORT_SECONDS", 0.0)
    clock = SimpleNamespace(perf_counter=lambda: 0.0)
    monkeypatch.setattr("headstart.studies._grid.time", clock)
    head, net = (
        Variant("head", make_recipe("efficientnet-lite0")),
        Variant("net", make_recipe("mlp", {"epochs": 8.0})),
    )

    def planned(name: str, limit: float, *variants: Variant) -> dict[str, float | None]:
        grid = plan_grid(
            variants, (0,), limit, SplitDataset(digits, small), tmp_path / name, 1, 0.0
        )
        return {one.name: one.recipe.epochs for one in grid.variants}

    assert planned("both", 15 / 0.9, head, net) == {"head": 1.0, "net": 4.0}
    assert store.read_json(tmp_path / "both" / "budget.json")["seconds"] == {
        "head": 10.0,
        "net": 5.0,
    }
    with pytest.raises(
        InputError, match=r"leaves 0.8 epochs for each of 1 runs.\n.*--time-limit 13s"
    ):
        planned("short", 11 / 0.9, head, net)
    with pytest.raises(InputError, match=r"leaves too little for the runs.\n.*--time-limit 12s"):
        planned("head", 9.0, head)


def test_a_frozen_backbone_is_the_one_with_a_head_start(digits: Dataset, tmp_path: Path) -> None:
    split = make_split(digits, train_images=300, test=0.03)
    asked = quick(
        "efficientnet-lite0", "mlp", per_class=(2, 8), seeds=1, values={"input_px": 32, "nodes": 16}
    )
    finding = labels(asked, SplitDataset(digits, split), tmp_path / "study")
    assert (
        finding["compared_with"] == "mlp" and finding["comparisons"][0]["a"] == "efficientnet-lite0"
    )
    assert [point["per_class"] for point in finding["contenders"][0]["points"]] == [2, 8]
    heads = store.read_json(
        tmp_path / "study" / "runs" / "efficientnet-lite0-8-seed0" / "metrics.json"
    )["resolved"]
    assert heads["optimizer"] == "lbfgs" and heads["net"]["input_px"] == 32


def test_runs_that_failed_are_in_no_test_and_the_page_says_whose_the_points_are(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.execution._job import attempt as real

    def attempt(job: Job, data: SplitDataset) -> Outcome:
        failed = job.name in ("mlp-20, seed 1", "mlp-3, seed 0", "mlp-3, seed 1")
        return Outcome(job, None, "memory", "too large") if failed else real(job, data)

    monkeypatch.setattr("headstart.execution._executors.attempt", attempt)
    finding = labels(quick(), SplitDataset(digits, small), tmp_path / "study")
    assert (
        "mlp with 20 a class failed with 1 of 2 seeds: it is left out of the tests, and its point is of the others."
        in finding["notes"]
    )
    assert (
        "mlp with 3 a class failed with 2 of 2 seeds: it is left out of the tests."
        in finding["notes"]
    )
    assert finding["comparisons"][0]["differences"] == []
    assert len(finding["contenders"][0]["points"][1]["accuracy"]["per_seed"]) == 1


def test_features_are_computed_once_for_all_runs_and_shrink_with_the_time(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_split(digits, train_images=300, test=0.05)
    asked = quick(
        "mlp",
        "efficientnet-lite0",
        per_class=(2, 5, 10),
        seeds=3,
        time_limit=600.0,
        values={"epochs": 2.0, "input_px": 32},
    )
    monkeypatch.setattr("headstart.studies._labels.seconds_per_image", lambda *_: 1.9)
    monkeypatch.setattr("headstart.studies._grid.expected_seconds", lambda *_: 0.1)
    sizes = []

    def note(recipe: Any, data: SplitDataset) -> Any:
        part = data.split
        sizes.append((recipe.model, len(part.train), len(part.validation), len(part.test)))
        return recipe

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.studies._labels.with_features", note)
    monkeypatch.setattr("headstart.studies._labels.run_grid", stop)
    with pytest.raises(KeyboardInterrupt):
        labels(asked, SplitDataset(digits, split), tmp_path / "study")
    (_, images, *parts), same = sizes[0], sizes[1]
    assert (
        same[0] == "efficientnet-lite0"
        and same[1:] == (images, *parts)
        and parts == [0, len(split.test)]
    )
    assert (
        50 <= images < 100
    )  # of 5 a class and two seeds: 10 a class or three seeds would have taken too long
    with pytest.raises(InputError, match=r"leaves \d+ s for features that take about \d+ s"):
        labels(replace(asked, time_limit=10.0), SplitDataset(digits, split), tmp_path / "short")


def test_what_the_data_cannot_give_is_left_out_and_said(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    finding = labels(
        quick("mlp", per_class=(2, 9, 100, 3000), seeds=1),
        SplitDataset(digits, small),
        tmp_path / "study",
    )
    assert finding["per_class"] == [2, 9]
    assert finding["notes"][0].startswith(
        "Left out: 100 and 3,000 labels a class; the smallest class has "
    )
    assert finding["comparisons"] == [] and "with 2 labels a class and" in finding["sentence"]
    with pytest.raises(
        InputError, match="no curve can be drawn through 9 and 3,000 labels a class"
    ):
        labels(quick("mlp", per_class=(9, 3000)), SplitDataset(digits, small), tmp_path / "none")


def test_validation_judges_where_there_is_no_test(digits: Dataset, tmp_path: Path) -> None:
    split = make_split(digits, test=0, train_images=300)
    finding = labels(quick(seeds=1), SplitDataset(digits, split), tmp_path / "study")
    assert (finding["judged_on"], finding["test_reads"]) == ("validation", 0)
    assert any("validation images judged" in note for note in finding["notes"])
    assert without_validation(SplitDataset(digits, split)).split.fingerprint != split.fingerprint


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (quick(per_class=(10,)), "a curve needs two or more"),
        (quick(per_class=(0, 10)), "a curve needs two or more"),
        (quick(seeds=0), "--seeds is 0"),
        (quick("mpl", "cnn"), "no model 'mpl'"),
        (quick("mlp", "mlp"), "must appear once"),
        (quick(values={"patience": 3}), "would stop by validation images"),
        (quick(values={"colour": 3}), "no option 'colour'"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(asked: LabelStudy, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked.check()


def curves(counts: tuple[int, ...], **right: tuple[float, ...]) -> dict[str, Any]:
    """What `findings` says of contenders with these accuracies, on many images."""
    rng = np.random.default_rng(2)
    correct = {
        (name, count): rng.random((3, 2000)) < accuracy
        for name, each in right.items()
        for count, accuracy in zip(counts, each, strict=True)
    }
    return findings(
        [Contender(name, make_recipe("mlp")) for name in right], correct, counts, "test"
    )


def said(**lines: tuple[float, float]) -> dict[str, Any]:
    """What `findings` says of contenders whose accuracy is a line in the logarithm of labels: at 1 label, and a decade."""
    counts, entries, correct = (10, 30, 100, 300, 1000), [], {}
    rng = np.random.default_rng(2)
    for name, (first, decade) in lines.items():
        entries.append(Contender(name, make_recipe("mlp")))
        for count in counts:
            correct[name, count] = rng.random((3, 2000)) < first + decade * np.log10(count)
    return findings(entries, correct, counts, "test")


def test_the_sentence_says_how_many_times_and_where_curves_cross() -> None:
    found = said(slow=(0.1, 0.25), quick=(0.45, 0.10))
    assert (
        found["sentence"].startswith("With 10 labels a class, quick gets 5")
        and "slow needs 6." in found["sentence"]
    )
    assert (
        "The curves cross at about 2" in found["sentence"]
        and "with 1,000 a class slow is ahead by 1" in found["sentence"]
    )
    pair = found["comparisons"][0]
    assert pair["crossing"]["interval"][0] < 215 < pair["crossing"]["interval"][1]
    assert (
        pair["matches"][0]["times_interval"][0] < 10**0.8 < pair["matches"][0]["times_interval"][1]
    )


def test_the_sentence_claims_nothing_beyond_the_range() -> None:
    never = said(slow=(0.1, 0.1), quick=(0.6, 0.1))
    assert "slow would need more than 100 times as many." in never["sentence"]
    assert (
        "The curves do not cross: with 1,000 a class quick is still ahead by 4" in never["sentence"]
    )
    assert never["comparisons"][0]["matches"][0]["needs"] == {
        "per_class": None,
        "where": "above",
        "interval": [1000.0, None],
    }
    same = said(one=(0.1, 0.2), other=(0.1, 0.2))
    assert (
        same["sentence"]
        == "No difference between other and one is shown with 10 to 1,000 labels a class."
    )
    assert same["comparisons"][0]["crossing"] is None and same["comparisons"][0]["leader"] is None
    meet = said(slow=(0.1, 0.25), quick=(0.55, 0.10))
    assert "With 1,000 a class no difference between them is shown any more." in meet["sentence"]


def test_of_several_contenders_the_one_with_a_head_start_is_spoken_of_first() -> None:
    found = said(cnn=(0.2, 0.2), worse=(0.1, 0.1), better=(0.5, 0.1))
    assert found["main"] == 1 and found["sentence"] == found["comparisons"][1]["sentence"]
    assert (
        found["comparisons"][0]["leader"] == "cnn"
        and found["comparisons"][0]["follower"] == "worse"
    )


def test_curves_that_cross_before_the_first_difference_that_is_shown_are_not_said_not_to() -> None:
    found = curves((10, 100, 1000), slow=(0.505, 0.60, 0.65), quick=(0.50, 0.70, 0.80))
    assert (
        "With 10 a class slow is ahead, which is not shown; with 1,000 a class quick is ahead by 1"
        in found["sentence"]
    )
    assert "do not cross" not in found["sentence"]


def test_a_bound_that_the_numbers_tried_do_not_give_is_not_made_up() -> None:
    found = curves((10, 30, 100), slow=(0.549, 0.56, 0.70), quick=(0.50, 0.62, 0.90))
    match = found["comparisons"][0]["matches"][found["comparisons"][0]["match"]]
    assert match["times_interval"][0] is not None  # with 30: in between
    assert "95% interval up to 1.9)." in _needs(
        {**match, "times_interval": [None, 1.9]}, "slow", (10, 30, 100)
    )


@pytest.mark.parametrize(
    ("way", "baseline"), [("frozen", "cnn"), ("finetune", "cnn"), ("scratch", "backbone")]
)
def test_a_backbone_that_learns_from_scratch_has_no_head_start(way: str, baseline: str) -> None:
    entries = [
        Contender("backbone", make_recipe("efficientnet-lite0", {"transfer": way})),
        Contender("cnn", make_recipe("cnn")),
    ]
    assert findings(entries, {}, (), "test")["compared_with"] == baseline


def test_the_spread_of_one_pair_says_nothing_about_another() -> None:
    rng, counts, names = np.random.default_rng(4), (10, 100), ("cnn", "a", "b", "c")
    correct = {(name, count): rng.random((3, 1000)) < 0.5 for name in names for count in counts}
    alone = findings(
        [Contender(name, make_recipe("mlp")) for name in ("cnn", "a")], correct, counts, "test"
    )
    together = findings(
        [Contender(name, make_recipe("mlp")) for name in names], correct, counts, "test"
    )
    intervals = [
        [one["interval"] for one in found["comparisons"][0]["differences"]]
        for found in (alone, together)
    ]
    assert intervals[0] == intervals[1]
