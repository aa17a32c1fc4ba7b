"""Frozen lists: the public Python names, and the modules that the command line imports to start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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


def packages_after(*words: str) -> set[str]:
    """Return the packages that this command imports."""
    modules = modules_after(
        "import sys\n"
        f"sys.argv = ['headstart', *{words}]\n"
        "from headstart.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
    )
    return {name.partition(".")[0] for name in modules}
