"""Sample submissions: what their second column asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.deploy._submission_sample import read_sample
from headstart.errors import InputError


def sample(path: Path, column: str, value: str) -> Path:
    file = path / "sample.csv"
    file.write_text(f"id,{column}\n" + "".join(f"{row},{value}\n" for row in range(4)))
    return file


@pytest.mark.parametrize(
    ("column", "value", "classes", "expected"),
    [
        ("label", "cat", ("cat", "dog"), None),
        ("label", "", ("cat", "dog"), None),
        ("label", "0", ("0", "1"), None),
        ("label", "0", tuple("0123456789"), None),
        ("label", "0.5", ("0", "1"), "1"),
        ("target", "0.5", ("no", "yes"), "yes"),
        ("target", "0", ("negative", "positive"), "positive"),
        ("dog", "0.5", ("cat", "dog"), "dog"),
        ("dog", '"0,5"', ("cat", "dog"), "dog"),
        ("is_dog", "0", ("cat", "dog"), "dog"),
        ("p(Dog)", "0.5", ("Cat", "Dog"), "Dog"),
        ("melanoma_probability", "0.1", ("melanoma", "naevus", "other"), "melanoma"),
        ("label", "unknown", ("cat", "dog"), None),
    ],
)
def test_the_sample_decides_between_labels_and_a_probability(
    column: str, value: str, classes: tuple[str, ...], expected: str | None, tmp_path: Path
) -> None:
    assert read_sample(sample(tmp_path, column, value), classes).probability_of == expected


@pytest.mark.parametrize(
    ("column", "value", "classes"),
    [
        ("label", "0.5", ("cat", "dog")),
        ("label", "0", ("cat", "dog")),
        ("label", "0", ("cat", "dog", "horse")),
        ("cat_or_dog", "0.5", ("cat", "dog")),
        ("label", "17", ("1", "2")),
        ("dog", "3", ("cat", "dog")),
    ],
)
def test_numbers_that_may_mean_several_things_are_refused(
    column: str, value: str, classes: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="It is unclear whose probability is wanted") as error:
        read_sample(sample(tmp_path, column, value), classes)
    assert "--probability-of" in error.value.hint


def test_the_class_can_be_given(tmp_path: Path) -> None:
    path = sample(tmp_path, "label", "0.5")
    assert read_sample(path, ("cat", "dog"), "dog").probability_of == "dog"
    with pytest.raises(InputError, match="expected a class of the run, got 'dgo'") as error:
        read_sample(path, ("cat", "dog"), "dgo")
    assert "dog" in error.value.hint


def test_a_sample_that_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"invalid --sample: .* is a folder"):
        read_sample(tmp_path, ("cat", "dog"))
    with pytest.raises(InputError, match=r"invalid --sample: .*none.csv does not exist"):
        read_sample(tmp_path / "none.csv", ("cat", "dog"))
