"""The ranking of backbones: honest probes, ties and speed, interruptions and time limits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.data import Dataset, SplitDataset, load, make_split
from headstart.errors import InputError
from headstart.features import _linear_probe, compute_features, cross_validated_probe
from headstart.results import read_finding
from headstart.studies import BackboneRankingConfig, _backbones, run_study
from headstart.studies._backbones import _affordable_images, _ProbedBackbone, _rank_candidates

QUICK = ("efficientnet-lite0@32", "efficientnet-lite0@64")


def probed(name: str, accuracy: float, speed: float, images: int = 400) -> _ProbedBackbone:
    """Return a candidate whose probe is correct on a random part of the images."""
    model, _, input_px = name.partition("@")
    order = np.random.default_rng(len(name)).permutation(images)
    return _ProbedBackbone(
        name=name,
        model=model,
        input_px=int(input_px),
        features=1280,
        correct=order < accuracy * images,
        interval=(accuracy - 0.02, accuracy + 0.02),
        loss=0.5,
        l2=0.1,
        images_per_second=speed,
    )


def test_a_probe_does_not_see_the_images_that_evaluate_it() -> None:
    labels = np.arange(200) % 4
    noise = [
        np.random.default_rng(seed).normal(size=(200, 240)).astype(np.float16) for seed in range(4)
    ]
    accuracies = [cross_validated_probe(features, labels).correct.mean() for features in noise]
    assert 0.18 < np.mean(accuracies) < 0.32  # a quarter; 0.015 is one standard error
    informative = noise[0][:, :30].copy()
    informative[:, :4] += 3 * np.eye(4, dtype=np.float16)[labels]
    probe = cross_validated_probe(informative, labels)
    assert probe.correct.mean() > 0.8
    assert probe.loss < 0.8


def test_a_probe_does_not_see_the_group_of_an_image_that_evaluates_it() -> None:
    """Ten copies of each of 20 images of noise: a fold that divides them knows the answers."""
    copies = np.random.default_rng(0).normal(size=(20, 60)).astype(np.float16).repeat(10, axis=0)
    labels, groups = np.arange(20).repeat(10) % 4, np.arange(20).repeat(10)
    assert cross_validated_probe(copies, labels).correct.mean() > 0.9
    assert cross_validated_probe(copies, labels, groups=groups).correct.mean() < 0.6


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
    ranking = _rank_candidates([probed("small@96", 0.80, 900), probed("large@224", 0.81, 90)], 400)
    assert ranking.recommended.model == "small"
    assert ranking.best == "large@224"
    assert (
        "large@224 (81.0%) is not significantly better, and 10.0 times as slow" in ranking.sentence
    )


def test_a_significantly_better_one_is_recommended_at_its_price() -> None:
    ranking = _rank_candidates([probed("small@96", 0.60, 900), probed("large@224", 0.90, 90)], 400)
    assert ranking.recommended.model == "large"
    assert [candidate.as_good for candidate in ranking.candidates] == [False, True]
    assert "small@96 is 10.0 times as fast, and 30.0 points worse" in ranking.sentence


def test_candidates_are_ranked_on_training_images_alone(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SplitDataset(digits, make_split(digits, train_images=300))
    seen: list[int] = []

    def record(recipe: Any, sample: SplitDataset, *rest: Any) -> Any:
        seen.extend(sample.split.train)
        assert not len(sample.split.validation)
        assert not len(sample.split.test)
        return compute_features(recipe, sample, *rest)

    monkeypatch.setattr(_backbones, "compute_features", record)
    monkeypatch.setattr(
        _backbones, "seconds_per_image", lambda recipe, *_: recipe.net.input_px / 10_000
    )
    config = BackboneRankingConfig(QUICK, images=200)
    finding = run_study(config, data, tmp_path / "study")
    assert finding == read_finding(tmp_path / "study")
    assert set(seen) <= set(data.split.train.tolist())
    assert (finding.images, finding.test_reads, finding.evaluated_on) == (200, 0, "train")
    small, large = finding.candidates
    # The measured speed, not that of features in the cache, which is of another moment.
    assert small.images_per_second == pytest.approx(10_000 / 32)
    assert large.images_per_second == pytest.approx(10_000 / 64)
    assert small.accuracy > 0.3
    assert large.accuracy > small.accuracy
    assert finding.recommended.model == "efficientnet-lite0"

    assert run_study(config, data, tmp_path / "study") == finding
    assert len(seen) == 400
    with pytest.raises(InputError, match="holds a study with a different value of candidates"):
        run_study(BackboneRankingConfig(QUICK[:1], images=200), data, tmp_path / "study")


def test_an_interrupted_study_resumes_with_the_features_it_had(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SplitDataset(digits, make_split(digits, train_images=300))
    config = BackboneRankingConfig(QUICK, images=150, time_limit=600.0)
    done: list[int] = []

    def stop_at_the_second(recipe: Any, *rest: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(recipe.net.input_px)
        return compute_features(recipe, *rest)

    monkeypatch.setattr(_backbones, "compute_features", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run_study(config, data, tmp_path / "study")
    monkeypatch.setattr(_backbones, "compute_features", compute_features)
    # The plan is kept, so nothing is timed again.
    monkeypatch.setattr(_backbones, "seconds_per_image", None)
    finding = run_study(config, data, tmp_path / "study")
    assert [candidate.input_px for candidate in finding.candidates] == [32, 64]


def test_a_time_limit_costs_images_and_a_limit_that_is_too_short_says_what_is_needed(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SplitDataset(digits, make_split(digits, train_images=300))
    monkeypatch.setattr(_backbones, "seconds_per_image", lambda *_: 0.05)
    finding = run_study(BackboneRankingConfig(QUICK, time_limit=20.0), data, tmp_path / "study")
    assert 100 <= finding.images <= 140
    assert "The time limit allowed" in finding.notes[0]
    message = r"leaves \d+ images for each candidate(.|\n)*--time-limit \d+s"
    with pytest.raises(InputError, match=message):
        run_study(BackboneRankingConfig(QUICK, time_limit=5.0), data, tmp_path / "short")


def test_too_few_training_images_are_refused(digits: Dataset, tmp_path: Path) -> None:
    data = SplitDataset(digits, make_split(digits, train_images=60))
    message = "there are 60 training images: a probe needs at least 100"
    with pytest.raises(InputError, match=message):
        run_study(BackboneRankingConfig(QUICK), data, tmp_path / "study")


def test_the_time_limit_that_is_proposed_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_backbones, "time", SimpleNamespace(perf_counter=lambda: 3.0))
    costs = {"one": 0.05, "other": 0.15}
    with pytest.raises(InputError) as caught:
        _affordable_images(costs, 5.0, started=0.0)
    proposal = re.search(r"--time-limit (\d+)s", caught.value.hint)
    assert proposal is not None
    needed = int(proposal[1])  # 100 images cost 20 s, after the 3 s that have passed
    assert _affordable_images(costs, needed, started=0.0) >= 100
    with pytest.raises(InputError):
        _affordable_images(costs, needed - 1, started=0.0)


def test_installed_backbones_are_a_part_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_backbones, "installed_backbones", lambda: ["efficientnet-lite0"])
    named = BackboneRankingConfig(("efficientnet-lite0",))
    one, by_name = BackboneRankingConfig().as_json(), named.as_json()
    monkeypatch.setattr(
        _backbones, "installed_backbones", lambda: ["efficientnet-lite0", "efficientnet-lite1"]
    )
    two = BackboneRankingConfig().as_json()
    assert len({json.dumps(config) for config in (one, by_name, two)}) == 3
    assert named.as_json() == by_name


def test_the_sample_is_stratified() -> None:
    labels = np.repeat([0, 1, 2], [300, 90, 10])
    images = np.random.default_rng(0).integers(0, 256, (400, 8, 8), dtype=np.uint8)
    dataset = load((images, labels))
    split = make_split(dataset, validation=0, test=0.1)
    sample = _backbones._sample(SplitDataset(dataset, split), 120)
    counts = np.bincount(sample.train_labels)
    assert len(sample.split.train) == 120
    assert abs(counts - np.array([90, 27, 3])).max() <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": ("cnn",)}, "'cnn' is not a backbone"),
        ({"candidates": ("efficientnet-lite0@big",)}, "expected an image size in pixels"),
        ({"candidates": ("efficientnet-lite0@96",) * 2}, "each candidate must appear once"),
        ({"candidates": ()}, "there are no candidates"),
        ({"images": 5}, "invalid --images 5"),
        ({"values": {"cutt": "x"}}, "did you mean 'cut'"),
    ],
)
def test_an_invalid_configuration_is_refused_before_data_are_opened(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        BackboneRankingConfig(**changes).check()


def test_default_candidates_need_no_network_and_suit_the_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        _backbones, "installed_backbones", lambda: ["efficientnet-lite0", "efficientnet-lite1"]
    )
    config = BackboneRankingConfig()
    assert config.candidate_names((32, 32, 3)) == [
        "efficientnet-lite0@64",
        "efficientnet-lite0@96",
        "efficientnet-lite0@128",
        "efficientnet-lite1@96",
        "efficientnet-lite1@128",
    ]
    assert "efficientnet-lite0@224" in config.candidate_names((300, 300, 3))
    fixed = BackboneRankingConfig(values={"input_px": 80})
    assert fixed.candidate_names((32, 32, 3)) == ["efficientnet-lite0@80", "efficientnet-lite1@80"]


def test_the_command_prints_one_object_and_writes_a_page(headstart: Any, tmp_path: Path) -> None:
    words = ("backbones", "digits", "--candidates", ",".join(QUICK), "--images", 120)
    status, out, _ = headstart(*words, "--out", "study", "--json")
    assert status == 0
    assert json.loads(out)["study"] == "backbones"
    page = (tmp_path / "study" / "report.html").read_text()
    assert "efficientnet-lite0@64" in page
    assert "--candidates" in page
    assert (tmp_path / "study" / "figures" / "cost.png").exists()

    status, out, _ = headstart(*words, "--out", "study")
    assert status == 0
    assert "efficientnet-lite0@32" in out
    assert "Report: study/report.html" in out
    assert read_finding(tmp_path / "study").budget.seconds_spent > 0
