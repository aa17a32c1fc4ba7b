"""Backbones: the probe is honest, the recommendation weighs ties and cost, the study resumes and keeps its time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart import store
from headstart.data import Dataset, SplitDataset, load, make_split
from headstart.errors import InputError
from headstart.features import _linear_probe, compute_features, cross_validated_probe
from headstart.studies import BackboneStudy, _backbones, backbones

QUICK = ("efficientnet-lite0@32", "efficientnet-lite0@64")


def found(name: str, right: float, speed: float, images: int = 400) -> dict[str, Any]:
    correct = np.random.default_rng(len(name)).permutation(images) < right * images
    low = {
        "accuracy": right,
        "interval": (right - 0.02, right + 0.02),
        "images_per_second": speed,
        "correct": correct,
    }
    return {"name": name, "model": name.partition("@")[0], "input_px": 96, **low}


def test_a_probe_does_not_see_the_images_that_it_is_judged_on() -> None:
    labels = np.arange(200) % 4
    noise = [
        np.random.default_rng(seed).normal(size=(200, 240)).astype(np.float16) for seed in range(4)
    ]
    by_chance = [cross_validated_probe(one, labels).correct.mean() for one in noise]
    assert 0.18 < np.mean(by_chance) < 0.32  # a quarter; 0.015 is one standard error
    told = noise[0][:, :30].copy()
    told[:, :4] += 3 * np.eye(4, dtype=np.float16)[labels]
    probe = cross_validated_probe(told, labels)
    assert probe.correct.mean() > 0.8 and probe.loss < 0.8


def test_a_probe_in_more_features_than_images_is_the_same_as_in_the_space_they_span() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(40) % 3
    features = rng.normal(size=(40, 70)).astype(np.float16)
    values = features.astype(np.float32)
    values = (values - values.mean(0)) / (values.std(0) + 1e-3)
    coordinates = _linear_probe._standardise(features)
    assert coordinates.shape == (40, 40)
    for direct, spanned in zip(
        _linear_probe.fit_path(values, labels, 3),
        _linear_probe.fit_path(coordinates, labels, 3),
        strict=True,
    ):
        assert np.allclose(
            _linear_probe._logits(direct, values),
            _linear_probe._logits(spanned, coordinates),
            atol=0.05,
        )


def test_the_fastest_of_the_ties_is_recommended_and_the_sentence_says_so() -> None:
    said = _backbones._finding(
        [found("small@96", 0.80, 900), found("large@224", 0.81, 90)], [], 400
    )
    assert said["recommended"]["model"] == "small" and said["best"] == "large@224"
    assert "large@224 (81.0%) is not shown to be better, and 10.0 times as slow" in said["sentence"]


def test_a_clearly_better_one_is_recommended_at_its_price() -> None:
    said = _backbones._finding(
        [found("small@96", 0.60, 900), found("large@224", 0.90, 90)], [], 400
    )
    assert said["recommended"]["model"] == "large"
    assert [one["as_good"] for one in said["candidates"]] == [False, True]
    assert "small@96 is 10.0 times as fast, and 30.0 points worse" in said["sentence"]


def test_candidates_are_ranked_on_training_images_alone(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_split(digits, train_images=300)
    looked: list[int] = []
    compute = compute_features

    def noting(recipe: Any, data: SplitDataset, *given: Any) -> Any:
        looked.extend(data.split.train)
        assert not len(data.split.validation) and not len(data.split.test)
        return compute(recipe, data, *given)

    monkeypatch.setattr(_backbones, "compute_features", noting)
    monkeypatch.setattr(
        _backbones, "seconds_per_image", lambda recipe, *_: recipe.net.input_px / 10_000
    )
    finding = backbones(
        BackboneStudy(QUICK, images=200), SplitDataset(digits, split), tmp_path / "study"
    )
    assert (
        set(looked) <= set(split.train.tolist())
        and finding["images"] == 200
        and finding["test_reads"] == 0
    )
    small, large = finding["candidates"]
    assert small["images_per_second"] == pytest.approx(
        10_000 / 32
    )  # not what is in the cache, of other moments
    assert large["images_per_second"] == pytest.approx(10_000 / 64)
    assert small["accuracy"] > 0.3 and large["accuracy"] > small["accuracy"]
    assert finding["recommended"]["model"] == "efficientnet-lite0"
    again = backbones(
        BackboneStudy(QUICK, images=200), SplitDataset(digits, split), tmp_path / "study"
    )
    assert again == finding and len(looked) == 400
    with pytest.raises(InputError, match="holds a study with another candidates"):
        backbones(
            BackboneStudy(QUICK[:1], images=200), SplitDataset(digits, split), tmp_path / "study"
        )


def test_an_interrupted_study_goes_on_with_the_features_it_had(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, asked = (
        make_split(digits, train_images=300),
        BackboneStudy(QUICK, images=150, time_limit=600.0),
    )
    compute, done = compute_features, list[int]()

    def stopping(recipe: Any, *given: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(recipe.net.input_px)
        return compute(recipe, *given)

    monkeypatch.setattr(_backbones, "compute_features", stopping)
    with pytest.raises(KeyboardInterrupt):
        backbones(asked, SplitDataset(digits, split), tmp_path / "study")
    monkeypatch.setattr(_backbones, "compute_features", compute)
    monkeypatch.setattr(
        _backbones, "seconds_per_image", None
    )  # the plan is kept, so nothing is timed again
    finding = backbones(asked, SplitDataset(digits, split), tmp_path / "study")
    assert [one["input_px"] for one in finding["candidates"]] == [32, 64]


def test_a_time_limit_costs_images_and_too_short_a_one_says_what_is_needed(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_split(digits, train_images=300)
    monkeypatch.setattr(_backbones, "seconds_per_image", lambda *_: 0.05)
    finding = backbones(
        BackboneStudy(QUICK, time_limit=20.0), SplitDataset(digits, split), tmp_path / "study"
    )
    assert 100 <= finding["images"] <= 140 and "The time limit allowed" in finding["notes"][0]
    with pytest.raises(
        InputError, match=r"leaves \d+ images for each candidate(.|\n)*--time-limit \d+s"
    ):
        backbones(
            BackboneStudy(QUICK, time_limit=5.0), SplitDataset(digits, split), tmp_path / "short"
        )


def test_the_limit_that_is_asked_for_is_the_one_that_suffices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_backbones, "time", SimpleNamespace(perf_counter=lambda: 3.0))
    with pytest.raises(InputError) as caught:
        _backbones._affordable({"one": 0.05, "other": 0.15}, 5.0, started=0.0)
    found = re.search(r"--time-limit (\d+)s", caught.value.hint or "")
    assert found is not None
    needed = int(found[1])  # 100 images cost 20 s, beside the 3 s that are gone
    assert _backbones._affordable({"one": 0.05, "other": 0.15}, needed, started=0.0) >= 100
    with pytest.raises(InputError):
        _backbones._affordable({"one": 0.05, "other": 0.15}, needed - 1, started=0.0)


def test_what_is_installed_is_a_part_of_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_backbones, "installed_backbones", lambda: ["efficientnet-lite0"])
    before, named = BackboneStudy().as_json(), BackboneStudy(("efficientnet-lite0",)).as_json()
    monkeypatch.setattr(
        _backbones, "installed_backbones", lambda: ["efficientnet-lite0", "efficientnet-lite1"]
    )
    assert len({json.dumps(one) for one in (before, named, BackboneStudy().as_json())}) == 3
    assert named == BackboneStudy(("efficientnet-lite0",)).as_json()


def test_the_sample_has_every_class_with_its_share() -> None:
    labels = np.repeat([0, 1, 2], [300, 90, 10])
    images = np.random.default_rng(0).integers(0, 256, (400, 8, 8), dtype=np.uint8)
    dataset = load((images, labels))
    split = make_split(dataset, validation=0, test=0.1)
    chosen = _backbones._sample(SplitDataset(dataset, split), 120)
    counts = np.bincount(chosen.train_labels)
    assert len(chosen.split.train) == 120 and abs(counts - np.array([90, 27, 3])).max() <= 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"candidates": ("cnn",)}, "'cnn' is no backbone"),
        ({"candidates": ("efficientnet-lite0@big",)}, "names no side"),
        ({"candidates": ("efficientnet-lite0@96",) * 2}, "each must appear once"),
        ({"candidates": ()}, "there are no candidates"),
        ({"images": 5}, "--images is 5"),
        ({"values": {"cutt": "x"}}, "did you mean 'cut'"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_data_are_opened(
    asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        BackboneStudy(**asked).check()


def test_default_candidates_need_no_network_and_suit_the_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        _backbones, "installed_backbones", lambda: ["efficientnet-lite0", "efficientnet-lite1"]
    )
    study = BackboneStudy()
    assert study.named((32, 32, 3)) == [
        "efficientnet-lite0@64",
        "efficientnet-lite0@96",
        "efficientnet-lite0@128",
        "efficientnet-lite1@96",
        "efficientnet-lite1@128",
    ]
    assert "efficientnet-lite0@224" in study.named((300, 300, 3))


def test_the_verb_prints_one_object_and_leaves_a_page(headstart: Any, tmp_path: Path) -> None:
    words = (
        "backbones",
        "digits",
        "--candidates",
        ",".join(QUICK),
        "--images",
        120,
        "--out",
        "study",
    )
    status, out, _ = headstart(*words, "--json")
    assert status == 0 and json.loads(out)["study"] == "backbones"
    page = (tmp_path / "study" / "report.html").read_text()
    assert (
        "Accuracy against cost" in page
        and "efficientnet-lite0@64" in page
        and "--candidates" in page
    )
    assert (tmp_path / "study" / "figures" / "cost.png").exists()
    status, out, _ = headstart(*words)
    assert status == 0 and "efficientnet-lite0@32" in out and "Report: study/report.html" in out
    assert store.read_json(tmp_path / "study" / "finding.json")["budget"]["seconds_spent"] > 0
