"""Words that name the parts of a dataset, in folder names and CSV columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

from headstart.data._types import TEST, TRAIN, VALIDATION

# The part that "eval" and "holdout" name; see `resolve_evaluation`.
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
# In lower case. Words with accents are known without them as well, as in "validacion".
_WORDS_OF_PART = {
    TRAIN: (
        "train trains training trainings trn trainval entrenamiento entrenament treino treinamento "
        "entrainement entraînement apprentissage addestramento allenamento lernen lern trening "
        "treningowe treningowy treningowa trénink trénovací tréning træning träning treniranje "
        "antrenare antrenament tanító edzés koulutus opetus eğitim pelatihan latih "
        "huấnluyện обучение обучающая обучающий обучающие тренировка тренировочная "
        "тренировочный тренировочные навчання навчальна навчальні тренувальна εκπαίδευση "
        "تدريب التدريب آموزش אימון प्रशिक्षण ฝึก 训练 訓練 学習 トレーニング 훈련 학습"
    ),
    VALIDATION: (
        "val vali valid validation validate validating dev devel development validacion "
        "validación validació validação validierung validierungs validazione convalida validatie "
        "walidacja walidacyjne walidacyjny walidacyjna validace validační validering validare "
        "validáció "
        "validointi doğrulama validasi xácthực валидация валидационная валидационный "
        "валидационные валідація валідаційна επικύρωση التحقق אימות सत्यापन 验证 驗證 検証 검증"
    ),
    TEST: (
        "test tests testing tst prueba pruebas teste testes prova essai essais prüfung testowe "
        "testowy testowa testovací testare teszt testi pengujian uji kiểmtra kiểmthử тест "
        "тестовая тестовый тестовые тестирование тестова тестові δοκιμή اختبار الاختبار آزمون "
        "בדיקה परीक्षण ทดสอบ 测试 測試 テスト 試験 테스트 시험"
    ),
    EVALUATION: (
        "eval evaluation evaluate holdout heldout évaluation evaluación avaliação valutazione "
        "evaluierung auswertung ocena değerlendirme оценка оцінка 评估 評估 評価 평가"
    ),
}
# They say nothing about the content. "train_images_224" names a part, "train_cats" may not.
_FILLER_WORDS = (
    "set sets s data daten dataset datasets image images img imgs pic pics picture pictures photo "
    "photos folder folders dir directory split splits sample samples example examples file files "
    "part seg new final small large resized cropped processed raw labelled labeled original jpg "
    "jpeg png rgb color colour gray grey version v x px kaggle public class classes full only the "
    "my our of for bilder fotos foto datos dados dati données donnees gegevens dane dados veri "
    "imágenes imagenes imagens immagini beelden afbeeldingen obrazy zdjęcia görüntü snímky kép "
    "conjunto conjuntos ensemble jeu insieme zbiór zestaw sada satz sammlung sarja halmaz küme "
    "seti для выборка набор данные данных изображения фото بيانات डेटा "
    "数据 數據 データ 데이터 资料 資料 图片 图像 圖片 圖像 画像 写真 이미지 사진 "
    "集 用 セット 셋 세트 용"
)
# Small words between the others. They are never a part of a word: "contest" is not "con test".
_SMALL_WORDS = frozenset(["de", "du", "des", "di", "do", "da", "del", "della", "dei", "con"])
# Words of several words, which are joined, and a French or Italian article before a vowel.
_PHRASES = ("huấn luyện", "kiểm tra", "kiểm thử", "xác thực")
_ARTICLE = re.compile(r"\b(d|l|dell)['\u2019](?=\w)", re.IGNORECASE)
_COMBINING = "".join(
    chr(code) for code in range(0x300, 0x1000) if unicodedata.category(chr(code)) in ("Mn", "Mc")
)
# Vowel signs, as those of Hindi and Thai, belong to their word.
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_COMBINING}])*|\d+")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_HOLD_OUT = re.compile(r"\b(hold|held)[\W_]+out\b", re.IGNORECASE)
_SEPARATORS = " _-.,+()[]"
_CACHED_WORDS = 4096


def _plain(word: str) -> str:
    """Return a word in lower case, with each letter in its composed form."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", word).casefold())
    return folded.replace("i\u0307", "i")  # the lower case of the Turkish dotted I


def _spellings(words: str) -> Iterator[str]:
    """Yield words, and those of the Latin alphabet without their accents as well."""
    for word in words.split():
        yield _plain(word)
        decomposed = unicodedata.normalize("NFD", _plain(word)).replace("ı", "i")
        bare = "".join(letter for letter in decomposed if unicodedata.category(letter) != "Mn")
        if bare.isascii():
            yield bare


_PART_OF_TOKEN: dict[str, int] = {}
for _part, _words in _WORDS_OF_PART.items():
    _PART_OF_TOKEN.update(dict.fromkeys(_spellings(_words), _part))
_FILLERS = frozenset(_spellings(_FILLER_WORDS))
# They may be a part of a word: "trainset", but not "strain". Scripts without blanks join all words.
_JOINED_FILLERS = tuple(sorted(word for word in _FILLERS if len(word) > 2 or not word.isascii()))


Key = TypeVar("Key")
Part = TypeVar("Part", int, int | None)


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
    name = _ARTICLE.sub("", _HOLD_OUT.sub("holdout", name))
    for phrase in _PHRASES:
        name = re.sub(re.escape(phrase), phrase.replace(" ", ""), name, flags=re.IGNORECASE)
    mentions: list[tuple[int, int, int]] = []
    is_all_filler = True
    for start, end in _tokens(name):
        part = _part_of_token(_plain(name[start:end]))
        if part is not None:
            mentions.append((start, end, part))
        elif not _is_filler(_plain(name[start:end])):
            is_all_filler = False

    parts = {part for *_, part in mentions}
    if parts == {TRAIN, VALIDATION}:  # "train_val": training images with the validation images
        return PartName(TRAIN, "" if is_all_filler else name)
    if len(parts) != 1:
        return None

    start, end, part = mentions[0]
    rest = "" if is_all_filler else _join(name[:start], name[end:])
    return PartName(part, rest)


def resolve_evaluation(parts: Mapping[Key, Part]) -> dict[Key, Part]:
    """Replace EVALUATION by TEST, or by VALIDATION where others are the test images.

    Args:
        parts: The part of each folder, file or word; None where it names none.
    """
    other = VALIDATION if TEST in parts.values() else TEST
    return {key: other if part == EVALUATION else part for key, part in parts.items()}


def _tokens(name: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each word and number, with "TrainSet" as two words."""
    for match in _WORD.finditer(name):
        cuts = [cut.start() + match.start() for cut in _CAMEL_CASE.finditer(match.group())]
        yield from zip([match.start(), *cuts], [*cuts, match.end()], strict=True)


@lru_cache(_CACHED_WORDS)
def _part_of_token(token: str) -> int | None:
    """Return the part of a word such as "train", "trainset" or "訓練用データ", or None."""
    if token in _PART_OF_TOKEN:
        return _PART_OF_TOKEN[token]
    for filler in _JOINED_FILLERS:
        for shorter in (token.removesuffix(filler), token.removeprefix(filler)):
            part = _part_of_token(shorter) if shorter and shorter != token else None
            if part is not None:
                return part
    return None


def _is_filler(token: str) -> bool:
    return token in _FILLERS or token in _SMALL_WORDS or token.isdigit()


def _join(before: str, after: str) -> str:
    parts = [part.strip(_SEPARATORS) for part in (before, after)]
    return "_".join(part for part in parts if part)
