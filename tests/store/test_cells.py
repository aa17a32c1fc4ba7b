"""Names that a spreadsheet would evaluate: guarded in CSV files, and exact when they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart import store
from headstart.api import Run
from headstart.data import TEST, Dataset, PlanRow, read_plan, write_plan
from headstart.training import read_correct, read_losses, read_predicted, read_probabilities
from headstart.training._run_files import write_predictions

FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-a", "@sum", "\tx", "\rx", "\nx", "＝x", "=", "-", "+")
PLAIN = ("cat", "-1", "+1e3", "-0.5", "'cat", "", "a=b", "'-1")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert store.guard_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_and_numbers_stay(text: str) -> None:
    assert store.guard_cell(text) == text


@pytest.mark.parametrize("apostrophes", range(3))
@pytest.mark.parametrize("text", [*FORMULAS, *PLAIN])
def test_every_text_is_read_as_it_was_given(text: str, apostrophes: int) -> None:
    given = "'" * apostrophes + text
    assert store.bare_cell(store.guard_cell(given)) == given


def test_cells_of_earlier_versions_and_of_people_stay() -> None:
    assert [store.bare_cell(text) for text in ("=x", "-", "it's")] == ["=x", "-", "it's"]


def test_predictions_have_guarded_names_and_are_read_exactly(tmp_path: Path) -> None:
    names = ("=a", "'=a", "cat", "-")
    count = 8
    dataset = Dataset(
        name="",
        source="",
        parts=np.full(count, TEST, np.uint8),
        hashes=np.zeros((count, 32), np.uint8),
        fingerprint="",
        images=np.zeros((count, 2, 2, 1), np.uint8),
        labels=np.arange(count) % 4,
        class_names=names,
        image_names=tuple(f"{name}/{row}.png" for row, name in enumerate(names * 2)),
    )
    rows = np.arange(count, dtype=np.int64)
    probabilities = (np.eye(4)[dataset.labels] * 0.7 + 0.075).astype(np.float32)
    write_predictions(tmp_path, dataset, {"test": (rows, probabilities)})

    text = (tmp_path / "predictions.csv").read_text()
    assert text.splitlines()[1].startswith("0,'=a/0.png,test,'=a,'=a,1,")
    assert read_correct(tmp_path, "test").all()
    assert read_predicted(tmp_path, "test").tolist() == dataset.labels.tolist()
    assert np.allclose(read_losses(tmp_path, "test"), -np.log(0.775), atol=1e-4)
    labels, read = read_probabilities(tmp_path, "test", names)
    assert labels.tolist() == dataset.labels.tolist()
    assert np.allclose(read, probabilities)

    pytest.importorskip("pandas")
    frame = Run({"run": str(tmp_path)}).predictions
    assert list(frame.columns[-4:]) == list(names)
    assert list(frame["label"]) == list(names) * 2
    assert tuple(frame["image"]) == dataset.image_names


def test_a_plan_has_guarded_names_and_is_read_exactly(tmp_path: Path) -> None:
    rows = (
        PlanRow("=a/1.png", "relabel", "=a", "-", "'=reason", 0.5),
        PlanRow("'=a/1.png", "drop", "+", "", "@copy"),
    )
    path = tmp_path / "plan.csv"
    write_plan(path, rows)
    assert path.read_text().splitlines()[1] == "'=a/1.png,relabel,'=a,'-,''=reason,0.500"
    assert [row._replace(line=0) for row in read_plan(path)] == list(rows)
