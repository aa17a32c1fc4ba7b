"""Dataset objects of PyTorch, torchvision and `datasets`, and mappings of parts to them."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import headstart
from headstart.data import TEST, TRAIN, UNASSIGNED, VALIDATION, load
from headstart.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6, 7, 3), dtype=np.uint8)
LABELS = [1, 0, 2, 1, 0, 2, 1, 0]


class Items(Dataset[Any]):
    """A map-style dataset of given images."""

    def __init__(self, images: Any, labels: Any = LABELS, classes: Any = None) -> None:
        self.images, self.labels = images, labels
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index], self.labels[index]


class Rows:
    """A dataset as `datasets` defines it: items are dictionaries, and columns have types."""

    def __init__(self, **columns: Any) -> None:
        self.columns = columns
        label = type("ClassLabel", (), {"names": ["zebra", "ant", "dog"]})()
        self.features = {name: label if name == "label" else None for name in columns}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: values[index] for name, values in self.columns.items()}


class Parts(dict[str, Any]):
    """A DatasetDict is a dictionary."""


def pictures(mode: str = "RGB") -> list[Image.Image]:
    return [Image.fromarray(pixels).convert(mode) for pixels in PIXELS]


def fails(source: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(source, **options)
    return str(caught.value)


def tensors(dtype: torch.dtype) -> torch.Tensor:
    channels_first = torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy())
    return channels_first if dtype == torch.uint8 else channels_first.to(dtype) / 255


@pytest.mark.parametrize(
    "images",
    [
        pictures(),
        pictures("RGBA"),
        tensors(torch.uint8),
        tensors(torch.float32),
        tensors(torch.float64),
        list(PIXELS),
        list(PIXELS.transpose(0, 3, 1, 2)),
        list(PIXELS / 255),
    ],
    ids=["pillow", "rgba", "uint8", "float32", "float64", "arrays", "channels first", "real"],
)
def test_images_of_every_kind_have_the_same_pixels(images: Any) -> None:
    dataset = load(Items(images))
    assert (dataset.images == PIXELS).all()
    assert dataset.labels.tolist() == LABELS and dataset.class_names == ("0", "1", "2")
    assert (dataset.name, dataset.source) == ("dataset", "")
    assert set(dataset.parts.tolist()) == {UNASSIGNED}


def test_grey_images_stay_grey() -> None:
    grey = [picture.convert("L") for picture in pictures()]
    expected = np.stack([np.asarray(picture) for picture in grey])
    for images in (grey, torch.from_numpy(expected), torch.from_numpy(expected)[:, None]):
        dataset = load(Items(images))
        assert (dataset.images[..., 0] == expected).all() and dataset.image_shape == (6, 7, 1)


@pytest.mark.parametrize("label", [int, np.int64, np.uint8, torch.tensor, lambda n: np.array([n])])
def test_a_label_is_a_number_of_any_kind(label: Any) -> None:
    assert load(Items(PIXELS, [label(n) for n in LABELS])).labels.tolist() == LABELS


def test_names_of_classes_come_from_the_dataset_or_from_the_labels() -> None:
    named = Items(PIXELS, classes=["zebra", "ant", "dog", "unused"])
    assert load(named).class_names == ("zebra", "ant", "dog")
    assert load(Subset(Subset(named, range(8)), range(6))).class_names == ("zebra", "ant", "dog")
    texts = [["b", "a", "c"][n] for n in LABELS]
    assert load(Items(PIXELS, texts)).class_names == ("a", "b", "c")


def test_datasets_of_pytorch_are_read() -> None:
    dataset = load(TensorDataset(tensors(torch.float32), torch.tensor(LABELS)))
    assert (dataset.images == PIXELS).all()
    assert len(load(Subset(Items(PIXELS), [0, 1, 2]))) == 3
    assert len(load(list(zip(pictures(), LABELS, strict=True)))) == 8


def test_image_folder_of_torchvision_gives_the_pixels_of_the_folder(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    for picture, label in zip(pictures(), LABELS, strict=True):
        (tmp_path / f"class{label}").mkdir(exist_ok=True)
        picture.save(tmp_path / f"class{label}" / f"{picture.getpixel((0, 0))}.png")
    by_torchvision = load(torchvision.datasets.ImageFolder(tmp_path))
    assert by_torchvision.fingerprint == load(tmp_path).fingerprint
    assert by_torchvision.class_names == ("class0", "class1", "class2")


@pytest.mark.parametrize("kind", [dict, Parts])
def test_a_mapping_names_the_parts(kind: type[dict[str, Any]]) -> None:
    source = kind(test=Items(PIXELS[:3]), train=Items(PIXELS), validation=Items(PIXELS[:4]))
    dataset = load(source)
    assert dataset.parts.tolist() == [TRAIN] * 8 + [VALIDATION] * 4 + [TEST] * 3
    assert dataset.image_names[0] == "train-000000"
    assert set(load(kind(train=Items(PIXELS))).parts.tolist()) == {UNASSIGNED}
    beside = load(kind(train=Items(PIXELS), test=Items(PIXELS[:3]), eval=Items(PIXELS[:4])))
    assert beside.parts.tolist() == dataset.parts.tolist()
    assert "invalid part 'extra' of the dataset" in fails(
        kind(train=Items(PIXELS), extra=Items(PIXELS))
    )


def encoded(picture: Image.Image) -> dict[str, Any]:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


@pytest.mark.parametrize("images", [pictures(), [encoded(picture) for picture in pictures()]])
def test_a_dataset_of_dictionaries_is_read(images: list[Any]) -> None:
    dataset = load(Rows(image=images, label=LABELS))
    assert (dataset.images == PIXELS).all() and dataset.class_names == ("zebra", "ant", "dog")
    patients = ["p", "q"] * 4
    grouped = load(Rows(image=images, label=LABELS, patient=patients), group_by="patient")
    assert grouped.groups is not None and grouped.groups.tolist() == [0, 1] * 4
    other = load(Rows(x=images, y2=LABELS), path_column="x", label_column="y2")
    assert other.labels.tolist() == LABELS
    unlabelled = load({"train": dataset_of(images), "test": dataset_of(images, [-1] * 8)})
    assert len(unlabelled) == 8


def dataset_of(images: list[Any], labels: list[int] = LABELS) -> Rows:
    return Rows(image=images, label=labels)


def test_images_of_several_sizes_become_squares() -> None:
    images = [picture.resize((20 + number, 9)) for number, picture in enumerate(pictures())]
    assert load(Items(images)).image_shape == (128, 128, 3)
    assert load(Items(images), image_size=16).image_shape == (16, 16, 3)


class Stream(IterableDataset[Any]):
    """A dataset without a length."""

    def __iter__(self) -> Any:
        return iter([])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (DataLoader(Items(PIXELS)), "pass the dataset behind it, loader.dataset"),
        (Stream(), "cannot be read as data"),
        (3, "a int cannot be read as data"),
        (None, "a NoneType cannot be read as data"),
        (PIXELS, "a single array has no labels"),
        (torch.zeros(3, 4), "a single array has no labels"),
        ([], "the dataset has no items"),
        ([1, 2], "invalid item 0 of the dataset: expected (image, label), got int"),
        (Items(["a", "b"]), "invalid image of item 0 of the dataset: expected a Pillow image"),
        (Items(PIXELS, [torch.tensor([0, 1])] * 8), "has 2 labels: multi-label is not supported"),
        (Items(PIXELS, [0.5] * 8), "these are measurements"),
        (Items(PIXELS, [0.5] * 8, ["cat", "dog"]), "these are measurements"),
        (Items(PIXELS, [0] * 8), "only one class"),
        (Items(PIXELS, [0, 1, None, 1, 0, 1, 0, 1]), "row 2 of the dataset: the label is missing"),
        (Items(PIXELS / 2), "the images of the dataset: expected"),
        (Items([PIXELS[0], PIXELS[1][:3]]), "the images of the dataset differ in shape"),
        (Items([*pictures()[:1], *PIXELS[1:]]), "mixes Pillow images with arrays or tensors"),
        (Rows(picture=pictures(), label=LABELS), "has no image: expected image or img"),
        (Rows(image=pictures(), kind=LABELS), "has no label: expected label or labels"),
    ],
)
def test_errors_about_objects_name_the_item(source: Any, text: str) -> None:
    assert text in fails(source)


def test_a_column_and_other_frames_are_errors_that_say_what_to_do() -> None:
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    assert "Pass a pair: (images, labels)." in fails(pandas.Series([1, 2]))
    assert "Convert it: data.to_pandas()" in fails(pyarrow.table({"label": [1, 2]}))


def test_options_that_need_names_are_refused_for_pairs() -> None:
    assert "group_by does not apply to a dataset of (image, label)" in fails(
        Items(PIXELS), group_by="x"
    )
    assert load(Items(PIXELS.astype(np.uint16) * 4), pixel_max=1020).images.max() == PIXELS.max()


def test_loading_an_object_imports_no_torch() -> None:
    code = (
        "import sys, numpy as np\nfrom headstart.data import load\n"
        "items = [(np.full((4, 4), 9 * n, np.uint8), n % 2) for n in range(6)]\n"
        "print(len(load(items)), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "6 False\n"


def test_train_takes_a_dataset(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    items = [(rng.integers(0, 100, (8, 8), np.uint8) + 100 * (n % 2), n % 2) for n in range(40)]
    run = headstart.train(items, model="mlp", epochs=1, out=tmp_path / "run")
    assert run.metrics.test is not None and run.metrics.test.n == 6
