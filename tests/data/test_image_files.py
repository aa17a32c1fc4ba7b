"""Folders of class folders, and CSV files of paths."""

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headstart import progress
from headstart.data import TEST, TRAIN, VALIDATION, Dataset, load
from headstart.errors import InputError

RED, GREEN, BLUE = (220, 30, 20), (30, 220, 20), (20, 30, 220)


def save(
    path: Path,
    color: tuple[int, ...] | int = RED,
    size: tuple[int, int] = (12, 12),
    mode: str = "RGB",
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)
    return path


def fill(root: Path, names: Iterable[str]) -> Path:
    """Write images of different colours under these names, in a shuffled order."""
    shuffled = sorted(names)
    random.Random(5).shuffle(shuffled)
    for number, name in enumerate(shuffled):
        save(root / name, (number * 7 % 256, 90, 200))
    return root


def pixels(dataset: Dataset, name: str) -> NDArray[np.uint8]:
    return np.asarray(dataset.images[dataset.image_names.index(name)])


def fails(source: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load(source, **options)  # type: ignore[arg-type]  # options differ from test to test
    return str(caught.value)


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    return lines


def test_a_red_image_stays_red(tmp_path: Path) -> None:
    save(tmp_path / "a/1.png", RED)
    save(tmp_path / "b/1.jpg", RED)
    data = load(tmp_path)
    assert pixels(data, "a/1.png")[5, 5].tolist() == list(RED)
    assert np.abs(pixels(data, "b/1.jpg")[5, 5].astype(int) - RED).max() < 12


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (20, 10), GREEN)
    # Orientation 6, a rotation by 90 degrees clockwise, moves the left quarter to the top.
    picture.paste(RED, (0, 0, 5, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a/1.jpg", "a/1.png", "a/1.webp", "a/1.tiff"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / name, exif=exif, quality=95)
    save(tmp_path / "b/1.png", size=(10, 20))
    data = load(tmp_path)
    assert data.image_shape == (20, 10, 3)
    for name in data.image_names[:4]:
        assert pixels(data, name)[1, 5, 0] > 150, name
        assert pixels(data, name)[15, 5, 1] > 150, name


def test_an_invalid_orientation_is_ignored(tmp_path: Path) -> None:
    save(tmp_path / "a/1.png")
    (tmp_path / "b").mkdir()
    # The tag of the orientation has the type of a text.
    odd = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x01\xff\xff\xff\xff"
    Image.new("RGB", (12, 12)).save(tmp_path / "b/1.jpg", exif=odd)
    assert len(load(tmp_path)) == 2


def test_images_of_one_small_size_are_kept_as_they_are(tmp_path: Path) -> None:
    save(tmp_path / "a/1.png", size=(30, 20))
    save(tmp_path / "b/1.png", size=(30, 20))
    assert load(tmp_path).image_shape == (20, 30, 3)
    assert load(tmp_path, image_size=16).image_shape == (16, 16, 3)


@pytest.mark.parametrize("second", [(30, 21), (300, 300)])
def test_images_of_several_sizes_become_squares_of_128(
    tmp_path: Path, second: tuple[int, int]
) -> None:
    save(tmp_path / "a/1.png", size=(30, 20) if second[0] == 30 else second)
    save(tmp_path / "b/1.png", size=second)
    assert load(tmp_path).image_shape == (128, 128, 3)


def test_pad_keeps_all_crop_cuts_and_squish_distorts(tmp_path: Path) -> None:
    wide = Image.new("RGB", (80, 40), GREEN)
    wide.paste(RED, (0, 0, 20, 40))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        wide.save(tmp_path / name / "1.png")
    pad, crop, squish = (
        load(tmp_path, image_size=40, resize=how).images[0] for how in ("pad", "crop", "squish")
    )
    assert pad[5, 20].tolist() == [0, 0, 0]
    assert (pad[20, 3].tolist(), pad[20, 30].tolist()) == (list(RED), list(GREEN))
    assert crop[20, 1].tolist() == list(GREEN)
    assert squish[2, 5].tolist() == list(RED)
    assert squish[2, 20].tolist() == list(GREEN)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_fine_stripes_turn_grey_when_made_smaller(tmp_path: Path, kind: str) -> None:
    stripes = np.zeros((512, 512), np.uint8)
    stripes[:, ::2] = 255
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(stripes).save(tmp_path / name / f"1.{kind}")
    middle = load(tmp_path, image_size=30).images[0][4:-4, 4:-4]
    assert 110 < middle.min() <= middle.max() < 145


def test_images_are_grey_only_if_all_are(tmp_path: Path) -> None:
    save(tmp_path / "a/1.png", 100, mode="L")
    save(tmp_path / "b/1.png", 1, mode="1")
    grey = load(tmp_path)
    assert grey.image_shape == (12, 12, 1)
    assert pixels(grey, "b/1.png").max() == 255
    save(tmp_path / "b/2.png", BLUE)
    assert load(tmp_path).image_shape == (12, 12, 3)
    assert pixels(load(tmp_path), "a/1.png")[0, 0].tolist() == [100, 100, 100]


def test_unusual_kinds_become_rgb(tmp_path: Path) -> None:
    save(tmp_path / "a/cmyk.jpg", (0, 255, 255, 0), mode="CMYK")
    palette = Image.new("RGB", (12, 12), RED).quantize(4)
    palette.save(tmp_path / "a/palette.png")
    clear = Image.new("RGBA", (12, 12), (*RED, 0))
    clear.paste((*RED, 255), (0, 0, 12, 2))
    clear.save(tmp_path / "a/clear.png")
    frames = [Image.new("RGB", (12, 12), color) for color in (BLUE, GREEN)]
    (tmp_path / "b").mkdir()
    frames[0].save(tmp_path / "b/moving.gif", save_all=True, append_images=frames[1:])
    data = load(tmp_path)
    expected_colors = {
        "a/cmyk.jpg": (255, 0, 0),
        "a/palette.png": RED,
        "a/clear.png": (255, 255, 255),
        "b/moving.gif": BLUE,
    }
    for name, color in expected_colors.items():
        assert np.abs(pixels(data, name)[6, 6].astype(int) - color).max() < 12, name


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    ramp = np.array([[0, 257, 32896, 65535]] * 4, np.uint16)
    for name in ("a/1.png", "b/1.tif", "b/2.pgm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(ramp).save(tmp_path / name)
    data = load(tmp_path)
    assert data.image_shape == (4, 4, 1)
    for name in data.image_names:
        assert pixels(data, name)[0, :, 0].tolist() == [0, 1, 128, 255], name


def test_a_very_thin_image_is_padded(tmp_path: Path) -> None:
    save(tmp_path / "a/1.png", size=(900, 1))
    save(tmp_path / "b/1.png")
    assert load(tmp_path, image_size=16).images[0].any(axis=(1, 2)).sum() == 1


def test_a_path_that_is_a_folder_or_a_url_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path, ["1.png", "cats/2.png"])
    csv = tmp_path / "l.csv"
    text = fails(write_csv(csv, "path,label", "1.png,a", "cats,b"))
    assert f"line 3 of l.csv: expected an image file, but {tmp_path / 'cats'} is a folder." in text
    text = fails(write_csv(csv, "path,label", "1.png,a", "https://example.org/2.png,b"))
    assert (
        "line 3 of l.csv: https://example.org/2.png is a URL, and URLs are not downloaded." in text
    )
    assert "Download the images first" in text


def test_unreadable_images_are_all_listed_with_reasons(tmp_path: Path) -> None:
    for kind in "ab":
        fill(tmp_path / kind, [f"{number}.png" for number in range(3)])
    (tmp_path / "a/empty.jpg").write_bytes(b"")
    (tmp_path / "a/text.jpg").write_text("<html>not found</html>" * 20)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    noise.save(tmp_path / "b/cut.jpg")
    (tmp_path / "b/cut.jpg").write_bytes((tmp_path / "b/cut.jpg").read_bytes()[:1500])
    text = fails(tmp_path)
    assert f"3 of 9 images in {tmp_path} cannot be used:" in text
    assert "a/empty.jpg is empty (0 bytes)" in text
    assert "a/text.jpg is not an image: it is a web page (HTML)" in text
    assert "b/cut.jpg is a truncated JPEG: 1,500 bytes are there" in text
    assert not list((tmp_path / "cache").rglob("images.npy"))


def test_the_error_about_many_unreadable_images_states_each_kind_once(tmp_path: Path) -> None:
    fill(tmp_path, ["a/ok.png", "b/ok.png"])
    for number in range(23):
        (tmp_path / f"a/{number:02d}.png").write_bytes(b"")
        (tmp_path / f"b/{number:02d}.jpg").write_bytes(b"\0" * (100 + number))
    text = fails(tmp_path)
    assert "46 of 48 images" in text
    assert "a/00.png is empty (0 bytes)\n" in text
    assert "and 22 more images of this kind: a/01.png, a/02.png, a/03.png, a/04.png, …\n" in text
    assert "b/00.jpg holds 100 zero bytes" in text
    assert "and 22 more images of this kind: b/01.jpg, b/02.jpg, b/03.jpg, b/04.jpg, …\n" in text
    assert "--skip-bad" in text


def test_a_decompression_bomb_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, ["a/ok.png", "b/ok.png"])
    save(tmp_path / "b/big.png", size=(40, 30))
    for limit in (1000, 500):  # Pillow only warns up to twice the limit, and raises above
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert "b/big.png has" in fails(tmp_path)


def test_a_file_of_an_unlisted_format_is_not_opened(tmp_path: Path) -> None:
    fill(tmp_path, ["a/ok.png", "b/ok.png"])
    Image.new("RGB", (8, 8)).save(tmp_path / "b/x.eps")
    (tmp_path / "b/x.eps").rename(tmp_path / "b/x.png")
    assert "b/x.png is not an image: it is a PostScript file" in fails(tmp_path)


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_of_paths_is_read_relative_to_its_folder(tmp_path: Path) -> None:
    fill(tmp_path, ["img/1.png", "img/2.png", "img/3.png"])
    lines = ["10,x,img/1.png", "2,y,img/2.png", f"10,z,{tmp_path}/img/3.png"]
    data = load(write_csv(tmp_path / "labels.csv", "Label,note,Path", *lines))
    assert data.class_names == ("2", "10")
    assert data.labels.tolist() == [1, 0, 1]
    assert data.image_names[1] == "img/2.png"
    assert data.name == "labels"


def test_a_split_column_and_groups_are_kept(tmp_path: Path) -> None:
    fill(tmp_path, [f"{i}.png" for i in range(4)])
    path = write_csv(
        tmp_path / "l.csv",
        "image,class,split,patient",
        "0.png,a,train,p9",
        "1.png,b,Train,p1",
        "2.png,b,val,p2",
        "3.png,a,test,p9",
    )
    data = load(path, group_by="patient")
    assert data.parts.tolist() == [TRAIN, TRAIN, VALIDATION, TEST]
    assert data.groups is not None
    assert data.groups.tolist() == [2, 0, 1, 2]
    assert load(path).groups is None


def test_errors_about_a_path_csv_name_the_line(tmp_path: Path) -> None:
    fill(tmp_path, ["1.png", "2.png"])
    header, first = "path,label,split", "1.png,a,train"
    csv = tmp_path / "l.csv"
    text = fails(
        write_csv(
            csv, header, first, "2.png,b,train", "no/where.png,b,train", "neither.png,b,train"
        )
    )
    assert (
        f"line 4 of l.csv: {tmp_path}/no/where.png does not exist. 2 files are missing in total."
        in text
    )
    assert "line 3 of l.csv: the label (label) is empty" in fails(
        write_csv(csv, header, first, "2.png,,train")
    )
    text = fails(write_csv(csv, header, first, "2.png,b,tset"))
    assert "line 3 of l.csv: invalid split 'tset': expected train, validation or test." in text
    assert "did you mean 'test'?" in text
    assert "lack: 'b'" in fails(write_csv(csv, header, first, "2.png,b,test"))
    assert "line 3 of l.csv: expected 3 fields, as in the header, got 2." in fails(
        write_csv(csv, header, first, "2.png,b")
    )
    assert "has no label column; it has path" in fails(write_csv(csv, "path", "1.png"))
    assert "only one class, 'a'" in fails(write_csv(csv, header, first))
    text = fails(write_csv(csv, header, first), group_by="splot")
    assert "has no column 'splot'" in text
    assert "did you mean 'split'?" in text
