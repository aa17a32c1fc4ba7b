"""Texts and names that are not UTF-8: read rightly, or refused with what they are."""

from __future__ import annotations

import os
import struct
import sys
import tarfile
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from table_helpers import error_of, labels_of, load_and_listen, write_images

from headstart.data import load
from headstart.data._doubtful_names import damaged_names_sentence
from headstart.data.formats._text_encodings import ZIP_ENCODINGS, plausible_readings

WORDS = {
    "CP932": ("キツネ", "ねこ", "犬"),
    "EUC-JP": ("キツネ", "ねこ", "犬小屋"),
    "GB18030": ("猫科动物", "狗", "马铃薯"),
    "CP950": ("貓", "狗狗", "馬鈴薯"),
    "CP949": ("고양이", "강아지", "토끼"),
    "CP1251": ("кошка", "собака", "заяц"),
    "KOI8-R": ("кошка", "собака", "заяц"),
    "CP1253": ("γάτα", "σκύλος", "άλογο"),
    "CP1252": ("Bär", "Füchse", "crème brûlée"),
    "CP1250": ("żółw", "ryś", "jeżyk"),
    "MACINTOSH": ("Bär", "Füchse", "Kätzchen"),
}


def table_in(path: Path, encoding: str, words: tuple[str, ...], header: str = "path,label") -> Path:
    """Write a table with two images per class."""
    rows = [f"{number}.png,{word}" for number, word in enumerate(words * 2)]
    write_images(path.parent, [row.partition(",")[0] for row in rows])
    path.write_bytes("\r\n".join([header, *rows, ""]).encode(encoding))
    return path


