"""Names of layers for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# The layers of a sequence have no name but their place in it.
_ONLY_A_PLACE = re.compile(r"(?:(head)\.)?\d+")
_WORDS = {
    "Conv2d": "convolution",
    "MaxPool2d": "pooling",
    "AvgPool2d": "pooling",
    "AdaptiveAvgPool2d": "pooling",
    "BatchNorm1d": "batch norm",
    "BatchNorm2d": "batch norm",
    "Linear": "dense",
    "Flatten": "flatten",
    "Dropout": "dropout",
    "ReLU": "activation",
    "Tanh": "activation",
    "GELU": "activation",
}


def layer_titles(layers: Iterable[tuple[str, str]]) -> list[str]:
    """Return a title per layer: `convolution 1` for one that is only numbered, such as `0`.

    Other names stay, because `--cut` accepts them. A title that occurs once has no number.

    Args:
        layers: Name and kind of each layer, in order.
    """
    named = list(layers)
    words = [_word(name, kind) for name, kind in named]
    totals = Counter(words)
    places: Counter[str | None] = Counter()
    titles: list[str] = []
    for (name, _), word in zip(named, words, strict=True):
        places[word] += 1
        if word is None:
            titles.append(name)
        elif totals[word] == 1:
            titles.append(word)
        else:
            titles.append(f"{word} {places[word]}")
    return titles


def _word(name: str, kind: str) -> str | None:
    """Return the title of a numbered layer without a number; None for one with a name."""
    numbered = _ONLY_A_PLACE.fullmatch(name)
    if numbered is None:
        return None
    word = _WORDS.get(kind, kind)
    return word if numbered.group(1) is None else f"{numbered.group(1)} {word}"
