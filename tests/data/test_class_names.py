"""Class names: two spellings of one name are refused, in folders, tables and arrays."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data import load
from headstart.data._class_names import require_distinct_classes
from headstart.errors import InputError


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ("Cat", "cat", "upper and lower case"),
        ("STRASSE", "stra\u00dfe", "upper and lower case"),
        ("Pedestrian", "pedestrian", "upper and lower case"),
        ("cat", "cat ", "blanks at the beginning or end"),
        ("\u00a0cat", "cat", "blanks at the beginning or end"),
        ("hot dog", "hot_dog", "blanks and underscores"),
        ("Hot___dog", "Hot_dog", "upper and lower case, blanks, underscores"),
        ("cat", "cat\u200b", "invisible characters"),
        ("Hot Dog", "hot_dog ", "upper and lower case, blanks, underscores"),
    ],
)
def test_two_spellings_of_one_class_are_an_error_that_names_both(
    first: str, second: str, difference: str
) -> None:
    with pytest.raises(InputError) as caught:
        require_distinct_classes(sorted([first, "owl", second]), "photos")
    assert repr(first) in caught.value.message
    assert repr(second) in caught.value.message
    assert difference in caught.value.message
    assert caught.value.hint == "Merge them into one class, or rename one of them."


@pytest.mark.parametrize(
    "names",
    [
        ("A", "a", "b"),  # handwritten letters
        ("a", "a_"),  # the same on a file system that ignores case
        ("=", "+", "_", " ", "-"),
        ("cat", "cats"),
        ("a-b", "a_b"),
        ("7", "007"),
        ("\u0967", "1"),  # the digit one in Devanagari
        ("<=", ">="),
    ],
)
def test_different_classes_stay_different(names: tuple[str, ...]) -> None:
    require_distinct_classes(names, "photos")


def test_arrays_are_checked_as_well() -> None:
    images = np.zeros((2, 4, 4), np.uint8)
    with pytest.raises(InputError, match="differ only in upper and lower case"):
        load((images, np.array([0, 1]), ["Cat", "cat"]))
