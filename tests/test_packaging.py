"""The package's metadata agree with each other and with the code."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import headstart

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


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


def test_the_version_stands_in_one_place() -> None:
    assert "version" in PROJECT["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", headstart.__version__)


def test_windows_users_learn_that_they_need_wsl() -> None:
    code = "import sys; sys.platform = 'win32'; import headstart"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Headstart needs Linux or macOS" in done.stderr
    assert "WSL" in done.stderr
