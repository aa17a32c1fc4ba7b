"""Words that name the parts of a dataset, in folder names and CSV columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from headstart.data._types import TEST, TRAIN, VALIDATION

# "eval" and "holdout" evaluate: they are the test images, unless a test folder is there as well.
EVALUATION = 4

PART_OF_WORD = {
    "train": TRAIN,
    "training": TRAIN,
    "seg_train": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
    "testing": TEST,
    "seg_test": TEST,
}
_WORDS_OF_PART = {
    TRAIN: "train trains training trainings trn trainval entrenamiento treino treinamento "
    "entrainement entraînement 训练 训练集 訓練",
    VALIDATION: "val vali valid validation validate validating dev devel development validacion "
    "validación validacao validação validierung 验证 验证集 検証",
    TEST: "test tests testing tst prueba pruebas teste 测试 测试集 テスト",
    EVALUATION: "eval evaluation evaluate holdout heldout",
}
_PART_OF_TOKEN: dict[str, int] = {}
for _part, _words in _WORDS_OF_PART.items():
    _PART_OF_TOKEN.update(dict.fromkeys(_words.split(), _part))
# They say nothing about the content. "train_images_224" names a part, "train_cats" may not.
_FILLER_WORDS = (
    "set sets s data daten dataset datasets image images img imgs pic pics picture pictures photo "
    "photos folder folders dir directory split splits sample samples example examples file files "
    "part seg new final small large resized cropped processed raw labelled labeled original jpg "
    "jpeg png rgb color colour gray grey version v x px kaggle public class classes full only the "
    "my our of for bilder"
)
_FILLERS = frozenset(_FILLER_WORDS.split())
_JOINED_FILLERS = frozenset(word for word in _FILLERS if len(word) > 2)  # not "strain"
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_HOLD_OUT = re.compile(r"\b(hold|held)[\W_]+out\b", re.IGNORECASE)
_SEPARATORS = " _-.,+()[]"


class PartName(NamedTuple):
    """A name with a word for a part in it.

    Attributes:
        part: TRAIN, VALIDATION, TEST or EVALUATION.
        rest: The name without that word. Empty if the rest says nothing about the content, as in
            "training_set" or "test images 2".
    """

    part: int
    rest: str


def part_of_name(name: str) -> PartName | None:
    """Find the one part that a folder's name mentions, or return None.

    Case, separators, plural endings and words such as "set" or "images" make no difference.
    """
    name = unicodedata.normalize("NFC", name)
    name = _HOLD_OUT.sub("holdout", name)
    mentions: list[tuple[int, int, int]] = []
    is_all_filler = True
    for start, end in _tokens(name):
        part = _part_of_token(name[start:end].casefold())
        if part is not None:
            mentions.append((start, end, part))
        elif not _is_filler(name[start:end].casefold()):
            is_all_filler = False

    parts = {part for *_, part in mentions}
    if parts == {TRAIN, VALIDATION}:  # "train_val": training images with the validation images
        return PartName(TRAIN, "" if is_all_filler else name)
    if len(parts) != 1:
        return None

    start, end, part = mentions[0]
    rest = "" if is_all_filler else _join(name[:start], name[end:])
    return PartName(part, rest)


def _tokens(name: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each word and number, with "TrainSet" as two words."""
    for match in _WORD.finditer(name):
        cuts = [cut.start() + match.start() for cut in _CAMEL_CASE.finditer(match.group())]
        yield from zip([match.start(), *cuts], [*cuts, match.end()], strict=True)


def _part_of_token(token: str) -> int | None:
    """Return the part of a word such as "train" or "trainset", or None."""
    if token in _PART_OF_TOKEN:
        return _PART_OF_TOKEN[token]
    for word, part in _PART_OF_TOKEN.items():
        is_first, is_last = token.startswith(word), token.endswith(word)
        if is_first and token[len(word) :] in _JOINED_FILLERS:
            return part
        if is_last and token[: -len(word)] in _JOINED_FILLERS:
            return part
    return None


def _is_filler(token: str) -> bool:
    return token in _FILLERS or token.isdigit()


def _join(before: str, after: str) -> str:
    parts = [part.strip(_SEPARATORS) for part in (before, after)]
    return "_".join(part for part in parts if part)
