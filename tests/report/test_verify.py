"""`headstart verify`: a report is recomputed from the data inside it."""

from __future__ import annotations

import base64
import html
import json
import lzma
import re
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backbones_example import build_backbones
from compare_example import Built, build_comparison
from examples import REAL_STUDIES, Data, Example, changed, copy_real, rewrite, write_run

import headstart as package
from headstart import store
from headstart.diagnosis._study import check_study
from headstart.errors import InputError
from headstart.report import verify, write_report
from headstart.report._embedded_data import drawing_digests, read_data, split_page, write_files
from headstart.report._recompute import recompute
from headstart.report.pages._render import write_run_report
from headstart.results import Comparison, FailedContender, read_finding, read_metrics
from headstart.studies import VerdictRules, verdict_from_predictions
from headstart.testing import assert_not_worse
from headstart.training import read_correct

Command = Callable[..., tuple[int, str, str]]
Json = dict[str, Any]


@pytest.fixture
def study(trained_comparison: Path) -> Path:
    """A comparison of two trained models with two seeds."""
    return trained_comparison


@pytest.fixture
def report(study: Path, tmp_path: Path) -> Path:
    """A copy of its report alone."""
    return Path(shutil.copy(study / "report.html", tmp_path))


def forge(report: Path, change: Callable[[Json], None]) -> None:
    """Change the data of a report, and write digests that fit."""
    page, element = split_page(report.read_text(encoding="utf-8"))
    outer = json.loads(element)
    content = json.loads(lzma.decompress(base64.urlsafe_b64decode(outer["data"])))
    change(content)
    data = json.dumps(content).encode()
    outer["sha256"] = sha256(data).hexdigest()
    outer["data"] = base64.urlsafe_b64encode(lzma.compress(data)).decode()
    script = f'<script type="application/json" id="headstart-data">{json.dumps(outer)}</script>\n'
    report.write_text(page.replace("</body>", f"{script}</body>"), encoding="utf-8")


def test_a_finished_comparison_is_gated_and_its_gate_verified(
    study: Path, headstart: Command
) -> None:
    words: tuple[object, ...] = (
        *("compare", "digits", "--models", "mlp,mlp:fast", "--train-images", 100),
        *("--seeds", 2, "--epochs", 1, "--time-limit", "none", "--folds", "none"),
        *("--out", study, "--gate"),
    )
    status, out, err = headstart(*words, "--json")
    gate = json.loads(out)["gate"]
    assert status == gate["exit_status"], err
    assert (gate["reference"], gate["candidate"], gate["margin"]) == ("mlp", "mlp:fast", 0.005)
    assert Path(gate["summary"]).read_text(encoding="utf-8").startswith("## Accuracy gate")
    assert gate["decision"] in headstart(*words)[1].lower()

    report = study / "report.html"
    page = report.read_text(encoding="utf-8")
    assert '<h2 id="gate">' in page and gate["sentence"] in html.unescape(page)
    assert headstart("report", study)[0] == 0
    assert report.read_text(encoding="utf-8") == page
    assert headstart("verify", report)[0] == 0
    changed = page.replace("above −0.5 points, the largest", "above −0.6 points, the largest")
    report.write_text(changed, encoding="utf-8")
    assert headstart("verify", report)[0] == 1
    report.write_text(page, encoding="utf-8")

    options: Json = {"seeds": 2, "epochs": 1, "time_limit": None, "train_images": 100}
    options |= {"folds": "none", "out": study}
    if status == 0:
        assert assert_not_worse("digits", "mlp", "mlp:fast", **options)["gate"]["passed"]
    else:
        with pytest.raises(AssertionError, match="interval"):
            assert_not_worse("digits", "mlp", "mlp:fast", **options)


def test_a_report_is_verified_without_its_study(report: Path, headstart: Command) -> None:
    status, out, err = headstart("verify", report)
    assert status == 0, out + err
    assert "Verified: the " in out and "p-values and the verdict" in " ".join(out.split())
    assert out.splitlines()[-1] == "Next: open the page", "its study is not here"
    status, out, _ = headstart("verify", report.parent, "--json")
    result = json.loads(out)
    assert status == 0 and result["verified"] and result["differences"] == []
    assert result["numbers"] > 300 and result["values"] > 500


