"""What the documentation shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_examples_in_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 5
    found: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), found)
    assert {"wrong", "finding", "search", "logits"} <= set(found)
    assert tuple(found["logits"].shape) == (4, 10)  # type: ignore[attr-defined]
    assert (tmp_path / "runs" / "mine" / "model.safetensors").exists()
