"""Words that name the parts of a dataset."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image

from headstart.data import TEST, TRAIN, VALIDATION, load
from headstart.data.formats.folders._part_words import EVALUATION, part_of_name, resolve_evaluation

TRAIN_NAMES = [
    "train",
    "training",
    "Train",
    "TRAIN",
    "training_set",
    "train_set",
    "train_images",
    "trainset",
    "seg_train",
    "train-data",
    "Training_Images",
    "TrainSet",
    "trainImages",
    "training-set.v2",
    "dataset_train",
    "trn",
    "train_224x224",
]
VALIDATION_NAMES = [
    "val",
    "valid",
    "validation",
    "Valid",
    "VALIDATION",
    "validation_set",
    "val_images",
    "valset",
    "dev",
    "dev-set",
    "ValidationData",
    "images_val",
]
TEST_NAMES = [
    "test",
    "testing",
    "Test",
    "TEST",
    "test_set",
    "test_images",
    "testset",
    "tst",
    "Testing-Set",
    "testdata",
    "images.test",
]


@pytest.mark.parametrize(
    ("names", "part"),
    [
        ([*TRAIN_NAMES, "training images", "train (1)"], TRAIN),
        ([*VALIDATION_NAMES, "validation images"], VALIDATION),
        ([*TEST_NAMES, "test set", "TEST  images"], TEST),
        (["eval", "evaluation", "Holdout", "hold-out", "held_out set", "eval_images"], EVALUATION),
    ],
)
def test_the_names_that_people_give_to_parts_are_known(names: list[str], part: int) -> None:
    found = {name: part_of_name(name) for name in names}
    assert found == dict.fromkeys(names, (part, ""))


def test_evaluation_images_are_the_test_images_unless_others_are() -> None:
    assert resolve_evaluation({"a": TRAIN, "b": EVALUATION}) == {"a": TRAIN, "b": TEST}
    beside = {"a": TRAIN, "b": EVALUATION, "c": TEST, "d": None}
    assert resolve_evaluation(beside) == {**beside, "b": VALIDATION}


@pytest.mark.parametrize(
    "name",
    [
        *("cats", "trainer", "contest", "testimony", "strain", "latest", "devil", "invalid", "7"),
        *("detest", "provence", "essay", "learn", "テント", "हिन्दी", "тесто", "lernout"),
    ],
)
def test_other_words_are_no_parts(name: str) -> None:
    assert part_of_name(name) is None


@pytest.mark.parametrize("train", [*TRAIN_NAMES, "training images"])
@pytest.mark.parametrize("test", [*TEST_NAMES[::3], "test set"])
def test_a_training_and_a_test_folder_are_parts(tmp_path: Path, train: str, test: str) -> None:
    for number, name in enumerate(
        [f"{train}/cat/1.png", f"{train}/dog/2.png", f"{test}/cat/3.png"]
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), number).save(tmp_path / name)
    data = load(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert dict(zip(data.image_names, data.parts.tolist(), strict=True)) == {
        f"{train}/cat/1.png": TRAIN,
        f"{train}/dog/2.png": TRAIN,
        f"{test}/cat/3.png": TEST,
    }


@pytest.mark.parametrize(
    "names",
    [
        ("Trainingsdaten", "Validierungsdaten", "Testdaten"),
        ("Lernen", "Validierung", "Prüfung"),
        ("Trainingsbilder", "valset", "Test-Bilder"),
        ("apprentissage", "validation", "test"),
        ("données d'entraînement", "jeu de validation", "jeu de test"),
        ("entrenamiento", "validación", "prueba"),
        ("conjunto de treino", "VALIDACAO", "teste"),
        ("addestramento", "convalida", "prova"),
        ("обучающая выборка", "валидационная выборка", "тестовая выборка"),
        ("навчання", "валідація", "тест"),
        ("学習用", "検証用", "テスト用"),
        ("訓練用データ", "検証データ", "テスト画像"),
        ("训练图片", "验证图片", "测试图片"),
        ("訓練集", "驗證集", "測試集"),
        ("훈련", "검증", "테스트"),
        ("학습 데이터", "검증데이터", "시험 데이터"),
        ("trainingsset", "validatieset", "testset"),
        ("treningowe", "walidacyjne", "testowe"),
        ("EĞİTİM", "doğrulama", "test"),
        ("egitim", "dogrulama", "test"),
        ("träning", "validering", "test"),
        ("trénovací", "validační", "testovací"),
        ("huấn luyện", "xác thực", "kiểm tra"),
        ("pelatihan", "validasi", "pengujian"),
        ("εκπαίδευση", "επικύρωση", "δοκιμή"),
        ("प्रशिक्षण", "सत्यापन", "परीक्षण"),
        ("تدريب", "التحقق", "اختبار"),
        ("אימון", "אימות", "בדיקה"),
        ("antrenare", "validare", "testare"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_parts_are_known_in_other_languages(
    names: tuple[str, ...], form: Literal["NFC", "NFD"]
) -> None:
    written = [unicodedata.normalize(form, name) for name in names]
    assert [part_of_name(name) for name in written] == [
        (TRAIN, ""),
        (VALIDATION, ""),
        (TEST, ""),
    ]