def test_an_edited_number_is_named_with_its_row(report: Path, headstart: Command) -> None:
    text = report.read_text(encoding="utf-8")
    accuracy = re.search(r"<td><b>(\d+\.\d)%</b>", text)
    assert accuracy is not None
    report.write_text(text.replace(accuracy[0], "<td><b>99.9%</b>", 1), encoding="utf-8")
    status, out, _ = headstart("verify", report)
    words = " ".join(out.split())
    assert status == 1 and "NOT verified: 1 difference, in its text or numbers." in words
    assert "No number" not in words
    assert "Results and cost › mlp" in words
    assert f"the report has '99.9%', but its data give '{accuracy[1]}%'" in words
    assert words.endswith("write it from its folder: headstart report STUDY")


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_change_of_style_is_not_called_an_edit_of_a_number(
    report: Path, headstart: Command, is_recorded: bool
) -> None:
    """The digest that the page records tells other code from an edit of the page."""
    page, element = split_page(report.read_text(encoding="utf-8"))
    changed = page.replace("</style>", "h1 { color: teal }</style>", 1)
    changed = re.sub(r'<table class="', '<table class="narrow ', changed, count=1)
    before, end, after = changed.rpartition("</script>")
    changed = f"{before}document.title;{end}{after}"
    if is_recorded:
        outer = json.loads(element)
        element = json.dumps({**outer, "page": sha256(changed.encode()).hexdigest()})
    script = f'<script type="application/json" id="headstart-data">{element}</script>\n'
    report.write_text(changed.replace("</body>", f"{script}</body>"), encoding="utf-8")

    status, out, _ = headstart("verify", report)
    words = " ".join(out.split())
    assert status == 1
    assert "NOT verified: 3 differences, in its styles and layout, its scripts." in words
    assert ("No number on the page was edited: the " in words) == is_recorded
    assert ("A style or a script can still change what you see." in words) != is_recorded
    assert "but its data give" not in words
    assert ("so code other than this version wrote it" in words) == is_recorded
    assert ("the page was changed after it was written" in words) != is_recorded
    result = json.loads(headstart("verify", report, "--json")[1])
    assert result["as_written"] == is_recorded
    kinds = [difference["kind"] for difference in result["differences"]]
    assert sorted(kinds) == ["scripts", "styles", "styles"]


@pytest.fixture
def charts(tmp_path: Path) -> Path:
    """A report of `labels`, whose charts are SVG drawings."""
    return write_report(copy_real("labels", tmp_path))


def change_digit(report: Path, pattern: str) -> tuple[str, str]:
    """Change the digit in the group of a pattern, and return the match before and after that."""
    page = report.read_text(encoding="utf-8")
    match = re.search(pattern, page, re.S)
    assert match is not None
    other = "1" if match[1] != "1" else "2"
    start, end = match.span(1)
    report.write_text(f"{page[:start]}{other}{page[end:]}", encoding="utf-8")
    place = start - match.start()
    return match[0], f"{match[0][:place]}{other}{match[0][place + 1 :]}"


def test_an_edited_number_of_a_chart_is_an_edit_of_a_number(
    charts: Path, headstart: Command
) -> None:
    expected, shown = change_digit(charts, r"(?<=>)[^<>]*(\d)[^<>]*(?=</text>)")
    status, out, _ = headstart("verify", charts)
    words = " ".join(out.split())
    assert status == 1 and "differences, in its text or numbers, its pictures. " in words
    assert "No number" not in words
    assert f"the report has {shown!r}, but its data give {expected!r}" in words


@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_moved_shape_of_a_chart_is_not_called_harmless(
    charts: Path, headstart: Command, is_recorded: bool
) -> None:
    """A bar shows a number as well. A forger can also record the digest of the changed drawing."""
    change_digit(charts, r'(?<=<path d="M )\d*(\d)')
    if is_recorded:
        digests = drawing_digests(charts.read_text(encoding="utf-8"))
        forge(charts, lambda content: content.update(drawings=digests))
    status, out, _ = headstart("verify", charts)
    words = " ".join(out.split())
    assert status == 1 and "NOT verified: 1 difference, in its pictures. By its digest" in words
    assert "No number" not in words


def test_edits_of_single_digits_are_found(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    visible = re.sub(
        r"<(script|style)\b.*?</\1>|<[^>]*>", lambda match: " " * len(match[0]), text, flags=re.S
    )
    places = [match.start() for match in re.finditer(r"\d", visible)]
    element = text.index('id="headstart-data"')
    version = re.compile(r'"headstart": "\d').search(text, element)
    assert version is not None
    inside = [text.index('"data": "', element) + 200, version.end() - 1]
    places = [*np.random.default_rng(0).choice(places, 4), *inside]
    for place in map(int, places):
        other = "1" if text[place] != "1" else "2"
        report.write_text(text[:place] + other + text[place + 1 :], encoding="utf-8")
        kinds = {difference.kind for difference in verify(report).differences}
        assert kinds & {"text", "data"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda finding: finding["verdict"].update(p_value=0.04), "verdict.p_value"),
        (lambda finding: finding["verdict"].update(winner="mlp"), "verdict.winner"),
        (lambda finding: finding["contenders"][0]["test"].update(accuracy=0.9), "mlp › test"),
    ],
)
def test_a_forged_finding_does_not_fit_the_predictions(
    report: Path, study: Path, change: Callable[[Json], None], where: str, tmp_path: Path
) -> None:
    """The page is written from the forged finding, so only the statistics can tell."""
    forged = Path(shutil.copytree(study, tmp_path / "forged"))
    store.unseal(forged)  # a forger would
    path = forged / "finding.json"
    finding = json.loads(path.read_text())
    change(finding)
    path.write_text(json.dumps(finding))
    differences = verify(write_report(forged)).differences
    assert any(difference.where.startswith(where) for difference in differences)


