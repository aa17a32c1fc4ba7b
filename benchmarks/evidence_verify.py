"""Measure how many edits of a report `headstart verify` finds.

    python benchmarks/evidence_verify.py
    python benchmarks/evidence_verify.py kinds --edits 200

The first command trains a small comparison, and changes one digit at a time: in the text that a
reader sees, in the drawings, and in the embedded data. It takes about three minutes on one core.
The second one does so with a report of each kind.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import lzma
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import headstart
from headstart.errors import HeadstartError
from headstart.report import verify, write_report, write_run_report
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


def write_patients(folder: Path) -> Path:
    """Write 400 digits as image files of 40 patients, with a table, and return its path."""
    dataset = headstart.load("digits")
    folder.mkdir()
    lines = ["file,label,patient"]
    for number in range(400):
        Image.fromarray(dataset.images[number].squeeze()).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{dataset.labels[number]},{number % 40}")
    table = folder / "labels.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def make_reports(folder: Path, only: str) -> Iterator[tuple[str, Path]]:
    """Yield the name and the path of a report of each kind, all from small studies of digits.

    Args:
        folder: A folder for the studies.
        only: Names of kinds, separated by commas; empty for all.
    """
    short = {"epochs": 1, "train_images": 100}
    pair = {"models": "mlp,mlp:fast", "time_limit": None, **short}
    one = {"model": "mlp", "time_limit": None, **short}
    gate = {"gate": True, "equivalence": 5.0, "folds": "none"}
    labelled = {"per_class": "2,5", "seeds": 2}
    all_images = {"train_images": None}
    tuned = {**one, "trials": 2, "seeds": 1}
    studies: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "train": (headstart.train, {"model": "mlp", **short}),
        "compare": (headstart.compare, {**pair, "seeds": 2, "folds": "none"}),
        "compare --folds": (headstart.compare, {**pair, **all_images, "seeds": 1, "folds": 3}),
        "compare --gate": (headstart.compare, {**pair, "seeds": 2, **gate}),
        "compare --group-by": (
            headstart.compare,
            {**pair, "seeds": 2, "folds": "none", "group_by": "patient"},
        ),
        "tune": (headstart.tune, tuned),
        "tune --folds": (headstart.tune, {**tuned, **all_images, "folds": 2}),
        "lr": (headstart.lr, {**one, "seeds": 2, "values": "0.001,0.01"}),
        "effects": (headstart.effects, {**one, "seeds": 2, "of": "dropout"}),
        "labels": (headstart.labels, {**pair, **labelled}),
        "backbones": (headstart.backbones, {"candidates": "efficientnet-lite0", "images": 100}),
        "fit": (headstart.fit, {"time_limit": "40s"}),
    }
    for kind, (study, keys) in studies.items():
        if only and kind not in only.split(","):
            continue
        out = folder / kind.replace(" ", "")
        try:
            data = write_patients(folder / "patients") if "group_by" in keys else "digits"
            study(data, out=out, **keys)
        except HeadstartError as error:
            print(f"| {kind} | not made: {error} | | | |", flush=True)
            continue
        yield kind, write_run_report(out) if kind == "train" else write_report(out)


def print_kinds(edits: int, only: str) -> None:
    """Print how many edits of each kind of report are found.

    Half of the edits change a digit of the visible text outside drawings, and half one of the
    embedded data. Dates, durations and paths are edited as well.
    """
    rng = np.random.default_rng(0)
    print("| report | digits shown | edits | found | without an edit |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for kind, report in make_reports(Path(name), only):
            page = report.read_text(encoding="utf-8")
            copy = Path(name) / "report.html"
            copy.write_text(page, encoding="utf-8")
            state = "differs" if verify(copy).differences else "verified"
            shown = digits_outside(page, r"<(script|style|svg)\b.*?</\1>|<[^>]*>")
            data = digits_inside(page, r'id="headstart-data">.*?</script>')
            found = count_found(copy, edits // 2, partial(change_random_digit, page, shown, rng))
            found += count_found(
                copy, edits - edits // 2, partial(change_random_digit, page, data, rng)
            )
            print(f"| {kind} | {len(shown):,} | {edits} | {found} | {state} |", flush=True)


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("compare", "kinds"), default="compare")
    parser.add_argument("--edits", type=int, default=200, help="Edits of each kind of report.")
    parser.add_argument("--only", default="", help="Kinds of reports, separated by commas.")
    given = parser.parse_args()
    if given.what == "kinds":
        print_kinds(given.edits, given.only)
    else:
        print_places()


def print_places() -> None:
    """Print how many edits of a comparison are found, by their place."""
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
