"""Measure how many edits of a report `headstart verify` finds.

    python benchmarks/evidence_verify.py

It trains a small comparison, and changes one digit at a time: in the text that a reader sees, in
the drawings, and in the embedded data. It takes about three minutes on one core.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import headstart
from headstart.report import verify
from headstart.report._embedded_data import split_page

TEXT_EDITS, DRAWING_EDITS, DATA_EDITS, FORGERIES = 140, 20, 40, 40


def make_report(folder: Path) -> Path:
    """Compare two small models with two seeds, and return the report."""
    result = headstart.compare(
        "digits",
        models="mlp,mlp:fast",
        seeds=2,
        epochs=1,
        time_limit=None,
        train_images=100,
        folds="none",
        out=folder,
    )
    return Path(result["report"])


def digits_outside(page: str, hidden: str) -> list[int]:
    """Return the places of the digits of a page that are not in what `hidden` matches."""
    visible = re.sub(hidden, lambda match: " " * len(match[0]), page, flags=re.S)
    return [match.start() for match in re.finditer(r"\d", visible)]


def digits_inside(page: str, shown: str) -> list[int]:
    """Return the places of the digits of a page that are in what `shown` matches."""
    places = []
    for match in re.finditer(shown, page, flags=re.S):
        places += [match.start() + digit.start() for digit in re.finditer(r"\d", match[0])]
    return places


def change_digit(text: str, place: int, rng: np.random.Generator) -> str:
    other = str((int(text[place]) + rng.integers(1, 10)) % 10)
    return text[:place] + other + text[place + 1 :]


def change_random_digit(page: str, places: list[int], rng: np.random.Generator) -> str:
    return change_digit(page, int(rng.choice(places)), rng)


def forge(page: str, rng: np.random.Generator) -> tuple[str, str]:
    """Change one digit of a score in the data, and write digests that fit.

    Returns:
        The page, and the changed number with its surroundings.
    """
    bare, element = split_page(page)
    outer = json.loads(element)
    content = json.loads(lzma.decompress(base64.urlsafe_b64decode(outer["data"])))
    finding = content["files"]["finding.json"]
    scores = r'"(?:accuracy|difference|p_value|p_adjusted|n)": -?([\d.]+)|"interval": \[[^\]]*\]'
    place = int(rng.choice(digits_inside(finding, scores)))
    content["files"]["finding.json"] = change_digit(finding, place, rng)
    data = json.dumps(content).encode()
    outer["sha256"] = hashlib.sha256(data).hexdigest()
    outer["data"] = base64.urlsafe_b64encode(lzma.compress(data)).decode()
    script = f'<script type="application/json" id="headstart-data">{json.dumps(outer)}</script>\n'
    before, end, after = bare.rpartition("</body>")
    return f"{before}{script}{end}{after}", finding[place - 30 : place + 10]


def count_found(path: Path, edits: int, edit: Callable[[], str]) -> int:
    found = 0
    for _ in range(edits):
        path.write_text(edit(), encoding="utf-8")
        found += bool(verify(path).differences)
    return found


def main() -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        report = make_report(Path(name) / "study")
        page = report.read_text(encoding="utf-8")
        copy = Path(name) / "report.html"
        copy.write_text(page, encoding="utf-8")
        started = time.perf_counter()
        assert not verify(copy).differences
        seconds = time.perf_counter() - started

        places = {
            "the visible text": digits_outside(page, r"<(script|style|svg)\b.*?</\1>|<[^>]*>"),
            "SVG drawings and images": digits_inside(page, r"<svg\b.*?</svg>|data:image/[^\"]*"),
            "the embedded data": digits_inside(page, r'id="headstart-data">.*?</script>'),
        }
        print("| one digit changed in | digits | edits | found |\n|---|---|---|---|")
        for (where, digits), edits in zip(
            places.items(), (TEXT_EDITS, DRAWING_EDITS, DATA_EDITS), strict=True
        ):
            edit = partial(change_random_digit, page, digits, rng)
            found = count_found(copy, edits, edit)
            print(f"| {where} | {len(digits):,} | {edits} | {found} |", flush=True)

        found = count_found(copy, FORGERIES, lambda: forge(page, rng)[0])
        print(f"| a score in the data, with new digests | | {FORGERIES} | {found} |")
        print(f"\nOne verification takes {seconds:.1f} s. The page has {len(page):,} bytes.")


if __name__ == "__main__":
    main()
