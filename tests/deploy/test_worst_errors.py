"""The worst errors of a comparison are in its report, with the evidence of each contender."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import headstart
from headstart.api._results import ComparisonResult
from headstart.data import Dataset
from headstart.deploy import _worst_errors


def _compared(dataset: Dataset, out: Path, epochs: float = 8) -> ComparisonResult:
    """Compare `cnn` with `mlp` on 1,200 digits.

    Every twelfth digit has the label of the next class, about 15 of them in the test set.
    """
    labels = dataset.labels[:1200].copy()
    labels[::12] = (labels[::12] + 1) % 10
    models = ["cnn", "mlp"]
    return headstart.compare(
        (dataset.images[:1200], labels),
        models=models,
        seeds=1,
        time_limit=None,
        epochs=epochs,
        out=out,
    )


def test_mislabelled_images_are_the_worst_errors(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_worst_errors, "_SECONDS", 1e9)  # all six, however slow the machine is
    _compared(digits, tmp_path / "study")
    with np.load(tmp_path / "study" / "errors.npz", allow_pickle=False) as kept:
        assert kept["contenders"].tolist() == ["cnn", "mlp"] and kept["kinds"].tolist() == [
            "Grad-CAM",
            "occlusion",
        ]
        assert kept["images"].shape == (6, 8, 8, 1)
        said, labels = kept["said"].astype(int), kept["labels"].astype(int)
        assert (
            (said + 1) % 10 == labels
        ).mean() > 0.6  # networks trained so briefly have errors of their own
        for place in range(2):
            heat = kept[f"heat-{place}"]
            strongest = np.abs(heat).max((1, 2))
            assert (
                len(heat) == 6 and strongest.max() == 1 and set(strongest.round(5)) <= {0.0, 1.0}
            )  # 0: nothing spoke for it
        names = kept["names"].tolist()
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "The worst errors" in page and all(name in page for name in names)
    assert {"worst-errors.png", "worst-errors.svg"} <= {
        path.name for path in (tmp_path / "study" / "figures").iterdir()
    }


def test_without_captum_the_report_has_no_worst_errors(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_only: None
) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    finding = _compared(digits, tmp_path / "study", epochs=1)
    assert not (tmp_path / "study" / "errors.npz").exists()
    assert "The worst errors" not in Path(finding["report"]).read_text(encoding="utf-8")


def test_an_explanation_that_fails_costs_its_figure_not_the_report(
    digits: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    page_only: None,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no gradient reaches the layer")

    monkeypatch.setattr(_worst_errors, "evidence", fail)
    finding = _compared(digits, tmp_path / "study", epochs=1)
    assert (
        "explaining them failed: RuntimeError: no gradient reaches the layer"
        in capsys.readouterr().err
    )
    assert "The worst errors" not in Path(finding["report"]).read_text(encoding="utf-8")
