"""Published datasets: text files that list classes or splits, and folders of no class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from folder_helpers import fails, fill, write
from table_helpers import labels_of, load_and_listen

from headstart.data import TEST, TRAIN, VALIDATION, load

CLASSES = ("n01443537", "n01629819")
IMAGES = [f"val_{number}.JPEG" for number in range(4)]


def tiny_imagenet(root: Path) -> Path:
    """Write the layout of Tiny ImageNet, with two classes."""
    fill(root, [f"train/{name}/images/{name}_{n}.JPEG" for name in CLASSES for n in range(3)])
    fill(root, [f"val/images/{image}" for image in IMAGES])
    fill(root, ["test/images/test_0.JPEG"])
    for name in CLASSES:
        write_lines(root / f"train/{name}/{name}_boxes.txt", f"{name}_0.JPEG\t0\t0\t62\t63")
    lines = [f"{image}\t{CLASSES[n % 2]}\t0\t1\t2\t3" for n, image in enumerate(IMAGES)]
    write_lines(root / "val/val_annotations.txt", *lines)
    write_lines(root / "wnids.txt", *CLASSES)
    write_lines(root / "words.txt", *[f"{name}\tgoldfish, Carassius" for name in CLASSES])
    return root


def write_lines(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def with_flat_validation(root: Path) -> Path:
    """Write two classes for training, and a flat folder for validation."""
    fill(root, [f"train/{name}/{name}_{n}.JPEG" for name in CLASSES for n in range(3)])
    return fill(root, [f"val/{image}" for image in IMAGES])


def test_validation_images_get_their_classes_from_the_list_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, lines = load_and_listen(capsys, tiny_imagenet(tmp_path / "tiny"))
    labels = labels_of(data)
    assert data.class_names == CLASSES
    assert [labels[f"val/images/{image}"] for image in IMAGES] == [*CLASSES, *CLASSES]
    assert np.bincount(data.parts).tolist() == [0, 6, 4]
    assert data.parts[-1] == VALIDATION
    assert "read the classes of its images from" in lines and "val_annotations.txt" in lines


def test_a_changed_list_is_noticed(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path / "tiny")
    load(root)
    lines = [f"{image}\t{CLASSES[1 - n % 2]}" for n, image in enumerate(IMAGES)]
    write_lines(root / "val/val_annotations.txt", *lines)
    assert labels_of(load(root))["val/images/val_0.JPEG"] == CLASSES[1]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("LOC_val_solution.csv", "{stem},{label} 85 1 499 272"),
        ("val.txt", "val/{image} {label}"),
        ("val/labels.tsv", "{number}\t{image}\t{label}"),
        ("labels.csv", '"{label}","{image}"'),
    ],
)
def test_label_lists_are_read_in_many_forms(tmp_path: Path, name: str, line: str) -> None:
    root = with_flat_validation(tmp_path / "data")
    lines = [
        line.format(image=image, stem=image[:-5], label=CLASSES[number % 2], number=number)
        for number, image in enumerate(IMAGES)
    ]
    write_lines(root / name, "a header,of,words", *lines)
    data = load(root)
    assert [labels_of(data)[f"val/{image}"] for image in IMAGES] == [*CLASSES, *CLASSES]


def test_an_index_is_not_the_name_of_an_image(tmp_path: Path) -> None:
    root = tmp_path / "data"
    fill(root, [f"train/{name}/{name}_{n}.JPEG" for name in CLASSES for n in range(3)])
    fill(root, [f"val/{n}.JPEG" for n in range(4)])
    lines = [f"{n},{3 - n}.JPEG,{CLASSES[n % 2]}" for n in range(4)]
    write_lines(root / "val.csv", "index,file,label", *lines)
    assert labels_of(load(root))["val/3.JPEG"] == CLASSES[0]


@pytest.mark.parametrize(
    ("name", "lines", "is_named"),
    [
        # An image is missing.
        ("val.txt", [f"{image} {CLASSES[0]}" for image in IMAGES[1:]], True),
        # Two columns may be the label: the true and the predicted class.
        ("val.txt", [f"{image} {CLASSES[0]} {CLASSES[1]}" for image in IMAGES], True),
        # An image has two lines.
        ("val.txt", [f"{image} {CLASSES[n % 2]}" for n, image in enumerate(IMAGES * 2)], True),
        # Every image has the same class, as in a template.
        ("val.txt", [f"{image} {CLASSES[0]}" for image in IMAGES], True),
        # Classes of a sample submission and of predictions are not those of the images.
        ("sample_submission.csv", [f"{i},{CLASSES[n % 2]}" for n, i in enumerate(IMAGES)], False),
        ("predictions.csv", [f"{i},{CLASSES[n % 2]}" for n, i in enumerate(IMAGES)], False),
    ],
)
def test_a_doubtful_list_is_not_read(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    lines: list[str],
    is_named: bool,
) -> None:
    root = with_flat_validation(tmp_path / "data")
    write_lines(root / name, *lines)
    data, said = load_and_listen(capsys, root)
    assert len(data) == 6
    assert "ignored 4 images outside every class folder" in said
    assert (f"{name} names them. If it has their labels" in said) is is_named
    assert ("which have no label" in said) is not is_named


def test_numbers_as_classes_are_not_read_from_a_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "signs"
    fill(root, [f"Train/{name}/{n}.png" for name in (5, 6) for n in range(3)])
    fill(root, [f"Test/{n:05}.png" for n in range(4)])
    rows = [f"53,54,{5 + n % 2},9,Test/{n:05}.png" for n in range(4)]
    write_lines(root / "Test.csv", "Width,Height,Roi.X1,ClassId,Path", *rows)
    data, said = load_and_listen(capsys, root)
    assert len(data) == 6 and "Test.csv names them" in said


def test_a_second_folder_of_a_listed_part_is_refused(tmp_path: Path) -> None:
    root = with_flat_validation(tmp_path / "data")
    write_lines(root / "val.txt", *[f"{i} {CLASSES[n % 2]}" for n, i in enumerate(IMAGES)])
    fill(root, [f"valid/{name}/{n}.JPEG" for name in CLASSES for n in range(2)])
    assert "is a second folder of validation images" in fails(root)


@pytest.mark.parametrize(
    "name", ["train_test_split.txt", "meta/train.txt", "labels/val1.txt", "lists/train_list.mat"]
)
def test_a_published_split_that_is_not_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    root = fill(tmp_path / "cub", [f"images/{kind}/{n}.jpg" for kind in "ab" for n in range(3)])
    write(root, name)
    _, lines = load_and_listen(capsys, root)
    assert f"the split in {name} is not read, and another one is drawn." in lines


@pytest.mark.parametrize("name", ["BACKGROUND_Google", "257.clutter"])
def test_folders_of_no_class_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    root = fill(tmp_path / "caltech", [f"{kind}/{n}.jpg" for kind in (name, "x") for n in (1, 2)])
    data, lines = load_and_listen(capsys, root)
    assert name in data.class_names
    assert f"'{name}' is read as a class. If its images belong to no class" in lines


def test_errors_name_the_file_that_may_have_the_labels(tmp_path: Path) -> None:
    celebrities = fill(tmp_path / "celeba", [f"faces/{n:06}.jpg" for n in range(4)])
    write_lines(celebrities / "list_attr.txt", "4", "Male Smiling", "000001.jpg -1 1")
    text = fails(celebrities)
    assert "has only one class, 'faces'" in text
    assert f"If {celebrities / 'list_attr.txt'} has the labels" in text

    flowers = fill(tmp_path / "flowers", [f"jpg/image_{n:05}.jpg" for n in range(4)])
    write(flowers, "imagelabels.mat")
    assert "imagelabels.mat is a MATLAB file." in fails(flowers)

    pets = fill(tmp_path / "pets", [f"images/pug_{n}.jpg" for n in range(4)])
    fill(pets, [f"annotations/trimaps/pug_{n}.png" for n in range(4)])
    write_lines(pets / "annotations/list.txt", "#Image CLASS-ID", "pug_1 1 1 1")
    text = fails(pets)
    assert "looks like detection or segmentation data" in text
    assert f"If {pets / 'annotations/list.txt'} has one label per image" in text


def test_annotations_of_single_images_are_not_lists(tmp_path: Path) -> None:
    root = fill(tmp_path / "yolo", [f"images/train/{n}.jpg" for n in range(3)])
    for number in range(3):
        write_lines(root / f"labels/train/{number}.txt", "0 0.5 0.5 0.1 0.1")
    text = fails(root)
    assert "looks like detection or segmentation data" in text and "one label per image" not in text


def test_test_images_may_have_a_list_too(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path / "tiny")
    fill(root, ["test/images/test_1.JPEG"])
    write_lines(root / "test/labels.txt", *[f"test_{n}.JPEG {CLASSES[n]}" for n in range(2)])
    data = load(root)
    assert np.bincount(data.parts)[[TRAIN, VALIDATION, TEST]].tolist() == [6, 4, 2]


GTSRB = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"


@pytest.mark.parametrize("classes", [("00000", "00001"), ("0", "1")])
def test_numbers_in_a_column_of_classes_are_classes(
    tmp_path: Path, classes: tuple[str, str]
) -> None:
    root = tmp_path / "GTSRB"
    fill(root, [f"Final_Training/Images/{c}/{c}_{n}.ppm" for c in classes for n in range(3)])
    fill(root, [f"Final_Test/Images/{n:05d}.ppm" for n in range(4)])
    rows = [f"{n:05d}.ppm;1;0;1;0;1;0;{n % 2}" for n in range(4)]
    write_lines(root / "GT-final_test.csv", GTSRB, *rows)
    data = load(root)
    assert data.class_names == classes and data.parts is not None
    assert np.bincount(data.parts).tolist() == [0, 6, 0, 4]
    assert labels_of(data)["Final_Test/Images/00003.ppm"] == classes[1]


@pytest.mark.parametrize(
    "rows",
    [
        [f"{n}.png,{n % 2}" for n in range(4)],  # no header says that these are classes
        ["file,width", *[f"{n}.png,{n % 2}" for n in range(4)]],
        ["file,label", *[f"{n}.png,{n % 2 + 1}" for n in range(4)]],  # 2 is no class of training
    ],
)
def test_numbers_that_may_mean_something_else_are_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[str]
) -> None:
    fill(tmp_path, [f"train/{c}/{n}.png" for c in "01" for n in range(3)])
    fill(tmp_path, [f"test/{n}.png" for n in range(4)])
    write_lines(tmp_path / "test.csv", *rows)
    data, said = load_and_listen(capsys, tmp_path)
    assert len(data) == 6 and "ignored 4 images outside every class folder" in said


def test_two_classes_of_one_number_have_only_their_names(tmp_path: Path) -> None:
    fill(tmp_path, [f"train/{c}/{n}.png" for c in ("7", "007", "8") for n in range(3)])
    fill(tmp_path, [f"test/{n}.png" for n in range(3)])
    write_lines(tmp_path / "test.csv", "file,label", "0.png,7", "1.png,007", "2.png,8")
    labels = labels_of(load(tmp_path))
    assert [labels[f"test/{n}.png"] for n in range(3)] == ["7", "007", "8"]


@pytest.mark.parametrize("place", ["", "devkit/data"])
def test_a_list_without_names_of_images_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    root = with_flat_validation(tmp_path / "imagenet")
    write(root, "devkit/data/meta.mat")
    write(root, "devkit/readme.txt")
    write_lines(root / place / "validation_ground_truth.txt", "490", "361", "171", "822")
    data, said = load_and_listen(capsys, root)
    assert len(data) == 6 and f"{root}: ignored folders without images: devkit" in said
    assert "validation_ground_truth.txt has as many lines, but does not name them." in said


def test_a_devkit_beside_a_wrapper_is_no_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_flat_validation(tmp_path / "ILSVRC/Data/CLS-LOC")
    write_lines(
        tmp_path / "ILSVRC/ILSVRC2012_devkit_t12/data/truth.txt", "490", "361", "171", "822"
    )
    data, said = load_and_listen(capsys, tmp_path / "ILSVRC")
    assert len(data) == 6
    assert "ILSVRC2012_devkit_t12/data/truth.txt has as many lines" in said
