"""The damage matrix: each file of a finished study and run, damaged in each way.

A reader raises an error with a name, or returns what it returned before. The diagnosis names the
file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import headstart
from headstart import api, store
from headstart.classifier import load_classifier
from headstart.diagnosis import examine
from headstart.errors import HeadstartError
from headstart.report._gallery_images import read_gallery
from headstart.report.pages import _render
from headstart.results import read_finding, read_metrics
from headstart.training import (
    read_correct,
    read_curves,
    read_losses,
    read_predicted,
    read_probabilities,
    read_run,
)

NAMES = tuple("0123456789")
# Written for people, and recreated by `headstart report`; or a lock.
NOT_READ = ("report.html", ".lock")

Readers = dict[str, Callable[[], object]]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished study of two runs."""
    root = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setattr(_render, "_save_figures", lambda *_: None)
        api.lr(
            "digits",
            model="mlp",
            nodes=16,
            epochs=1,
            train_images=100,
            values=[0.01, 0.1],
            seeds=1,
            out=root / "lr",
        )
    return root / "lr"


def runs_of(study: Path) -> list[Path]:
    return sorted(path.parent for path in study.rglob("metrics.json"))


def readers(study: Path) -> Readers:
    """Return the readers of a study and of its first run, by name. Each returns a comparable."""
    run = runs_of(study)[0] if runs_of(study) else study / "runs"

    def weights() -> object:
        state = load_classifier(run).state_dict()
        return {name: tensor.tolist() for name, tensor in state.items()}

    return {
        "finding": lambda: read_finding(study).as_json(),
        "identity": lambda: store.read_json(study / "study.json"),
        "budget": lambda: store.read_json(study / "budget.json"),
        "split of the study": lambda: arrays(study / "split.npz"),
        "weights": weights,
        "metrics": lambda: read_metrics(run).as_json(),
        "run": lambda: repr(read_run(run)),
        "curves": lambda: repr(read_curves(run)),
        "correct": lambda: read_correct(run, "test").tolist(),
        "predicted": lambda: read_predicted(run, "test").tolist(),
        "losses": lambda: read_losses(run, "test").tolist(),
        "probabilities": lambda: repr(read_probabilities(run, "test", NAMES)),
        "gallery": lambda: repr(read_gallery(run, NAMES)),
        "environment": lambda: store.read_json(run / "environment.json"),
        "plan": lambda: store.read_json(run / "plan.json"),
        "split of the run": lambda: arrays(run / "split.npz"),
    }


def arrays(path: Path) -> object:
    with store.open_npz(path, store.read_verified(path)) as file:
        return {name: file[name].tolist() for name in file.names}


def flip(place: float) -> Callable[[bytes, bytes], bytes]:
    """Return a function that changes one bit, at a share of the length of a file."""

    def apply(content: bytes, _: bytes) -> bytes:
        data = bytearray(content)
        data[int(place * (len(data) - 1))] ^= 0x04
        return bytes(data)

    return apply


DAMAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "a flipped bit": flip(0.8),
    "cut": lambda content, _: content[: len(content) // 2],
    "empty": lambda *_: b"",
    "null": lambda *_: b"null",
    "swapped": lambda _, other: other,
}


def files_of(study: Path) -> list[Path]:
    other = runs_of(study)[1]
    return [
        path.relative_to(study)
        for path in sorted(study.rglob("*"))
        if path.is_file()
        and path.name not in NOT_READ
        and "figures" not in path.parts
        and not path.is_relative_to(other)
    ]


def other_content(study: Path, file: Path) -> bytes:
    """Return the same file of the other run, or for a file of the study that of its first run."""
    run, other = (path.relative_to(study) for path in runs_of(study)[:2])
    twin = run / file
    if file.is_relative_to(run):
        twin = other / file.relative_to(run)
    return (study / twin).read_bytes() if (study / twin).is_file() else b"{}"


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_is_used_and_each_is_named(damage: str, study: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(study, tmp_path / "lr"))
    expected = {name: read() for name, read in readers(copy).items()}
    problems: list[str] = []
    for file in files_of(study):
        content = (study / file).read_bytes()
        damaged = DAMAGES[damage](content, other_content(study, file))
        if damaged == content:
            continue
        (copy / file).write_bytes(damaged)
        for name, read in readers(copy).items():
            try:
                if read() != expected[name]:
                    problems.append(f"{file}: {name} has another value")
            except HeadstartError as error:
                if not error.message:
                    problems.append(f"{file}: {name} has no message")
            except Exception as error:
                problems.append(f"{file}: {name} ended in {error!r}")
        # A flipped bit in a seal may change no digest, but only what needs a file.
        is_named = any(item.state == "damaged" for item in examine([copy]))
        if not is_named and file.name != "manifest.json":
            problems.append(f"{file}: the diagnosis says nothing")
        (copy / file).write_bytes(content)
    assert not problems, "\n".join(problems)
    assert {name: read() for name, read in readers(copy).items()} == expected


def test_the_matrix_covers_each_kind_of_file(study: Path) -> None:
    names = {path.name for path in files_of(study)}
    assert {
        *("finding.json", "study.json", "split.npz", "manifest.json", "metrics.json"),
        *("recipe.json", "data.json", "plan.json", "environment.json", "classifier.json"),
        *("model.safetensors", "predictions.csv", "curves.csv", "gallery.npz"),
    } <= names
    assert headstart.doctor(study)["damaged"] == 0
