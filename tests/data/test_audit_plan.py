"""Plans: reading, writing and applying them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data import (
    Dataset,
    PlanRow,
    SplitDataset,
    apply_plan,
    check_plan_path,
    load,
    make_split,
    read_plan,
    with_and_without_plan,
    write_plan,
)
from headstart.errors import InputError

HEADER = "image,action,label,new_label,reason,probability"


@pytest.fixture
def dataset() -> Dataset:
    """Return 12 different images of 4x4 pixels in three classes."""
    images = np.arange(12 * 16, dtype=np.uint8).reshape(12, 4, 4, 1)
    return load((images, np.arange(12) % 3, ("ant", "bee", "cow")))


def plan_file(folder: Path, *lines: str) -> Path:
    path = folder / "plan.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def labels_of(dataset: Dataset) -> dict[str, str]:
    names = [dataset.class_names[label] for label in dataset.labels]
    return dict(zip(dataset.image_names, names, strict=True))


def test_a_written_plan_is_read_as_it_was(tmp_path: Path) -> None:
    rows = (
        PlanRow("cats/a, b.jpg", "relabel", "cat", 'the "dog"', "suspected wrong label", 0.875),
        PlanRow("line\nbreak.png", "drop", "001", "", "blank"),
        PlanRow("猫.png", "keep", "猫"),
        PlanRow("caf\udce9.png", "drop", "cat"),
    )
    write_plan(tmp_path / "new" / "plan.csv", rows)
    read = read_plan(tmp_path / "new" / "plan.csv")
    assert [row._replace(line=0) for row in read] == list(rows)


def test_a_plan_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    lines = [
        "Reason;image;ACTION;label;new_label;probability;my notes",
        "seen;000001;Relabel;bee;cow;0,75;sure",
        ";;;;;;",
        ";000002;drop;cow;;;",
    ]
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    assert read_plan(path) == (
        PlanRow("000001", "relabel", "bee", "cow", "seen", 0.75, 2),
        PlanRow("000002", "drop", "cow", line=4),
    )


def test_images_are_dropped_and_relabelled_by_name(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from headstart import progress

    path = plan_file(
        tmp_path, "000000,drop,ant,,blank,", "000004,relabel,bee,cow,,0.9", "000005,keep,cow,,,"
    )
    progress.show_progress(True)
    planned = apply_plan(dataset, path)
    assert capsys.readouterr().err == "dropped 1, relabelled 1 of 12 images (plan.csv)\n"
    assert labels_of(planned) == {
        **{name: label for name, label in labels_of(dataset).items() if name != "000000"},
        "000004": "cow",
    }
    assert (planned.images == dataset.images[1:]).all()
    assert (planned.hashes == dataset.hashes[1:]).all()
    assert planned.options["plan"] == str(path)
    assert planned.plan is not None
    assert (planned.plan.dropped, planned.plan.relabelled) == (1, 1)
    assert labels_of(dataset)["000004"] == "bee"


def test_a_plan_is_part_of_the_fingerprint_as_far_as_it_changes_something(
    dataset: Dataset, tmp_path: Path
) -> None:
    fingerprints = set()
    for line in ("000000,drop,,,,", "000001,drop,,,,", "000001,relabel,bee,cow,,"):
        fingerprints.add(apply_plan(dataset, plan_file(tmp_path, line)).fingerprint)
    assert len(fingerprints | {dataset.fingerprint}) == 4

    kept = apply_plan(dataset, plan_file(tmp_path, "000000,keep,ant,,,"))
    assert kept.fingerprint == dataset.fingerprint


def test_rows_that_do_not_fit_are_listed_with_their_lines(dataset: Dataset, tmp_path: Path) -> None:
    path = plan_file(
        tmp_path,
        "nowhere.png,drop,ant,,,",
        "000001,drop,ant,,,",
        "000002,relabel,cow,cwo,,",
        "000003,drop,ant,,,",
    )
    with pytest.raises(InputError) as failure:
        apply_plan(dataset, path)
    assert "in 3 rows" in failure.value.message
    assert "line 2: no image is named 'nowhere.png'." in failure.value.message
    assert "line 3: 000001 has the label 'bee', not 'ant'." in failure.value.message
    assert "line 4: 'cwo' is not a class: did you mean 'cow'?" in failure.value.message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("000001,delete,bee,,,", "line 2: invalid action: expected drop, relabel or keep, got"),
        (",drop,bee,,,", "line 2: the image is empty"),
        ("000001,relabel,bee,,,", "line 2: 000001 is relabelled, but new_label is empty"),
        ("000001,drop,bee,,,high", "line 2: invalid probability: expected a number, got 'high'"),
        ("000002,drop,cow,,,\n000002,keep,cow,,,", "line 3: 000002 has another action in line 2"),
    ],
)
def test_an_invalid_row_is_an_error(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_plan(plan_file(tmp_path, line))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ant/1.png", ": did you mean 'bee/1.png'?"),  # moved by hand
        ("bee\\2.png", ": did you mean 'bee/2.png'?"),
        ("photos/bee/2.png", ": did you mean 'bee/2.png'?"),
        ("BEE/2.PNG", ": did you mean 'bee/2.png'?"),
        ("cow/2.png", "."),  # ant/2.png or bee/2.png
        ("ant/9.png", "."),
    ],
)
def test_a_moved_image_is_found_for_the_message(tmp_path: Path, written: str, meant: str) -> None:
    data = tmp_path / "photos"
    for number, name in enumerate(["ant/2.png", "ant/3.png", "bee/1.png", "bee/2.png"]):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(data / name)
    with pytest.raises(InputError) as failure:
        load(data, plan=str(plan_file(tmp_path, f"{written},drop,,,,")))
    assert failure.value.message.endswith(f"line 2: no image is named '{written}'{meant}")
    assert "remove those of files that you moved or deleted" in failure.value.hint


def test_at_most_20_rows_are_listed_and_all_are_counted(dataset: Dataset, tmp_path: Path) -> None:
    path = plan_file(tmp_path, *[f"missing-{number},drop,,,," for number in range(33)])
    with pytest.raises(InputError) as failure:
        apply_plan(dataset, path)
    assert "in 33 rows" in failure.value.message
    assert failure.value.message.count("no image is named") == 20
    assert "… and 13 more." in failure.value.message


def test_a_file_that_is_not_a_plan_is_neither_read_nor_overwritten(tmp_path: Path) -> None:
    precious = tmp_path / "labels.csv"
    precious.write_text("path,label\na.png,cat\n")
    picture = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(picture)
    for path in (precious, picture):
        before = path.read_bytes()
        with pytest.raises(InputError, match="is not a plan"):
            write_plan(path, [PlanRow("a.png", "drop")])
        assert path.read_bytes() == before
    with pytest.raises(InputError, match="expected the columns image, action"):
        read_plan(precious)
    with pytest.raises(InputError, match="does not exist"):
        read_plan(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="got the folder"):
        check_plan_path(tmp_path)
    with pytest.raises(InputError, match="expected the name of a CSV file, got that of an image"):
        check_plan_path(tmp_path / "new.png")

    plan = plan_file(tmp_path, "a.png,drop,,,,")
    write_plan(plan, [PlanRow("b.png", "drop")])
    assert [row.image for row in read_plan(plan)] == ["b.png"]


def test_a_class_that_loses_all_images_is_removed(dataset: Dataset, tmp_path: Path) -> None:
    rows = [f"{row:06d},drop,bee,,," for row in (1, 4, 7, 10)]
    planned = apply_plan(dataset, plan_file(tmp_path, *rows))
    assert planned.class_names == ("ant", "cow")
    assert labels_of(planned)["000002"] == "cow"


def test_a_plan_that_leaves_no_comparison_of_classes_is_an_error(
    dataset: Dataset, tmp_path: Path
) -> None:
    rows = [f"{row:06d},drop,,,," for row in range(12)]
    with pytest.raises(InputError, match="drops all 12 images"):
        apply_plan(dataset, plan_file(tmp_path, *rows))
    rows = [f"{row:06d},relabel,,ant,," for row in range(12)]
    with pytest.raises(InputError, match="leaves one class"):
        apply_plan(dataset, plan_file(tmp_path, *rows))


def test_groups_and_names_stay_with_their_images(dataset: Dataset, tmp_path: Path) -> None:
    from dataclasses import replace

    grouped = replace(dataset, groups=np.arange(12) // 2)
    planned = apply_plan(grouped, plan_file(tmp_path, "000003,drop,,,,"))
    assert planned.groups is not None
    assert planned.groups.tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert "000003" not in planned.image_names


def test_load_applies_a_plan_to_arrays_folders_tables_and_named_datasets(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["path,label"]
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
            lines.append(f"photos/{label}/{number}.png,{label}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    arrays = (rng.integers(0, 256, (8, 8, 8, 3), np.uint8), np.repeat([0, 1], 4))

    for source, image, label in (
        (tmp_path / "photos", "cat/1.png", "cat"),
        (tmp_path / "table.csv", "photos/cat/1.png", "cat"),
        (arrays, "000001", "0"),
        ("digits", load("digits").image_names[-1], "8"),
    ):
        data = source if isinstance(source, tuple) else str(source)
        whole = load(data)
        assert labels_of(whole)[image] == label
        plan = plan_file(tmp_path, f"{image},drop,{label},,,")
        planned = load(data, plan=str(plan))
        assert len(planned) == len(whole) - 1
        assert image not in planned.image_names


def test_both_sides_of_a_comparison_share_images_that_the_plan_leaves_alone(
    digits: Dataset, tmp_path: Path
) -> None:
    data = SplitDataset(digits, make_split(digits))
    names = digits.image_names
    in_train, dropped = data.split.train[[0, 1]], data.split.train[5]
    relabelled = [*in_train, data.split.validation[0]]
    rows = [f"{names[row]},relabel,,{9 - digits.labels[row]},," for row in relabelled]
    rows += [f"{names[row]},drop,,,," for row in (dropped, data.split.test[3])]
    planned, original = with_and_without_plan(data, plan_file(tmp_path, *rows))

    assert len(original.split.train) == len(data.split.train)
    assert len(planned.split.train) == len(data.split.train) - 1
    assert (original.train_labels == data.train_labels).all()
    changed = planned.train_labels != np.delete(data.train_labels, 5)
    assert np.flatnonzero(changed).tolist() == [0, 1]
    for part in ("validation", "test"):
        with_plan, without = getattr(planned.split, part), getattr(original.split, part)
        assert len(with_plan) == len(without) == len(getattr(data.split, part)) - 1
        assert (planned.dataset.hashes[with_plan] == digits.hashes[without]).all()
        assert (planned.dataset.labels[with_plan] == digits.labels[without]).all()
    assert planned.split.fingerprint != original.split.fingerprint
