"""The command `headstart audit` on data with planted faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import headstart as package
from headstart.data import read_plan
from headstart.results import AuditReport, read_finding

Command = Callable[..., tuple[int, str, str]]
IMAGE_PX = 32


def disc_or_square(rng: np.random.Generator, label: str) -> NDArray[np.uint8]:
    """Return a noisy picture of a bright disc or square, 32x32 RGB."""
    pixels = rng.integers(30, 90, (IMAGE_PX, IMAGE_PX, 3))
    x, y, size = rng.integers(10, 22), rng.integers(10, 22), rng.integers(6, 9)
    rows, columns = np.mgrid[:IMAGE_PX, :IMAGE_PX]
    if label == "disc":
        inside = (rows - y) ** 2 + (columns - x) ** 2 < size**2
    else:
        inside = (abs(rows - y) < size) & (abs(columns - x) < size)
    pixels[inside] += rng.integers(90, 160, 3)
    return pixels.astype(np.uint8)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Return a folder of 120 images in train/ and test/ with one fault of each kind."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "shapes"

    def save(name: str, pixels: NDArray[np.uint8]) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)

    for label in ("disc", "square"):
        for _ in range(45):
            save(f"train/{label}/{label[0]}{rng.integers(10**9)}.png", disc_or_square(rng, label))
        for _ in range(12):
            save(f"test/{label}/{label[0]}{rng.integers(10**9)}.png", disc_or_square(rng, label))

    save("train/disc/blank.png", np.full((IMAGE_PX, IMAGE_PX, 3), 128, np.uint8))
    twin = disc_or_square(rng, "disc")
    save("train/disc/twin.png", twin)
    save("train/square/twin.png", twin)
    leak = disc_or_square(rng, "square")
    save("train/square/original.png", leak)
    save("test/square/brighter.png", np.minimum(leak * 1.1, 255).astype(np.uint8))
    save("train/disc/wrong.png", disc_or_square(rng, "square"))
    (folder / "train/disc/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return folder


def names(entries: list[dict[str, Any]]) -> set[str]:
    return {entry["image"].rpartition("/")[2] for entry in entries}


def test_planted_faults_are_found_and_a_plan_mends_them(
    planted: Path, headstart: Command, tmp_path: Path
) -> None:
    status, printed, err = headstart("audit", planted, "--fix", "plan.csv", "--json")
    assert status == 0, err
    report = json.loads(printed)
    assert report["images"] == 120 and report["classes"] == 2
    assert names(report["no_class"]) == {"blank.png"}
    assert names(report["unreadable"]) == {"broken.png"}
    conflicts = [pair for pair in report["label_conflicts"] if pair["relation"] == "exact"]
    assert [names(pair["images"]) for pair in conflicts] == [{"twin.png"}]
    leaks = [(leak["image"]["image"], leak["copy_of"]["image"]) for leak in report["leaks"]]
    assert ("test/square/brighter.png", "train/square/original.png") in leaks
    assert "wrong.png" in names(report["suspects"][:8])
    assert report["expected_wrong"]["interval"] is not None
    assert report["groups"]["source"] in ("none", "inferred")
    assert report["plan"] == "plan.csv"
    assert "--plan plan.csv" in report["next_command"]
    assert "--skip-bad" in report["next_command"]

    folder = Path(report["report"]).parent
    finding = read_finding(folder)
    assert isinstance(finding, AuditReport) and finding.images == 120
    assert (folder / "report.html").exists()

    rows = {row.image: row for row in read_plan(tmp_path / "plan.csv")}
    assert rows["train/disc/blank.png"].action == "drop"
    assert rows["train/square/original.png"].action == "drop"
    assert "brighter.png" in rows["train/square/original.png"].reason
    mended = package.load(planted, plan=str(tmp_path / "plan.csv"), skip_bad=True)
    assert not {"train/disc/blank.png", "train/square/original.png"} & set(mended.image_names)
    assert sum(1 for path in planted.rglob("*.png")) == 121, "the audit changes no file"

    # The second time, the finished audit answers, also without --json.
    status, printed, err = headstart("audit", planted)
    assert status == 0, err
    assert "Unreadable" in printed
    step, report = printed.splitlines()[-2:]
    assert step == f"Next: {finding.next_command}"  # on one line, however long
    assert report == f"Report: {folder / 'report.html'}"


def test_a_fix_keeps_the_decisions_of_a_review(headstart: Command, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    images[7] = images[6]
    labels = np.arange(20) // 10
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    words = ("audit", tmp_path / "data.npz", "--quick", "-q", "--fix", "plan.csv")
    assert headstart(*words)[0] == 0
    plan = tmp_path / "plan.csv"
    (row,) = read_plan(plan)
    assert row.action == "drop" and row.reason.startswith("exact copy of")

    decided = f"{row.image},keep,{row.label},,reviewed: {row.reason},"
    plan.write_text(plan.read_text().splitlines()[0] + f"\n{decided}\n")
    assert headstart(*words)[0] == 0
    (row,) = read_plan(plan)
    assert row.action == "keep"

    status, _, err = headstart(*words[:-1], "other.csv")
    assert status == 0, err
    (tmp_path / "precious.csv").write_text("a,b\n1,2\n")
    status, _, err = headstart(*words[:-1], "precious.csv")
    assert status == 2 and "is not a plan of headstart audit, so it is not overwritten" in err


def test_an_edited_plan_is_kept_and_a_plan_is_not_made_of_planned_data(
    headstart: Command, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    images[7] = images[6]
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(20) // 10)
    words = ("audit", tmp_path / "data.npz", "--quick", "--fix", "plan.csv")
    assert headstart(*words)[0] == 0
    assert headstart(*words)[0] == 0
    assert not (tmp_path / "plan-1.csv").exists(), "the same plan needs no copy"

    plan = tmp_path / "plan.csv"
    edited = plan.read_text().replace(",drop,", ",keep,")
    plan.write_text(edited)
    status, _, err = headstart(*words)
    assert status == 0 and "kept the earlier plan.csv as plan-1.csv" in err
    assert (tmp_path / "plan-1.csv").read_text() == edited

    status, _, err = headstart(*words, "--plan", "plan.csv")
    assert status == 2 and "without another plan" in err


def test_an_exact_copy_in_training_is_a_leak_although_no_run_trains_on_it(
    headstart: Command, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    train, test = images[:30], images[30:]
    test[2] = train[4]
    path = tmp_path / "data.npz"
    labels = np.arange(40) % 2
    np.savez(path, x_train=train, y_train=labels[:30], x_test=test, y_test=labels[30:])
    status, printed, err = headstart("audit", path, "--quick", "--json")
    assert status == 0, err
    report = json.loads(printed)
    (leak,) = [leak for leak in report["leaks"] if leak["relation"] == "exact"]
    assert (leak["image"]["part"], leak["copy_of"]["part"]) == ("test", "train")
    assert report["dataset"]["duplicates_removed"] == 1


def test_data_that_cannot_be_split_are_audited(headstart: Command, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 8, 8), np.uint8)
    np.savez(tmp_path / "few.npz", images=images, labels=np.array([0, 0, 0, 0, 0, 0, 1]))
    status, printed, err = headstart("audit", tmp_path / "few.npz", "--json", "--test", "0.5")
    assert status == 0, err
    report = json.loads(printed)
    assert report["images"] == 7
    assert any("fewer" in note or "at least 50 images" in note for note in report["notes"])


def test_an_audit_without_images_to_decide_about_proposes_a_fit(
    headstart: Command, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for label in ("disc", "square"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(8):
            image = Image.fromarray(disc_or_square(rng, label))
            image.save(tmp_path / "photos" / label / f"{number}.png")
    status, printed, err = headstart("audit", tmp_path / "photos", "--quick", "--json")
    assert status == 0, err
    report = json.loads(printed)
    lists = ("duplicates", "leaks", "label_conflicts", "suspects", "no_class", "quality")
    assert [name for name in lists if report[name]] == []
    assert report["next_command"] == f"headstart fit {tmp_path / 'photos'}"


def test_nothing_but_unreadable_files_is_an_error(headstart: Command, tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "bad" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "bad" / label / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n no")
    status, _, err = headstart("audit", tmp_path / "bad", "--quick")
    assert status == 2, err
    assert "Traceback" not in err


def test_a_review_ends_with_ctrl_c_and_reports_the_plan(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    images[7] = images[6]
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(20) // 10)
    words = ["audit", "data.npz", "--quick", "--review", "--fix", "plan.csv", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "headstart", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Review: http://127.0.0.1:"):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    printed, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "plan.csv: 0 to drop, 0 to relabel" in err
    assert json.loads(printed)["images"] == 20
