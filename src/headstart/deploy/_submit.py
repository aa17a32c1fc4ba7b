"""A submission to a competition: predictions for its test images, in the required columns."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.classifier import Predictions
from headstart.data import is_image, list_failures
from headstart.deploy._csv_output import write_cells
from headstart.deploy._model import Model
from headstart.deploy._output_files import check_csv_output, keep_earlier
from headstart.deploy._submission_sample import Sample, read_sample
from headstart.deploy._test_images import CompetitionImages, TestImages, predict_test_images
from headstart.errors import InputError
from headstart.formatting import counted
from headstart.results import JsonObject

KAGGLE_COLUMNS = ("ImageId", "Label")
_SAME_COMPETITION = "Pass the test images and the sample submission of the same competition"


def submit(
    model: Model,
    test: CompetitionImages,
    submission: Path,
    sample: Path | None = None,
    *,
    probability_of: str | None = None,
    safe_cells: bool = False,
) -> JsonObject:
    """Predict every test image of a competition and write the submission.

    An earlier file of the same name is kept under another name.

    Args:
        model: The model that predicts.
        test: Where the test images are. A competition requires a row for every image, so the row
            of a damaged one has the mean probabilities of the others, or the class that follows
            from them.
        submission: The CSV to write. Without a sample it has the columns ImageId and Label. The ids
            are those of the table, the names of a folder's files without suffix, or 1, 2, ….
        sample: A sample submission that determines columns, ids, order and values. Besides the id
            it has one column for the label, one for the probability of a class, or one per class.
        probability_of: The class whose probability the second of two columns holds. By default
            the sample decides.
        safe_cells: Whether texts that a spreadsheet would evaluate get an apostrophe.

    Returns:
        `submission`, `rows`, `columns`, `probability_of` (a class or None), `labels` (number of
        predictions per class), `unfamiliar` (number of out-of-distribution images, or None), and
        `unreadable` (`image` and `reason` of each damaged image).

    Raises:
        InputError: A table cannot be read, its images have another size than the training images,
            ids and rows do not match, or the submission would replace an input. Nothing is written.
    """
    check_csv_output(submission, [test.path, sample], "--out")
    if probability_of is not None and sample is None:
        raise InputError(
            "--probability-of needs the sample submission of the competition.",
            "Add --sample FILE.",
        )
    required = None
    if sample is not None:
        required = read_sample(sample, model.class_names, probability_of)
    images = predict_test_images(model, test)

    if required is None:
        ids = _own_ids(images)
        required = Sample("", KAGGLE_COLUMNS, tuple(ids))
        order = np.arange(len(images))
    else:
        order = _match_ids(required, images)
    rows = _submission_rows(images.predictions, required, order)
    _say_unreadable(images)
    keep_earlier(submission)
    write_cells(submission, required.columns, rows, safe_cells=safe_cells)

    labels = Counter(images.predictions.labels[row] for row in order)
    is_ood = images.predictions.is_out_of_distribution
    return {
        "submission": str(submission),
        "rows": len(order),
        "columns": list(required.columns),
        "probability_of": required.probability_of,
        "labels": dict(labels.most_common()),
        "unfamiliar": None if is_ood is None else int(is_ood[order].sum()),
        "unreadable": [{"image": name, "reason": reason} for name, reason in images.unreadable],
    }


def _say_unreadable(images: TestImages) -> None:
    """Print which images cannot be read, and what their rows have instead."""
    if images.unreadable:
        progress.say(
            f"{images.name}: {len(images.unreadable):,} of {counted(len(images), 'image')} cannot "
            "be read; their rows have the mean probabilities of the others, or the class that "
            f"follows from them:{list_failures(images.unreadable)}"
        )


def _own_ids(images: TestImages) -> Sequence[str]:
    if images.ids:
        return images.ids[0]
    return [str(number) for number in range(1, len(images) + 1)]


def _match_ids(sample: Sample, images: TestImages) -> NDArray[np.int64]:
    """Return the index of the image for each id of the sample, or by position without ids."""
    if not images.ids:
        if len(sample.ids) != len(images):
            raise InputError(
                f"{sample.name} has {counted(len(sample.ids), 'row')}, but {images.name} has "
                f"{counted(len(images), 'image')}.",
                f"{_SAME_COMPETITION}, both complete.",
            )
        return np.arange(len(images))

    missing: list[str] = []
    for keys, ids in itertools.product(_spellings(sample.ids), images.ids):
        index_of_id = {key: index for index, key in enumerate(ids)}
        lacking = [key for key in keys if key not in index_of_id]
        if not lacking:
            break
        if not missing or len(lacking) < len(missing):
            missing = lacking
    else:
        raise _missing_ids(sample, images, missing)

    if keys[0] != sample.ids[0]:
        progress.say(
            f"{sample.name} names other folders or suffixes than {images.name}; for example, "
            f"'{sample.ids[0]}' is the image '{images.ids[-1][index_of_id[keys[0]]]}'"
        )
    unused = len(images) - len(sample.ids)
    if unused:
        progress.say(
            f"{counted(unused, 'image')} of {images.name} left out: {sample.name} lists no such id"
        )
    return np.array([index_of_id[key] for key in keys], np.int64)


def _spellings(ids: Sequence[str]) -> list[Sequence[str]]:
    """Return the ids of a sample as written, without folders, and without suffixes of images."""
    names = [PurePosixPath(key.replace("\\", "/")).name for key in ids]
    stems = [PurePosixPath(name).stem if is_image(name) else name for name in names]
    return [keys for keys in (ids, names, stems) if len(set(keys)) == len(ids)]


def _missing_ids(sample: Sample, images: TestImages, missing: Sequence[str]) -> InputError:
    """Return the error about ids of a sample for which there is no image, or more than one."""
    for key in sample.ids:
        if key in images.ambiguous:
            shared = images.ambiguous[key]
            return InputError(
                f"{sample.name} asks for the id '{key}', which stands for {len(shared):,} images "
                f"of {images.name}: {shared[0]} and {shared[1]}.",
                "Remove one of them, or pass a table with the columns id and path.",
            )
    return InputError(
        f"{sample.name} asks for the id '{missing[0]}', which {images.name} does not have. "
        f"Missing: {counted(len(missing), 'id')}.",
        f"{_SAME_COMPETITION}.",
    )


def _submission_rows(
    predictions: Predictions, sample: Sample, order: NDArray[np.int64]
) -> list[list[str]]:
    if len(sample.columns) == 2 and sample.probability_of is None:
        labels = predictions.labels
        return [[key, labels[row]] for key, row in zip(sample.ids, order.tolist(), strict=True)]

    names = [sample.probability_of] if sample.probability_of else sample.columns[1:]
    places = [predictions.class_names.index(name) for name in names]
    probabilities = predictions.probabilities[order][:, places].tolist()
    return [
        [key, *(f"{value:.6g}" for value in row)]
        for key, row in zip(sample.ids, probabilities, strict=True)
    ]
