"""Verification of a report: everything it shows, recomputed from the data inside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from headstart import __version__, store
from headstart.errors import InputError
from headstart.report._embedded_data import (
    EmbeddedData,
    drawing_digests,
    drawings,
    is_svg,
    page_digest,
    read_data,
    split_page,
    without_drawings,
    write_files,
)
from headstart.report._page_pieces import (
    Difference,
    count_numbers,
    page_differences,
    text_differences,
)
from headstart.report._recompute import Recomputation, recompute
from headstart.report.pages._render import render_again
from headstart.results import JsonObject

_LARGEST_REPORT = 1 << 28  # bytes


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    Attributes:
        report: Path of the report.
        headstart: Version of Headstart that wrote it; empty if its data cannot be read.
        number_count: Numbers in the text of the page.
        value_count: Values of the data that were recomputed.
        differences: What differs.
        is_as_written: True if the page has the digest that was recorded when it was written.
        recomputed: What was recomputed from predictions, in words.
        not_recomputed: What was not, in words.
    """

    report: Path
    headstart: str
    number_count: int
    value_count: int
    differences: tuple[Difference, ...]
    is_as_written: bool
    recomputed: tuple[str, ...]
    not_recomputed: tuple[str, ...]

    def as_json(self) -> JsonObject:
        """Return what `headstart verify --json` prints."""
        return {
            "report": str(self.report),
            "verified": not self.differences,
            "headstart": self.headstart,
            "numbers": self.number_count,
            "values": self.value_count,
            "as_written": self.is_as_written,
            "differences": [dict(difference.as_json()) for difference in self.differences],
            "recomputed": list(self.recomputed),
            "not_recomputed": list(self.not_recomputed),
        }


def verify(report: str | Path) -> Verification:
    """Verify a report.

    Three things are compared: the page with the page that its data give, the pictures with their
    recorded digests, and the statistics in the data with those of the predictions of each image.
    This finds mistakes and edits. It is not a signature: someone who replaces page and predictions
    together is not found out.

    Args:
        report: Path of a `report.html`.

    Returns:
        How many numbers and values were compared, the differences, and what was and was not
        recomputed.

    Raises:
        InputError: The file cannot be read, or holds no data to verify.
    """
    path = Path(report)
    text = _read(path)
    page, element = split_page(text)
    try:
        data = read_data(element)
    except ValueError as error:
        damage = Difference("data of the page", f"damaged data ({error})", "readable data")
        return Verification(path, "", count_numbers(page), 0, (damage,), False, (), ())

    differences: list[Difference] = []
    statistics = Recomputation()
    try:
        with store.scratch_folder() as folder:
            study = write_files(data, folder)
            differences += _compare_pages(page, render_again(study), data)
            statistics = recompute(study, data)
    except (InputError, ValueError, KeyError, IndexError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        differences.append(Difference("data of the page", reason, "data of a report"))

    differences += statistics.differences
    is_as_written = page_digest(page) == data.page_digest
    if not differences and not is_as_written:
        differences.append(Difference("bytes of the page", page_digest(page), data.page_digest))
    if not differences and not text.rstrip().endswith("</html>"):
        differences.append(Difference("end of the page", "further text", "</html>"))
    return Verification(
        path,
        data.headstart,
        count_numbers(page),
        statistics.count,
        tuple(differences),
        is_as_written,
        tuple(statistics.recomputed),
        (*statistics.not_recomputed, *_version_notes(data)),
    )


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            path = path / "report.html"
        return store.read_file(path, _LARGEST_REPORT).decode("utf-8")
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}.", "Pass the path of a report.html."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file.", "Pass a report.html.") from error


def _compare_pages(page: str, expected: str, data: EmbeddedData) -> list[Difference]:
    """Compare a page with the one that its data give, and its pictures with their digests."""
    differences = list(page_differences(without_drawings(page), without_drawings(expected)))
    digests = drawing_digests(page)
    for number, (digest, recorded) in enumerate(zip(digests, data.drawings, strict=False), 1):
        if digest != recorded:
            where = f"picture {number} of {len(digests)}"
            digest_words = (f"SHA-256 {digest[:16]}", f"{recorded[:16]}")
            differences.append(Difference(where, *digest_words, "pictures"))
    if len(digests) != len(data.drawings):
        counts = (f"{len(digests)} pictures", f"{len(data.drawings)} pictures")
        differences.append(Difference("pictures", *counts, "pictures"))

    # Other text means other curves as well, which would hide what was edited.
    has_same_text = not any(each.kind == "text" for each in differences)
    if has_same_text and data.matplotlib == version("matplotlib"):
        differences += _compare_drawings(page, expected, data)
    return differences


def _compare_drawings(page: str, expected: str, data: EmbeddedData) -> Iterator[Difference]:
    """Yield texts and shapes in which SVG drawings differ from those that the data give.

    Shapes with another digest than the recorded one are known to differ already.
    """
    ours, digests = drawings(page), drawing_digests(page)
    pairs = zip(ours, drawings(expected), digests, data.drawings, strict=False)
    for number, (shown, redrawn, digest, recorded) in enumerate(pairs, 1):
        if shown == redrawn or not (is_svg(shown) and is_svg(redrawn)):
            continue
        where = f"picture {number} of {len(ours)}"
        yield from (replace(each, where=where) for each in text_differences(shown, redrawn))
        if digest == recorded:
            for difference in page_differences(shown, redrawn):
                yield replace(difference, where=where, kind="pictures")


def _version_notes(data: EmbeddedData) -> list[str]:
    notes = ["photographs and explanation maps (only their digests are checked)"]
    if data.matplotlib != version("matplotlib"):
        notes.append(
            "curves (another version of Matplotlib drew them, so only their digests are checked)"
        )
    if data.headstart != __version__:
        notes.append(
            f"version {data.headstart} wrote the report, and this is version {__version__}, which "
            "may explain differences"
        )
    return notes