def test_a_contender_that_failed_with_every_seed_is_verified(
    study: Path, report: Path, tmp_path: Path
) -> None:
    """The verdict names it as left out, and it has no runs. A control is not named."""
    finding = read_finding(study)
    assert isinstance(finding, Comparison)
    correct = {
        contender.name: np.stack([read_correct(study / run, "test") for run in contender.runs])
        for contender in finding.contenders
    }
    rules = VerdictRules.of_verdict(finding.verdict)
    verdict = verdict_from_predictions(correct, ["cnn"], "test", rules)
    assert "cnn" in verdict.sentence
    failed = [
        FailedContender(name=name, failures=("the loss is not finite.",))
        for name in ("cnn", "net (random weights)")
    ]
    changed = finding.model_copy(update={"verdict": verdict, "failed": tuple(failed)})
    content = {"finding.json": json.dumps(changed.as_json())}
    forge(report, lambda data: data["files"].update(content))
    _, element = split_page(report.read_text(encoding="utf-8"))
    data = read_data(element)
    result = recompute(write_files(data, tmp_path / "root"), data)
    assert result.differences == []
    assert any("earlier use of the test images" in words for words in result.not_recomputed)


def test_forged_data_do_not_fit_the_page(report: Path) -> None:
    def change(content: Json) -> None:
        path = next(path for path in content["files"] if path.endswith("metrics.json"))
        metrics = json.loads(content["files"][path])
        metrics["test"]["confusion"][0][0] += 1
        content["files"][path] = json.dumps(metrics)

    forge(report, change)
    places = {difference.where for difference in verify(report).differences}
    assert any("confusion" in place for place in places)


@pytest.mark.parametrize(
    "path", ["../" * 9 + "finding.json", "/etc/finding.json", "a/../x", "x.py"]
)
def test_no_path_of_a_report_leaves_its_folder(report: Path, tmp_path: Path, path: str) -> None:
    forge(report, lambda content: content["files"].update({path: "{}"}))
    _, element = split_page(report.read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="is not the path of a file of a report"):
        write_files(read_data(element), tmp_path / "root")
    assert "is not the path of a file" in verify(report).differences[0].shown


def test_the_pages_of_all_studies_are_verified(tmp_path: Path) -> None:
    """Real studies of version 0.1, whose statistics are those of today where they are checked."""
    for name in ("labels", "run"):
        folder = copy_real(name, tmp_path)
        result = verify((write_run_report if name == "run" else write_report)(folder))
        assert result.differences == () and result.value_count > 200
    assert verify(write_report(build_backbones(tmp_path / "ranking", Data()))).differences == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>a page</html>", "holds no data to verify"),
        (b"\xff\xfe\x00", "is not a text file"),
        (None, "cannot read"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, headstart: Command, content: bytes | None, message: str
) -> None:
    path = tmp_path / "page.html"
    if content is not None:
        path.write_bytes(content)
    status, out, err = headstart("verify", path)
    assert (status, out) == (2, "") and message in err
    with pytest.raises(InputError):
        package.verify(REAL_STUDIES)


def test_the_doctor_accepts_folds_of_different_sizes(tmp_path: Path) -> None:
    study = build_comparison(tmp_path, Built(data=Data(images=60), seeds=2))
    finding = read_finding(study)
    assert isinstance(finding, Comparison)
    first, *others = finding.contenders
    fold = write_run(study / first.runs[0], Example("cnn", 0.6), Data(images=200))
    small = read_metrics(study / first.runs[1])
    assert first.test is not None and fold.test is not None and small.test is not None
    correct = fold.test.accuracy * 200 + small.test.accuracy * 60

    for accuracy, state in ((correct / 260, "healthy"), (correct / 260 + 0.01, "damaged")):
        scores = changed(first.test, accuracy=accuracy)
        rewrite(study, contenders=(changed(first, test=scores), *others))
        assert check_study(study)[0].state == state
