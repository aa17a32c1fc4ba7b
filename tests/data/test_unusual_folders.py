"""Folders of images without suffixes, of DICOM files, and of almost black images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from table_helpers import error_of, load_and_listen


def write_masks(folder: Path, suffix: str, brightest: int = 1) -> Path:
    """Write two classes of grey images with values up to `brightest`."""
    for number in range(4):
        path = folder / "ab"[number % 2] / f"{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, brightest + 1, (16, 16), np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
    return folder


@pytest.mark.parametrize(("brightest", "is_questioned"), [(1, True), (40, True), (200, False)])
def test_almost_black_images_are_questioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], brightest: int, is_questioned: bool
) -> None:
    _, said = load_and_listen(capsys, write_masks(tmp_path / "masks", ".png", brightest))
    assert (f"the brightest pixel is {brightest}, where 255 is full" in said) is is_questioned


def test_images_without_a_suffix_are_named_for_what_they_are(tmp_path: Path) -> None:
    text = error_of(write_masks(tmp_path / "masks", ""))
    assert "Give each file its suffix: 0 is PNG, so name it 0.png." in text


def test_dicom_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    for name in ("a/1.dcm", "b/2.dcm"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(bytes(128) + b"DICM" + bytes(50))
    assert ".dcm is a DICOM file, which is not read; convert it: dcm2pnm" in error_of(tmp_path)
