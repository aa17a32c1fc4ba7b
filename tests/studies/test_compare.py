"""Compare: shared splits, equal seconds, controls and floors, resuming."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.errors import InputError, RunFailed
from headstart.models.recipes import make_recipe
from headstart.studies import Comparison, compare
from headstart.studies._contenders import contenders
from headstart.training import TrainingJob, train

TRAIN = "headstart.studies._compare.train"


def quick(*models: str, seeds: int = 2, **values: Any) -> Comparison:
    return Comparison(models, tuple(range(seeds)), None, {"epochs": 4, **values})


def test_contenders_share_split_and_seeds_and_the_finding_says_what_each_cost(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    finding = compare(
        quick("mlp", "cnn"),
        SplitDataset(digits, small),
        tmp_path / "study",
        command="headstart compare digits",
    )
    assert finding == json.loads((tmp_path / "study" / "finding.json").read_text())
    assert [one["name"] for one in finding["contenders"]] == ["mlp", "cnn"]
    for one in finding["contenders"]:
        assert one["seeds"] == [0, 1]
        assert len(one["test"]["per_seed"]) == len(one["runs"]) == 2
        assert one["test"]["interval"][0] <= one["test"]["accuracy"] <= one["test"]["interval"][1]
        assert (
            one["seconds"]["train"] > 0
            and one["parameters"] > 0
            and one["multiply_adds"] > 0
            and one["predict_ms_per_image"] > 0
        )
    splits = {
        json.loads((tmp_path / "study" / run / "data.json").read_text())["split_fingerprint"]
        for one in finding["contenders"]
        for run in one["runs"]
    }
    assert splits == {small.fingerprint}
    assert finding["verdict"]["about"] == "recipes"
    assert finding["test_reads"] == 4
    assert [floor["name"] for floor in finding["floors"]] == [
        "majority class",
        "nearest neighbour on pixels",
    ]


def test_a_backbone_brings_its_random_control_which_cannot_win(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    finding = compare(
        quick("efficientnet-lite0", input_px=32), SplitDataset(digits, small), tmp_path / "study"
    )
    contender, control = finding["contenders"]
    assert (control["name"], control["role"]) == ("efficientnet-lite0 (random weights)", "control")
    assert contender["test"]["accuracy"] > control["test"]["accuracy"] + 0.2
    assert finding["verdict"]["winner"] is None
    assert "only contender" in finding["verdict"]["sentence"]
    assert any(
        "ImageNet weights against one draw of random weights" in note
        for note in finding["verdict"]["notes"]
    )


def test_one_seed_gives_a_verdict_about_the_models(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    finding = compare(quick("mlp", "cnn", seeds=1), SplitDataset(digits, small), tmp_path / "study")
    assert finding["verdict"]["about"] == "models"
    assert "these trained models" in finding["verdict"]["sentence"]


def test_a_contender_below_a_floor_is_said_so(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    finding = compare(
        Comparison(("mlp",), (0, 1), None, {"epochs": 0.1, "lr": 1e-6}),
        SplitDataset(digits, small),
        tmp_path / "study",
    )
    assert any(
        "mlp is significantly worse than the nearest neighbour on pixels baseline" in note
        for note in finding["verdict"]["notes"]
    )


def test_a_finished_study_answers_at_once_and_another_is_refused(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compare(quick("mlp"), SplitDataset(digits, small), tmp_path / "study")
    monkeypatch.setattr(TRAIN, lambda *_: pytest.fail("trained again"))
    assert compare(quick("mlp"), SplitDataset(digits, small), tmp_path / "study") == first
    with pytest.raises(
        InputError, match=r"holds a study with another models \(\['mlp'\] there, \['cnn'\] asked\)"
    ):
        compare(quick("cnn"), SplitDataset(digits, small), tmp_path / "study")
    with pytest.raises(InputError, match="holds a study with another split"):
        compare(quick("mlp"), SplitDataset(digits, make_split(digits)), tmp_path / "study")


def test_an_interrupted_study_reuses_its_finished_runs(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Comparison(("mlp",), (0, 1, 2), 30.0, {"epochs": 2})
    trained = []

    def stop_at_the_third(job: TrainingJob) -> dict[str, Any]:
        if job.seed == 2:
            raise KeyboardInterrupt
        return train(job)

    monkeypatch.setattr(TRAIN, stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        compare(asked, SplitDataset(digits, small), tmp_path / "study")
    assert not (tmp_path / "study" / "finding.json").exists()

    def count(job: TrainingJob) -> dict[str, Any]:
        summary = train(job)
        trained.append((job.seed, summary["reused"]))
        return summary

    monkeypatch.setattr(TRAIN, count)
    finding = compare(asked, SplitDataset(digits, small), tmp_path / "study")
    assert trained == [(0, True), (1, True), (2, False)]
    assert len(finding["contenders"][0]["runs"]) == 3


def test_a_contender_that_diverges_does_not_take_the_others_along(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail_cnn(job: TrainingJob) -> dict[str, Any]:
        if job.recipe.model == "cnn" and job.seed == 1:
            raise RunFailed("the loss became nan in batch 3 of epoch 1")
        return train(job)

    monkeypatch.setattr(TRAIN, fail_cnn)
    finding = compare(quick("mlp", "cnn"), SplitDataset(digits, small), tmp_path / "study")
    assert [len(one["runs"]) for one in finding["contenders"]] == [2, 1]
    assert finding["failed"] == [
        {"name": "cnn", "failures": ["seed 1 failed: the loss became nan in batch 3 of epoch 1"]}
    ]
    assert "cnn failed with 1 of 2 seeds; only the others count." in finding["verdict"]["notes"]
    assert finding["verdict"]["about"] == "models"


def test_every_contender_gets_the_same_seconds_and_the_limit_is_kept(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, limits = (
        [4.0],
        {},
    )  # 4 s are gone when time is shared, and 8 s are kept back for the report

    def prepare(recipe: Any, *_: Any) -> tuple[Any, float]:
        clock[0] += 3.0
        return recipe, 3.0

    def note(job: TrainingJob) -> None:
        limits[job.folder.name] = job.recipe.time_limit
        raise RunFailed("only its time was wanted")

    monkeypatch.setattr(
        "headstart.studies._compare.time", SimpleNamespace(perf_counter=lambda: clock[0])
    )
    monkeypatch.setattr("headstart.studies._compare.warm_up", lambda *_: None)
    monkeypatch.setattr("headstart.studies._compare.prepare_features", prepare)
    monkeypatch.setattr(TRAIN, note)
    asked = Comparison(("cnn", "efficientnet-lite0"), (0, 1), 36.0, {"epochs": 3000})
    with pytest.raises(RunFailed, match="no contender finished"):
        compare(asked, SplitDataset(digits, small), tmp_path / "study", started=0.0)
    budget = json.loads((tmp_path / "study" / "budget.json").read_text())["entries"]
    assert {name: (entry["prepare"], entry["run"]) for name, entry in budget.items()} == {
        "cnn": (0, 4.0),
        "efficientnet-lite0": (3.0, 2.5),
        "efficientnet-lite0 (random weights)": (3.0, 5.0),
    }  # each 8 s: of 24 for three
    assert limits == {
        "cnn-seed0": 4.0,
        "cnn-seed1": 4.0,
        "efficientnet-lite0-seed0": 2.5,
        "efficientnet-lite0-seed1": 2.5,
        "efficientnet-lite0-random-weights-seed0": 5.0,
    }


def test_a_time_limit_that_nothing_fits_into_says_so(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    with pytest.raises(
        InputError, match=r"a time limit of 1 s leaves less than 1 s for each of the runs"
    ):
        compare(Comparison(("mlp",), (0,), 1.0), SplitDataset(digits, small), tmp_path / "study")


def test_without_test_images_validation_judges_and_the_sentence_says_so(
    digits: Dataset, tmp_path: Path
) -> None:
    finding = compare(
        quick("mlp", "cnn"),
        SplitDataset(digits, make_split(digits, test=0, train_images=300)),
        tmp_path / "study",
    )
    assert finding["contenders"][0]["test"] is None
    assert (
        "validation images" in finding["verdict"]["sentence"]
        and "test" not in finding["verdict"]["sentence"].split("(")[0]
    )
    assert finding["test_reads"] == 0
    with pytest.raises(InputError, match="neither a test nor a validation image"):
        compare(
            quick("mlp"),
            SplitDataset(digits, make_split(digits, test=0, validation=0)),
            tmp_path / "other",
        )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Comparison(("cnn", "cnn"), (0,), None), "each contender must appear once"),
        (Comparison((), (0,), None), "each contender must appear once"),
        (Comparison(("cnn",), (), None), "needs one seed or more"),
        (Comparison(("cnn", "resnet"), (0,), None), "no model 'resnet'"),
        (Comparison(("cnn", "mlp"), (0,), None, {"input_px": 64}), "no option 'input_px'"),
        (
            Comparison(("cnn", "mlp"), (0,), None, {"epochs": -1}),
            "invalid epochs: expected a value greater than 0, got -1",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_work(
    asked: Comparison, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        asked.check()


def test_a_key_that_only_some_models_have_goes_to_those() -> None:
    Comparison(("cnn-scenes", "mlp"), (0,), None, {"layers": 3}).check()
    Comparison(("cnn", "efficientnet-lite0"), (0,), None, {"rotation": 5, "input_px": 64}).check()


def test_presets_recipes_and_finished_runs_are_contenders(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 3, "nodes": 32}),
            SplitDataset(digits, small),
            0,
            tmp_path / "narrow",
        )
    )
    recipe = tmp_path / "narrow" / "recipe.json"
    models = ("cnn:fast", str(tmp_path / "narrow"))
    finding = compare(
        Comparison(models, (0, 1), None, {"epochs": 2}),
        SplitDataset(digits, small),
        tmp_path / "study",
    )
    assert [(one["name"], one["seeds"]) for one in finding["contenders"]] == [
        ("cnn:fast", [0, 1]),
        ("narrow", [0]),
    ]
    assert finding["contenders"][0]["recipe"]["net"]["nodes"] == 16
    assert finding["verdict"]["about"] == "models", "a finished run is one model"
    assert (tmp_path / "study" / finding["contenders"][1]["runs"][0] / "metrics.json").exists()
    again = compare(
        Comparison(("cnn:fast", str(recipe)), (0, 1), None, {"epochs": 2}),
        SplitDataset(digits, small),
        tmp_path / "other",
    )
    assert [(one["name"], one["seeds"]) for one in again["contenders"]] == [
        ("cnn:fast", [0, 1]),
        ("narrow", [0, 1]),
    ]
    assert again["verdict"]["about"] == "recipes"


def test_a_recipe_is_read_from_the_file_that_is_named_without_its_time_limit(
    tmp_path: Path,
) -> None:
    written = {
        "recipe": make_recipe("mlp", {"nodes": 32, "time_limit": 60}).model_dump(mode="json")
    }
    for name in ("wide.json", "mine/recipe.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(written))
    (tmp_path / "recipe.json").write_text(
        json.dumps({"recipe": make_recipe("cnn").model_dump(mode="json")})
    )
    wide, mine = contenders(
        (str(tmp_path / "wide.json"), str(tmp_path / "mine" / "recipe.json")), {}
    )
    assert (wide.name, mine.name) == ("wide", "mine") and wide.recipe == mine.recipe
    assert wide.recipe == make_recipe("mlp", {"nodes": 32})
    for content, words in (({"seed": 1}, "it has no 'recipe'"), ([1], "list indices")):
        (tmp_path / "other.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=f"other.json cannot be used as a recipe: {words}"):
            contenders((str(tmp_path / "other.json"),), {})


def test_a_folder_that_is_called_as_a_model_needs_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cnn").mkdir()
    (tmp_path / "cnn" / "recipe.json").write_text("{}")
    assert [one.recipe.model for one in contenders(("cnn", "cnn:fast"), {})] == ["cnn", "cnn"]
    with pytest.raises(InputError, match=r"data\.json does not exist"):
        contenders(("./cnn",), {})


def test_a_run_on_other_images_is_refused_with_what_to_do(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 1}), SplitDataset(digits, small), 0, tmp_path / "run"
        )
    )
    asked = Comparison(("mlp", str(tmp_path / "run")), (0,), None, {"epochs": 1})
    with pytest.raises(InputError, match="was trained on another split than this comparison has"):
        compare(asked, SplitDataset(digits, make_split(digits)), tmp_path / "study")
