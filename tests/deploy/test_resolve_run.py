"""A study's folder in the place of a run: its best run on validation images, or a clear error."""

import json
import shutil
from pathlib import Path

import pytest

import headstart
from headstart import classifier, progress
from headstart.deploy import resolve_run
from headstart.errors import InputError

ASSETS = Path(__file__).parents[1] / "assets/version-0.1"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A comparison whose runs have weights."""
    folder = tmp_path / "study"
    shutil.copytree(ASSETS / "compare", folder)
    for metrics in folder.glob("runs/*/metrics.json"):
        (metrics.parent / "classifier.json").touch()
    return folder


def set_validation(run: Path, accuracy: float) -> None:
    path = run / "metrics.json"
    content = json.loads(path.read_text())
    content["validation"]["accuracy"] = accuracy
    path.write_text(json.dumps(content))


def test_runs_and_files_stand_for_themselves(study: Path, tmp_path: Path) -> None:
    run = next(study.glob("runs/*"))
    for path in (run, tmp_path / "model.onnx", tmp_path / "missing"):
        assert resolve_run(path) == path


def test_a_comparison_stands_for_its_best_run_on_validation_images(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    best = study / "runs/mlp-fast-seed0"
    set_validation(best, 0.99)
    assert resolve_run(study) == best
    assert said == [f"Using {best}, the best of 4 runs on validation images (99.0%)."]


def test_the_classifier_of_a_study_is_that_of_its_best_run(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(classifier, "load_classifier", opened.append)
    headstart.load_classifier(study)
    assert opened == [resolve_run(study)]


@pytest.mark.parametrize("name", ["nowhere", "unfinished", "model.onnx"])
def test_load_classifier_says_what_it_was_given(name: str, tmp_path: Path) -> None:
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished/recipe.json").touch()
    (tmp_path / "model.onnx").touch()
    problems = {
        "nowhere": "does not exist",
        "unfinished": "a run that is not finished",
        "model.onnx": "expected a run folder, got a file",
    }
    with pytest.raises(InputError, match=problems[name]):
        headstart.load_classifier(tmp_path / name)


def test_a_run_without_weights_is_not_chosen(study: Path) -> None:
    set_validation(study / "runs/mlp-fast-seed0", 0.99)
    set_validation(study / "runs/mlp-seed1", 0.98)
    (study / "runs/mlp-fast-seed0/classifier.json").unlink()
    assert resolve_run(study) == study / "runs/mlp-seed1"


def test_a_search_stands_for_the_run_that_it_chose_also_after_it_was_moved(tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(ASSETS / "tune", folder)
    chosen = folder / json.loads((folder / "finding.json").read_text())["run"]
    with pytest.raises(InputError, match="which no longer has weights"):
        resolve_run(folder)
    chosen.mkdir(parents=True, exist_ok=True)
    (chosen / "classifier.json").touch()
    assert resolve_run(folder) == chosen


def test_a_study_without_weights_names_its_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights to use: .*mlp-seed0"):
        resolve_run(ASSETS / "compare")


def test_an_unfinished_fit_names_its_best_classifier_so_far(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.json").write_text('{"study": "fit"}')
    with pytest.raises(InputError, match="a study that is not finished"):
        resolve_run(tmp_path)
    (tmp_path / "classifier").mkdir()
    (tmp_path / "classifier" / "classifier.json").touch()
    progress.show_progress(True)
    assert resolve_run(tmp_path) == tmp_path / "classifier"
    assert "the best so far of a fit that is not finished" in capsys.readouterr().err

    # After `kill -9` while a finished fit was continued with more time.
    (tmp_path / "finding.previous.json").touch()
    assert resolve_run(tmp_path) == tmp_path / "classifier"
    progress.show_progress(False)
    assert "which fit chose before it was continued" in capsys.readouterr().err


def test_an_unfinished_study_and_a_folder_of_several_runs_are_refused_with_their_runs(
    study: Path,
) -> None:
    (study / "finding.json").unlink()
    with pytest.raises(InputError, match=r"a study that is not finished: .*mlp-seed0") as error:
        resolve_run(study)
    assert "Repeat the command that started it" in str(error.value)
    with pytest.raises(InputError, match=r"neither a run nor a study, but holds several: .*seed1"):
        resolve_run(study.parent)
