"""The count of studies on the same test images, which outlives their folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.results import EvaluationReuse, Finding, JsonObject, read_finding
from headstart.studies import LearningRatesConfig, run_study
from headstart.studies._test_reuse import _neighbours, _run_names, _sentence, count_run, count_study

ASSETS = Path(__file__).parents[1] / "assets" / "version-0.1"
TWO_RATES = LearningRatesConfig(
    "mlp", (1e-3, 1e-2), 1, None, {"epochs": 1.0, "nodes": 8, "optimizer": "adam"}
)


@pytest.fixture
def data(digits: Dataset, small: Split) -> SplitDataset:
    return SplitDataset(digits, small)


@pytest.fixture(scope="module")
def finding() -> Finding:
    """Return a finding of two rates with three seeds each."""
    return read_finding(ASSETS / "lr")


def count(finding: Finding, data: SplitDataset, folder: Path, name: str = "a") -> EvaluationReuse:
    identity: JsonObject = {"study": name, "split": data.split.fingerprint}
    reuse = count_study(finding, data, folder / name, identity)
    assert reuse is not None
    return reuse


def test_studies_count_and_the_same_study_counts_once(
    finding: Finding, data: SplitDataset, tmp_path: Path
) -> None:
    reads = finding.test_reads
    first = count(finding, data, tmp_path)
    assert (first.studies, first.models, first.images) == (1, reads, 270)
    assert first.optimism == pytest.approx(first.optimism_with_feedback)
    assert first.sentence.startswith(
        "This is the first study or single run evaluated on these 270 test images, with "
        f"{reads} models so far."
    )

    second = count(finding, data, tmp_path, "b")
    assert (second.studies, second.models) == (2, 2 * reads)
    assert second.optimism > first.optimism
    assert second.optimism_with_feedback > second.optimism
    assert "This is the 2nd study" in second.sentence
    assert count(finding, data, tmp_path).studies == 2, "carried out again"


def test_one_model_on_one_image_is_described_in_the_singular() -> None:
    sentence = _sentence([1], 1, 0.95, 0.95)
    assert "evaluated on this test image, with 1 model so far. It may score up to" in sentence
    assert "The best of them" in _sentence([2], 30, 0.1, 0.1)


def test_other_training_images_make_no_other_test_images(
    finding: Finding, digits: Dataset, data: SplitDataset, tmp_path: Path
) -> None:
    count(finding, data, tmp_path)
    fewer = SplitDataset(digits, make_split(digits, train_images=100))
    assert fewer.split.fingerprint != data.split.fingerprint
    assert count(finding, fewer, tmp_path, "b").studies == 2
    other = SplitDataset(digits, make_split(digits, seed=1))
    assert count(finding, other, tmp_path, "c").studies == 1


def test_neighbours_and_single_runs_count_without_the_cache(
    finding: Finding, data: SplitDataset, tmp_path: Path, own_cache: Path
) -> None:
    neighbour = tmp_path / "neighbour"
    shutil.copytree(ASSETS / "lr", neighbour)
    (neighbour / "study.json").write_text(json.dumps({"split": data.split.fingerprint}))
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.json").write_text('{"test": {"accuracy": 0.9}}')
    (run / "data.json").write_text(json.dumps({"split_fingerprint": data.split.fingerprint}))
    (run / "recipe.json").write_text('{"recipe": {}}')
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "study.json").write_text("[1, 2")

    reuse = count(finding, data, tmp_path)
    assert (reuse.studies, reuse.models) == (3, 2 * finding.test_reads + 1)
    count_run(run, data)
    assert count(finding, data, tmp_path).studies == 3, "the run is the one that is there"

    shutil.rmtree(neighbour)
    shutil.rmtree(own_cache / "headstart" / "evaluations")
    assert count(finding, data, tmp_path).studies == 2


def test_neighbours_match_by_the_evaluated_images(tmp_path: Path) -> None:
    def write(name: str, **finding: object) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.json").write_text(json.dumps({"name": name, "split": "split"}))
        (tmp_path / name / "finding.json").write_text(json.dumps({"test_reads": 2, **finding}))

    write("old")
    write("old-folds", cross_validation={"folds": 5}, test_reads=3)
    write("new", reuse={"fingerprint": "test part"}, test_reads=4)
    write("new-folds", reuse={"fingerprint": "all"}, cross_validation={"folds": 5}, test_reads=5)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.json").write_text('{"test": {"accuracy": 0.9}}')
    (tmp_path / "run" / "data.json").write_text('{"split_fingerprint": "split"}')

    own = tmp_path / "own"
    models = [study.models for study in _neighbours(own, "test part", "split", False).values()]
    assert sorted(models) == [1, 2, 4]
    models = [study.models for study in _neighbours(own, "all", "split", True).values()]
    assert sorted(models) == [3, 5]


def test_a_run_counts_once_in_however_many_studies(
    finding: Finding, data: SplitDataset, tmp_path: Path
) -> None:
    runs = list(_run_names(finding.as_json()))
    for study in ("a", "b", "c"):
        for number, name in enumerate(runs):
            (tmp_path / study / name).mkdir(parents=True)
            seed = number if study != "c" or number else -1  # "c" shares all runs but one
            recipe = {"recipe": {}, "seed": seed}
            (tmp_path / study / name / "recipe.json").write_text(json.dumps(recipe))
    single = tmp_path / "a" / runs[0]
    reads = finding.test_reads

    count_run(single, data)
    first = count(finding, data, tmp_path)
    assert (first.studies, first.models) == (2, reads), "the single run is one of the study's"
    second = count(finding, data, tmp_path, "b")
    assert (second.studies, second.models) == (3, reads)
    assert second.optimism == pytest.approx(first.optimism)
    assert count(finding, data, tmp_path, "c").models == reads + 1


def test_a_damaged_or_unwritable_count_is_no_reason_to_fail(
    finding: Finding, data: SplitDataset, tmp_path: Path, own_cache: Path
) -> None:
    reuse = count(finding, data, tmp_path)
    path = own_cache / "headstart" / "evaluations" / f"{reuse.fingerprint}.jsonl"
    with path.open("a") as file:
        file.write('{"study": "cut o')
    assert count(finding, data, tmp_path, "b").studies == 2

    path.write_bytes(b"\xff\xfe[1]\nnull\n{}\n")
    assert count(finding, data, tmp_path).studies == 1
    path.write_text('{"study": "a", "models": Infinity}\n')
    assert count(finding, data, tmp_path).studies == 1
    path.unlink()
    path.mkdir()
    assert count(finding, data, tmp_path).studies == 1


def test_a_study_prints_its_count(data: SplitDataset, tmp_path: Path) -> None:
    finding = run_study(TWO_RATES, data, tmp_path / "one")
    assert finding.reuse is not None
    assert (finding.reuse.studies, finding.reuse.models) == (1, 2)
    assert read_finding(tmp_path / "one").reuse == finding.reuse
    more = LearningRatesConfig("mlp", (1e-3, 1e-2, 2e-2), 1, None, TWO_RATES.values)
    reuse = run_study(more, data, tmp_path / "two").reuse
    assert reuse is not None
    assert (reuse.studies, reuse.models) == (2, 3), "two runs are copied from the first study"
