"""Class names: two spellings of one name are refused, in folders, tables and arrays."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data import load
from headstart.data._class_names import require_distinct_classes
from headstart.data._doubtful_names import similar_class_names, similar_names_sentence
from headstart.errors import InputError


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ("Cat", "cat", "upper and lower case"),
        ("STRASSE", "stra\u00dfe", "upper and lower case"),
        ("Pedestrian", "pedestrian", "upper and lower case"),
        ("cat", "cat ", "spaces at the beginning or end"),
        ("\u00a0cat", "cat", "spaces at the beginning or end"),
        ("hot dog", "hot_dog", "spaces and underscores"),
        ("Hot___dog", "Hot_dog", "upper and lower case, spaces, underscores"),
        ("cat", "cat\u200b", "invisible characters"),
        ("Hot Dog", "hot_dog ", "upper and lower case, spaces, underscores"),
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


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("hot dog", "hot-dog"),
        ("hotdog", "hot_dog"),
        ("HotDog", "hot dog"),
        ("Cat", "cats"),
        ("box", "boxes"),
        ("Berry", "berries"),
        ("hot-dogs", "Hot Dog"),
        ("St. Bernard", "st-bernard"),
        ("\uff23\uff41\uff54", "cat"),  # wide letters
        ("type-2", "type 2"),
        ("cat", "cat - Copy"),
        ("cat", "cat (1)"),
        ("cat", "cat copy 2"),
        ("'cat'", "cat"),
        ("caf\u00e9", "cafe"),
        ("\u0441\u0430t", "cat"),  # two Cyrillic letters
    ],
)
def test_names_that_are_nearly_the_same_are_reported_and_stay_two_classes(
    first: str, second: str
) -> None:
    names = sorted([first, "owl", second])
    require_distinct_classes(names, "photos")
    assert similar_class_names(names) == [tuple(name for name in names if name != "owl")]
    sentence = similar_names_sentence(names)
    assert f"'{first}'" in sentence and f"'{second}'" in sentence


@pytest.mark.parametrize(
    "names",
    [
        ("A", "a", "as"),  # handwriting
        ("1", "-1", "10", "1.0", "1-0"),
        ("room 1", "room -1", "room 11"),
        ("A", "A+", "A-", "AA", "AA-"),  # grades
        ("=", "+", "_", "-", "<=", ">="),
        ("cat", "car", "cart"),
        ("bus", "boss", "bos taurus"),
        ("2023_1", "202_31"),
        ("copy", "original", "copyright"),
        ("C", "C#", "C++"),
        ("\uc774\uac83", "\uc800\uac83"),
    ],
)
def test_names_of_different_things_are_not_reported(names: tuple[str, ...]) -> None:
    assert similar_class_names(names) == []
    assert similar_names_sentence(names) == ""


def test_several_pairs_are_counted() -> None:
    names = ("cat", "cats", "dog", "dogs")
    assert similar_class_names(names) == [("cat", "cats"), ("dog", "dogs")]
    assert "2 pairs of class names are nearly the same" in similar_names_sentence(names)
