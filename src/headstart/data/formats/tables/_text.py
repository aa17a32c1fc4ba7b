"""The text of a table: compression, encoding and separators."""

from __future__ import annotations

import gzip
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from headstart import progress, store
from headstart.data.formats._file_signatures import HEAD_BYTES, signature_of
from headstart.data.formats._reading import GZIP_MAGIC
from headstart.data.formats._text_encodings import plausible_readings, readings_sentence
from headstart.data.formats._unsupported_files import refuse_web_page_or_pointer
from headstart.errors import InputError

_SAMPLE_BYTES = 1 << 16  # of lines that are not UTF-8, from which encodings are guessed
_LINES_BETWEEN_PROGRESS = 500
LONGEST_LINE = 1 << 25  # characters; a line of 1000x1000 colour pixels has 12 million
_SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*$', re.IGNORECASE)  # Excel writes it above a header.
_TSV = re.compile(r"\.tsv(\.gz)?$", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_LINE_END = re.compile(rb"\r\n|\r|\n")
# By the name of the signature, what the file is and what to do with it.
_NOT_TABLES = {
    "zip archive": ("an Excel workbook or another zip archive", "Save the sheet as CSV in UTF-8."),
    "Office document or Thumbs.db": ("an old Excel workbook", "Save the sheet as CSV in UTF-8."),
    "SQLite database": ("a SQLite database", "Export its table as CSV in UTF-8."),
    "HDF5 file": ("an HDF5 file", "Save its table as CSV in UTF-8."),
    "Parquet file": ("a Parquet file", "Give it its own suffix, .parquet."),
}


class TableLines:
    """The lines of a table. Those that were taken can be given back.

    Attributes:
        passed: Number of lines that were read and not given back.

    Args:
        lines: The lines with their ends.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: deque[str] = deque()
        self.passed = 0

    def __iter__(self) -> TableLines:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.passed += 1
        return line

    def take(self, count: int) -> list[str]:
        """Return the next lines, at most `count`, or none as long as lines were given back."""
        if self._returned:
            return []
        lines = list(islice(self._lines, count))
        self.passed += len(lines)
        return lines

    def give_back(self, lines: Sequence[str]) -> None:
        """Let these lines be the next ones."""
        self._returned.extendleft(reversed(lines))
        self.passed -= len(lines)


class TableText(NamedTuple):
    """The lines of a table and how its fields are separated.

    Attributes:
        lines: The lines with their ends, from the first that is neither blank nor a comment.
        separator: Character between two fields.
        skipped: Number of lines before the first one.
    """

    lines: TableLines
    separator: str
    skipped: int


@contextmanager
def open_text(
    path: Path, raw: io.BufferedReader, task: progress.Task | None = None
) -> Iterator[TableText]:
    """Read the lines of a table, plain or gzipped.

    The text is UTF-8, or UTF-16 as spreadsheets save it. The separator is a comma, a semicolon, a
    tab or a vertical bar: see `_separator_of`. A gzipped text expands at most as far as
    `store.expansion_limit` allows, and no line is longer than `LONGEST_LINE`.

    Args:
        path: The file, for messages and for its suffix.
        raw: The open file.
        task: The progress of the work, in MB.

    Raises:
        InputError: The file is not a table, exceeds a limit, or a gzip file has the wrong suffix.
        UnicodeDecodeError: The text has another encoding. See `undecodable_text`.
    """
    stream = _plain_stream(path, raw)
    head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
    refuse_web_page_or_pointer(path, head)
    signature = signature_of(head)
    if signature is not None and signature.name in _NOT_TABLES:
        kind, hint = _NOT_TABLES[signature.name]
        raise InputError(f"{path.name} is {kind}.", hint)

    with io.TextIOWrapper(stream, encoding=_encoding(head), newline="") as text:
        lines = _bounded_lines(path, text)
        if task is not None:
            lines = _count_progress(lines, raw, task)
        first, skipped = next(lines, ""), 0
        while first and (not first.strip() or _is_comment(first)):
            first, skipped = next(lines, ""), skipped + 1
        named = _SEPARATOR_LINE.match(first)
        if named:
            first, skipped = next(lines, ""), skipped + 1
        second = next(lines, "")
        separator = named.group(1) if named else _separator_of(first, second, path)
        head_lines = [line for line in (first, second) if line]
        yield TableText(TableLines(chain(head_lines, lines)), separator, skipped)


def _is_comment(line: str) -> bool:
    """Return whether a line above the header is a comment: `#` and text without separators."""
    return line.startswith("#") and not any(separator in line for separator in _SEPARATORS)


def _bounded_lines(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines of a text within limits, so that memory and time are bounded."""
    size = path.stat().st_size
    allowed = store.expansion_limit(size) if path.suffix.lower() == ".gz" else None
    position = 0
    for number, line in enumerate(iter(lambda: text.readline(LONGEST_LINE + 1), ""), 1):
        if len(line) > LONGEST_LINE:
            raise InputError(
                f"line {number:,} of {path.name} is too long: expected at most {LONGEST_LINE:,} "
                "characters.",
                "Is it a table? Give large images as files, in one folder per class.",
            )
        if "\x1b" in line:
            raise InputError(
                f"line {number:,} of {path.name} has escape sequences, as in ISO-2022-JP.",
                "Save it as CSV in UTF-8, or convert it from the encoding that is right, such as: "
                f"iconv -f ISO-2022-JP -t UTF-8 {path.name} > utf8-{path.name}",
            )
        position += len(line)
        if allowed is not None and position > allowed:
            raise InputError(
                f"{path.name} expands to more than {allowed / 1e6:,.0f} MB, "
                f"{store.LARGEST_RATIO} times its own size.",
                "If you trust it, unpack it yourself: gunzip",
            )
        yield line


def _count_progress(
    lines: Iterator[str], raw: io.BufferedReader, task: progress.Task
) -> Iterator[str]:
    position = 0
    for count, line in enumerate(lines):
        if count % _LINES_BETWEEN_PROGRESS == 0:
            task.advance((raw.tell() - position) / 1e6)
            position = raw.tell()
        yield line


def undecodable_text(path: Path, error: UnicodeDecodeError) -> InputError:
    """Return the error about the first line that cannot be decoded."""
    name = path.name
    if error.encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        return InputError(
            f"{name} is not valid {error.encoding} text: {error.reason}.",
            "Save it as CSV in UTF-8.",
        )

    with path.open("rb") as raw:
        stream = _plain_stream(path, raw)
        if b"\0" in stream.peek(HEAD_BYTES)[:HEAD_BYTES]:
            return InputError(
                f"{name} is not a table: expected text, got a file with zero bytes.",
                "Save the table as CSV in UTF-8, and pass that file.",
            )
        fault = _find_fault(iter(lambda: stream.readline(LONGEST_LINE), b""))
    if fault is None:
        return InputError(f"{name} is not UTF-8 text.", "Save it as CSV in UTF-8.")

    readings = plausible_readings(fault.sample)
    codec = readings[0].codec if readings else "ENCODING"
    return InputError(
        f"line {fault.line:,} of {name} is not UTF-8 text: byte 0x{fault.byte:02X}."
        + readings_sentence(readings),
        "Save it as CSV in UTF-8, or convert it from the encoding that is right, such as: "
        f"iconv -f {codec} -t UTF-8 {name} > utf8-{name}",
    )


class _Fault(NamedTuple):
    """The first byte of a file that is not UTF-8.

    Attributes:
        line: Number of its line, from 1.
        byte: The byte.
        sample: The text from this line on.
    """

    line: int
    byte: int
    sample: bytes


def _find_fault(lines: Iterator[bytes]) -> _Fault | None:
    """Return the first byte that is not UTF-8, or None."""
    lines_before = 0
    for content in lines:
        place = _first_fault(content)
        if place is not None:
            line = lines_before + 1 + len(_LINE_END.findall(content[:place]))
            return _Fault(line, content[place], _read_sample(chain([content], lines)))
        lines_before += len(_LINE_END.findall(content))
    return None


def _read_sample(lines: Iterator[bytes]) -> bytes:
    """Return lines until they suffice to recognize an encoding."""
    sample = b""
    for content in lines:
        if len(sample) > _SAMPLE_BYTES:
            break
        sample += content if content.endswith((b"\n", b"\r")) else content + b"\n"
    return sample


def _first_fault(content: bytes) -> int | None:
    """Return the position of the first byte that is not UTF-8, or None."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


def _plain_stream(path: Path, raw: io.BufferedReader) -> gzip.GzipFile | io.BufferedReader:
    if path.suffix.lower() == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if raw.peek(2)[:2] == GZIP_MAGIC:
        raise InputError(
            f"{path} is compressed with gzip, but its name does not end in .gz.",
            f"Name it {path.name}.gz.",
        )
    return raw


def _encoding(head: bytes) -> str:
    """Return the encoding that the first bytes of a file show: UTF-8, UTF-16 or UTF-32."""
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" not in head:
        return "utf-8-sig"
    # Without a byte-order mark, the separators and line ends of the header tell.
    whole = head[: len(head) // 4 * 4]
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        header = re.split("[\r\n]", whole.decode(encoding, "replace"), maxsplit=1)[0]
        if header.isprintable() and "\ufffd" not in header and re.search("[,;|a-zA-Z]", header):
            return encoding
    return "utf-8-sig"


def _separator_of(header: str, row: str, path: Path) -> str:
    """Return the separator of a table.

    It is a tab in a header of a `.tsv` file that has one. Otherwise it is the separator that
    divides the header into most fields, outside of quotation marks. One that divides the first row
    into as many fields goes before the others: a name of a column may have commas in it.
    """
    if _TSV.search(path.name) and "\t" in header:
        return "\t"
    in_header, in_row = (_QUOTED.sub("", line) for line in (header, row))

    def rank(separator: str) -> tuple[bool, int]:
        count = in_header.count(separator)
        return 0 < count == in_row.count(separator), count

    return max(_SEPARATORS, key=rank)
