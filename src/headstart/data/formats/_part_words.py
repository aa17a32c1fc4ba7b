"""Words that name the parts of a dataset, in folder names and CSV columns."""

from headstart.data._types import TEST, TRAIN, VALIDATION

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
