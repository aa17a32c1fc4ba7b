"""Labels that are lists of other labels in one cell, such as "scab rust"."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain

# Separators of lists, from the least to the most usual within ordinary names.
_LIST_MARKS = ("|", ";")
# Separators that are common in ordinary names. A few lists with them are only reported.
_NAME_MARKS = (" and ", "_", "-", ":")
_SEPARATORS = (*_LIST_MARKS, ",", " + ", "+", " & ", "&", "/", " ")
_BRACKETS = re.compile(r"[\[({](.*)[\])}]")
# "sea lion" is a name, and "scab rust" two labels: so few of them do not tell which they are.
# Where words of a name are joined by underscores, blanks separate labels.
_MOST_NAMES = 2
_NAME = re.compile(r"[^_|;,+/]+")
_JOINED_NAME = re.compile(r"[^\s|;,+&/]+( and [^\s|;,+&/]+)*")


def labels_that_combine_others(labels: Sequence[str]) -> list[str]:
    """Return the labels that look like several labels in one cell, or an empty list.

    A label is split at each usual separator in turn. Two kinds of evidence count:

    1. The parts occur as labels of their own, in at least half of the labels with this separator.
       All parts must do so at a blank, one of them at `|`, `;` and `,`. At `|` and `;` a part may
       also recur in another list.
    2. There are more lists than parts, and half of the parts occur at different places. Lists of
       labels reuse few parts in many ways; names of two words do not.

    What this keeps and refuses was checked by hand on published lists of classes (in the tests):

    - Kept: "polar bear" beside "grizzly bear" (neither part is a label); "baseball bat" beside
      "baseball" and "bat" among the 345 classes of Quick, Draw! (one of sixty names with a blank);
      ImageNet's synonyms ("ear, spike, capitulum"); colour and garment ("black dress", "blue
      dress", "black shoes": each word has its place).
    - Refused: Plant Pathology 2021 ("scab frog_eye_leaf_spot" beside both), the tags of satellite
      images ("clear primary water": few tags alone, many lists), findings in X-rays
      ("Effusion|Mass").

    One or two labels with a blank may still be names: see `may_be_names`.

    Args:
        labels: Distinct labels.
    """
    bracketed = [label for label in labels if _is_bracketed_list(label)]
    if bracketed:
        return bracketed

    known = set(labels)
    for separator in _SEPARATORS:
        parts_of = {label: _split(label, separator) for label in labels if separator in label}
        lists = {label: parts for label, parts in parts_of.items() if len(parts) > 1}
        if not lists:
            continue
        elsewhere = _parts_elsewhere(separator, known, list(lists.values()))
        needs_all = separator not in (*_LIST_MARKS, ",")
        combined = [label for label, parts in lists.items() if _are_in(parts, elsewhere, needs_all)]
        if len(combined) * 2 >= len(lists):
            return combined
        if _recombines_few_parts(list(lists.values())):
            return list(lists)
    for mark in _NAME_MARKS:
        lists = {label: _split(label, mark) for label in labels if mark in label}
        combined = [
            label for label, parts in lists.items() if len(parts) > 1 and known.issuperset(parts)
        ]
        if combined and len(combined) * 2 >= len(lists):
            return combined
    return []


def may_be_names(combined: Sequence[str]) -> bool:
    """Return whether combined labels may be names, such as "sea lion" beside "sea" and "lion".

    Any number of them may be names where the parts are joined as in "scab_rust" or "up-left".

    Args:
        combined: The labels that `labels_that_combine_others` returned.
    """
    if all(_JOINED_NAME.fullmatch(label) for label in combined):
        return True
    return len(combined) <= _MOST_NAMES and all(_NAME.fullmatch(label) for label in combined)


def _is_bracketed_list(label: str) -> bool:
    match = _BRACKETS.fullmatch(label)
    return match is not None and "," in match.group(1)


def _split(label: str, separator: str) -> list[str]:
    return [part.strip() for part in label.split(separator) if part.strip()]


def _parts_elsewhere(separator: str, known: set[str], lists: Sequence[Sequence[str]]) -> set[str]:
    """Return the parts that occur as labels or, where the separator marks lists, in two lists."""
    if separator not in _LIST_MARKS:
        return known
    counts = Counter(chain.from_iterable(lists))
    return known | {part for part, count in counts.items() if count > 1}


def _are_in(parts: Sequence[str], elsewhere: set[str], needs_all: bool) -> bool:
    matches = [part in elsewhere for part in parts]
    return all(matches) if needs_all else any(matches)


def _recombines_few_parts(lists: Sequence[Sequence[str]]) -> bool:
    """Return whether there are more lists than parts, and half of the parts change places."""
    places: defaultdict[str, set[int]] = defaultdict(set)
    for parts in lists:
        for place, part in enumerate(parts):
            places[part].add(place)
    moving = sum(len(places_of_part) > 1 for places_of_part in places.values())
    return len(lists) > len(places) and 2 * moving >= len(places)