def zip_in(path: Path, encoding: str, words: tuple[str, ...], extra: bool = False) -> Path:
    """Write a zip archive of class folders whose names are not marked as UTF-8."""

    class Unmarked(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
            return self.filename.encode(encoding), self.flag_bits & ~0x800

    with zipfile.ZipFile(path, "w") as archive:
        for number, word in enumerate(words * 2):
            content = BytesIO()
            Image.new("RGB", (6, 6), (20 * number, 7, 9)).save(content, "PNG")
            member = Unmarked(f"{word}/{number}.png")
            if extra:
                name = member.filename.encode()
                checksum = zlib.crc32(member.filename.encode(encoding))
                member.extra = struct.pack("<HHBL", 0x7075, 5 + len(name), 1, checksum) + name
            archive.writestr(member, content.getvalue())
    return path


@pytest.mark.parametrize("encoding", WORDS)
def test_the_right_encoding_is_among_the_readings(encoding: str) -> None:
    words = WORDS[encoding]
    text = "".join(f"{number}.png,{word}\n" for number, word in enumerate(words))
    readings = plausible_readings(text.encode(encoding))
    assert {reading.codec: reading.example for reading in readings}[encoding] == words[0]
    assert len(readings) <= 3


def test_bytes_that_are_not_words_have_no_reading() -> None:
    assert plausible_readings(b"plain ASCII") == []
    assert plausible_readings(bytes(range(0x80, 0x100))) == []


@pytest.mark.parametrize("encoding", WORDS)
def test_a_table_in_another_encoding_is_refused_with_its_reading(
    tmp_path: Path, encoding: str
) -> None:
    path = table_in(tmp_path / "t.csv", encoding, WORDS[encoding])
    text = error_of(path)
    assert "line 2 of t.csv is not UTF-8 text" in text
    assert f"'{WORDS[encoding][0]}' in " in text
    assert "-t UTF-8 t.csv > utf8-t.csv" in text
    path.write_bytes(path.read_bytes().decode(encoding).encode())  # what the line does
    assert set(labels_of(load(path)).values()) == set(WORDS[encoding])


def test_the_first_line_that_is_not_utf_8_is_named_also_far_below(tmp_path: Path) -> None:
    path = table_in(tmp_path / "t.csv", "utf-8", ("cat", "dog", "hund ü"))
    content = path.read_bytes()
    path.write_bytes(content + "5.png,crème".encode("cp1252"))
    assert "line 8 of t.csv is not UTF-8 text: byte 0xE8." in error_of(path)


def test_escape_sequences_are_refused(tmp_path: Path) -> None:
    path = table_in(tmp_path / "t.csv", "iso2022_jp", WORDS["CP932"])
    text = error_of(path)
    assert "line 2 of t.csv has escape sequences, as in ISO-2022-JP." in text
    assert "iconv -f ISO-2022-JP -t UTF-8 t.csv > utf8-t.csv" in text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("header", ["path,label", "路径,标签", "一,二"])
def test_unicode_without_a_byte_order_mark_is_read_whatever_the_header(
    tmp_path: Path, encoding: str, header: str
) -> None:
    path = table_in(tmp_path / "t.csv", encoding, WORDS["GB18030"], header)
    assert set(labels_of(load(path)).values()) == set(WORDS["GB18030"])


@pytest.mark.parametrize("encoding", ["CP932", "GB18030", "CP950", "CP949", "CP866", "CP1252"])
def test_names_in_a_zip_are_never_read_in_a_wrong_encoding(tmp_path: Path, encoding: str) -> None:
    words = WORDS["CP1251" if encoding == "CP866" else encoding]
    text = error_of(zip_in(tmp_path / "a.zip", encoding, words))
    assert "holds names that are not UTF-8, such as" in text
    assert f"'{words[0]}' in " in text
    assert "python -m zipfile --metadata-encoding " in text and " -e a.zip a" in text


def test_names_in_a_zip_of_dos_are_read_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("Bär", "Füchse")
    data, lines = load_and_listen(capsys, zip_in(tmp_path / "a.zip", "cp437", words))
    assert data.class_names == words
    assert "4 names of members are not UTF-8 and read as CP437, such as 'Bär/0.png'" in lines


def test_the_field_for_unicode_names_in_a_zip_decides(tmp_path: Path) -> None:
    path = zip_in(tmp_path / "a.zip", "CP932", WORDS["CP932"], extra=True)
    assert set(load(path).class_names) == set(WORDS["CP932"])


def test_readings_of_a_zip_know_the_encodings_of_dos() -> None:
    readings = plausible_readings("кошка/1.png".encode("cp866"), ZIP_ENCODINGS)
    assert readings[0].codec == "CP866"


def test_names_in_a_tar_say_how_they_would_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="cp932") as archive:
        archive.addfile(tarfile.TarInfo("キツネ/1.png"))
    assert "It would read 'キツネ' in Shift-JIS." in error_of(path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are not UTF-8")
def test_a_folder_with_such_a_name_says_how_to_rename_it(tmp_path: Path) -> None:
    for word in WORDS["CP932"]:
        folder = tmp_path / "photos" / os.fsdecode(word.encode("CP932"))
        folder.mkdir(parents=True)
        Image.new("RGB", (6, 6)).save(folder / "1.png")
    text = error_of(tmp_path / "photos")
    assert "in Shift-JIS." in text
    assert f"convmv -f CP932 -t UTF-8 -r --notest {tmp_path / 'photos'}" in text


def test_labels_of_arrays_in_another_encoding_are_refused(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), np.uint8)
    labels = np.array(["Bär".encode("cp1252"), b"cat"] * 2)
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    text = error_of(tmp_path / "a.npz")
    assert r"the label b'B\xe4r' is not UTF-8. It would read 'Bär' in" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("B\ufffdr", "has lost characters (U+FFFD)"),
        ("BÃ¤r", "looks like 'Bär'"),
        ("B√§r", "looks like 'Bär'"),
        ("ÐºÐ¾Ñ‚", "looks like 'кот'"),
    ],
)
def test_names_that_an_earlier_program_damaged_are_said(name: str, text: str) -> None:
    sentence = damaged_names_sentence(["cat", name])
    assert text in sentence


@pytest.mark.parametrize("name", ["Bär", "Ã", "crème brûlée", "犬", "naïve", "½", "10 µm", "São"])
def test_names_that_somebody_typed_are_not_damaged(name: str) -> None:
    assert damaged_names_sentence(["cat", name]) == ""
