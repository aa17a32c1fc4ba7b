"""The package's metadata agree with each other and with the code."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

import headstart

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# Earlier versions have known holes that matter here. Raise a floor when another one is closed.
SECURITY_FLOORS = {
    "torch": ("2.10", "CVE-2025-32434, CVE-2026-24747: the weights-only loader can be bypassed"),
    "pillow": ("12.3", "CVE-2026-42311 and others: decoders write outside their memory"),
    "starlette": ("0.49.1", "CVE-2024-47874, CVE-2025-62727: large or slow requests"),
    "h11": ("0.16", "CVE-2025-43859: malformed chunked bodies smuggle requests"),
    "onnx": ("1.21", "CVE-2025-51480 and others: a model reads and writes other files"),
    "ray": ("2.54", "CVE-2025-62593, CVE-2026-27482: a web page reaches the dashboard"),
    "jinja2": ("3.1.6", "CVE-2025-27516: templates leave their sandbox"),
    "urllib3": ("2.6", "CVE-2025-66418, CVE-2025-66471: an answer unfolds without limit"),
    "requests": ("2.32.4", "CVE-2024-47081: passwords of .netrc reach other hosts"),
    "protobuf": ("5.29.5", "CVE-2025-4565: nested messages exhaust the stack"),
}


def lower_bounds() -> dict[str, str]:
    """Return the lower bound of each dependency that users install, by name."""
    extras = PROJECT["optional-dependencies"]
    requirements = list(PROJECT["dependencies"])
    for extra, needed in extras.items():
        if extra != "dev":
            requirements += needed

    bounds = {}
    for requirement in requirements:
        match = re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)", requirement)
        if match is not None:
            bounds[match[1]] = match[2]
    return bounds


def test_every_dependency_has_a_lower_bound() -> None:
    unbounded = [name for name in PROJECT["dependencies"] if ">=" not in name]
    assert unbounded == []


def test_the_oldest_tested_versions_are_the_declared_lower_bounds() -> None:
    lines = (ROOT / "constraints" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pinned == lower_bounds()


@pytest.mark.parametrize("name", SECURITY_FLOORS)
def test_versions_with_known_holes_are_not_accepted(name: str) -> None:
    floor, reason = SECURITY_FLOORS[name]
    assert name in lower_bounds(), f"declare {name}>={floor}: {reason}"
    assert Version(lower_bounds()[name]) >= Version(floor), reason


@pytest.mark.parametrize("extra", ["mlflow", "onnx", "ray", "serve", "tensorboard", "wandb"])
def test_each_extra_has_the_floors_of_what_it_brings(extra: str) -> None:
    brought = {
        "serve": {"h11", "starlette"},
        "onnx": {"onnx", "protobuf"},
        "tensorboard": {"protobuf"},
    }.get(extra, {"protobuf", "requests", "urllib3"})
    declared = {re.split(r"[>\[]", text)[0] for text in PROJECT["optional-dependencies"][extra]}
    assert brought <= declared


def test_the_version_stands_in_one_place() -> None:
    assert "version" in PROJECT["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", headstart.__version__)


def test_windows_users_learn_that_they_need_wsl() -> None:
    code = "import sys; sys.platform = 'win32'; import headstart"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Headstart needs Linux or macOS" in done.stderr
    assert "WSL" in done.stderr
