"""Frozen lists: the public Python names, and the modules that the command line imports to start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart

# Programs import these names: add to the list, but remove nothing.
PUBLIC_NAMES = {
    "ImageClassifier",
    "api",
    "audit",
    "backbones",
    "compare",
    "data",
    "deploy",
    "doctor",
    "effects",
    "errors",
    "explain",
    "export",
    "fit",
    "labels",
    "load",
    "load_classifier",
    "lr",
    "predict",
    "progress",
    "repeat",
    "report",
    "runs",
    "serve",
    "split",
    "submit",
    "train",
    "tune",
    "verify",
    "watch",
}
# Help is instant because it needs only these few modules. A longer list needs a reason.
START_UP = {
    "headstart",
    "headstart.cli",
    "headstart.cli._app",
    "headstart.cli._options",
    "headstart.cli._next_command",
    "headstart.cli._verbs",
    "headstart.cli._streams",
    *(
        f"headstart.cli.{verb}"
        for verb in (
            *(
                "audit",
                "backbones",
                "compare",
                "data",
                "doctor",
                "effects",
                "explain",
                "export",
                "fit",
                "labels",
                "lr",
            ),
            *("predict", "report", "runs", "serve", "submit", "train", "tune", "verify"),
            "watch",
        )
    ),
    "headstart.errors",
    "headstart.formatting",
    "headstart.machine",
    "headstart.models",
    "headstart.models._option_metadata",
    "headstart.models.recipes",
    "headstart.models.recipes._flags",
    "headstart.models.recipes._keys",
    "headstart.progress",
    "headstart.signals",
}
HEAVY = {
    *("torch", "torchvision", "timm", "numpy", "scipy", "sklearn", "pandas", "PIL", "matplotlib"),
    *("optuna", "jinja2", "yaml", "safetensors", "fastapi", "ray", "onnx"),
}


def modules_after(code: str) -> set[str]:
    """Return the modules that a new interpreter has imported after this code."""
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


def test_the_public_names_are_these() -> None:
    assert set(vars(headstart)["__all__"]) == PUBLIC_NAMES
    for name in PUBLIC_NAMES:
        assert getattr(headstart, name) is not None


def test_report_is_a_function_also_after_its_room_was_imported() -> None:
    code = (
        "import headstart\n"
        "from headstart.report import run_table\n"
        "assert callable(headstart.report) and callable(run_table)\n"
        "try: headstart.report('nowhere')\n"
        "except headstart.errors.InputError: pass\n"
    )
    assert "headstart.report" in modules_after(code)


def test_the_command_line_starts_with_these_modules() -> None:
    modules = modules_after("import headstart.cli")
    assert {name for name in modules if name.partition(".")[0] == "headstart"} == START_UP


def test_a_quick_audit_imports_no_torch(tmp_path: Path) -> None:
    # With its libraries, torch takes 500 MB.
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    np.savez(path, images=rng.integers(0, 256, (80, 16, 16), np.uint8), labels=np.arange(80) % 2)
    out = str(tmp_path / "out")
    code = f"import headstart\nheadstart.audit({str(path)!r}, quick=True, out={out!r}, quiet=True)"
    assert "torch" not in modules_after(code)


def test_a_training_imports_no_compiler(tmp_path: Path) -> None:
    code = (
        "import headstart\n"
        f"headstart.train('digits', model='mlp', epochs=1, train_images=60, out={str(tmp_path)!r})"
    )
    modules = modules_after(code)
    assert "torch" in modules
    assert not modules & {"torch._dynamo", "torchvision", "timm", "matplotlib"}


@pytest.mark.parametrize("words", [("--help",), ("--version",)])
def test_the_list_of_verbs_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert not packages_after(*words) & {*HEAVY, "pydantic"}


@pytest.mark.parametrize("verb", ["train", "tune", "predict"])
def test_the_help_of_a_verb_imports_only_what_typer_needs(verb: str) -> None:
    # Recent versions of Typer read the words of a verb with Pydantic.
    assert not packages_after(verb, "--help") & HEAVY


@pytest.mark.parametrize(
    "words",
    [
        ("train", "nowhere"),
        ("train", "digits", "--model", "nonsense"),
        ("train", "digits", "--model", "efficientnet-lite0", "--lr", "-1"),
        ("train", "digits", "--set", "nonsense=1"),
        ("train", "digits", "--summary", "--set", "nonsense=1"),
        ("train", "--repeat", "nowhere"),
        ("compare", "nowhere"),
        ("compare", "digits", "--models", "nonsense,cnn"),
        ("fit", "nowhere"),
        ("tune", "digits", "--model", "nonsense"),
        ("lr", "nowhere"),
        ("lr", "digits", "--values", "nonsense"),
        ("labels", "nowhere"),
        ("labels", "digits", "--per-class", "nonsense"),
        ("effects", "digits", "--model", "nonsense"),
        ("backbones", "nowhere"),
        ("audit", "nowhere"),
        ("predict", "nowhere", "photo.jpg"),
        ("predict", "--onnx", "nowhere.onnx", "photo.jpg"),
        ("explain", "nowhere", "photo.jpg"),
        ("submit", "nowhere", "test.csv"),
        ("export", "nowhere"),
        ("serve", "nowhere"),
        ("report", "nowhere"),
        ("verify", "nowhere"),
        ("data", "get", "nonsense"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_ends_before_a_large_library_is_imported(words: tuple[str, ...]) -> None:
    large = HEAVY - {"numpy"}
    assert not packages_after(*words, status=2) & large


def test_a_prediction_imports_neither_training_nor_a_compiler(digits_run: Path) -> None:
    image = digits_run.parent / "black.png"
    Image.new("L", (8, 8)).save(image)
    modules = modules_of("predict", str(digits_run), str(image))
    assert "torch" in modules
    unused = {"scipy", "sklearn", "timm", "torchvision", "torch._dynamo", "matplotlib", "optuna"}
    assert not modules & unused
    assert not {name for name in modules if name.startswith("headstart.training")}


def test_a_prediction_without_its_image_imports_no_torch(digits_run: Path) -> None:
    assert "torch" not in packages_after("predict", str(digits_run), "nowhere.png", status=2)


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small finished run."""
    folder = tmp_path_factory.mktemp("start-up") / "run"
    headstart.train("digits", model="mlp", epochs=1, train_images=60, out=folder)
    return folder


def packages_after(*words: str, status: int = 0) -> set[str]:
    """Return the packages that this command imports, which ends with this status."""
    return {name.partition(".")[0] for name in modules_of(*words, status=status)}


def modules_of(*words: str, status: int = 0) -> set[str]:
    """Return the modules that this command imports, which ends with this status."""
    return modules_after(
        "import os, sys\n"
        f"sys.argv = ['headstart', *{words}]\n"
        "from headstart.cli import main\n"
        "messages, sys.stderr = sys.stderr, open(os.devnull, 'w')\n"
        "ended = 0\n"
        "try: main()\n"
        "except SystemExit as end: ended = end.code or 0\n"
        "sys.stderr = messages\n"
        f"assert ended == {status}, ended"
    )
