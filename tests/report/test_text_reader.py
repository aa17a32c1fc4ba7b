"""Questions about a comparison, answered by the text of its page and with the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_example import build_comparison
from text_reader import TextReader

from browsers import needs_browser, open_page, start_browser
from headstart.report import write_report
from headstart.report.pages import _render
from headstart.results import Comparison, RunMetrics, read_finding, read_metrics
from headstart.training import read_correct

QUESTIONS = {
    "which contender wins": r"^cnn wins on digits$",
    "by how many points": r"^\+3\.9 points 95% interval \+1\.6 to \+6\.2$",
    "how improbable is that by chance": r"^< 0\.001 for the recipes$",
    "are the two equivalent": r"^\[cnn minus .* 90% interval \+1\.9 to \+5\.8\.\]$",
    "which difference could the test miss": r"^1\.8 points at 80% power$",
    "how many images decide": r"^10,000$",
    "how long did it take": r"^4 min 54 s of 5 min, without this report$",
    "how accurate is the winner": r"^\| cnn winner \| 96\.1% 94\.3 to 97\.4% \|",
    "how much does a seed change": r"\[Accuracy of each seed: 97\.3%, 95\.5%, 95\.5%\]",
    "what is pretraining worth": r"^\| efficientnet-lite0 \(random weights\) \| 68\.9% 65\.2 to",
    "does a baseline do as well": r"^\| nearest neighbour on pixels \| 84\.0% 80\.9 to 86\.7% \|",
    "how large is the network": r"13\.3 k 13\.2 k trained",
    "which images tell the two apart": r"^\| 1 \| 553 \| 31 \| 9 \| 7 \| < 0\.001$",
    "would the verdict hold": r"^Not robust: cnn is not significantly better with 3 suspected",
    "where do they differ most": r"^\| class 4 \| 60 \| 95\.0% \| 75\.0% \| \+20\.0 \|",
    "was the training finished": r"^\[Loss of cnn against epochs: validation from 1\.19 to 0\.28",
    "which class is confused with which, how often": r"^\| 0 \| 1 \| 3 \| 5\.0%$",
    "how many twos are found": r"^\| 2 \| \| \| 57 95% \| 2 3\.3% \|",
    "which class is hardest": r"^\| 1 \| 60 \| \| 94\.0% \| 92\.6% \| 1\.4$",
    "how sure was a wrong prediction": r"^\| 1 \| \| 83%$",
    "which hyper-parameters differ": r"^\| lr \| 0\.05 \| 0\.001 \| 0\.001$",
    "how can it be repeated": r"^headstart compare digits --time-limit 5m --out demo$",
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the lines of a comparison's page."""
    folder = tmp_path_factory.mktemp("study")
    build_comparison(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_render, "_save_figures", lambda *_: None)  # files beside the page
        page = write_report(folder).read_text(encoding="utf-8")
    return TextReader(page).lines


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_text_answers(lines: list[str], question: str) -> None:
    assert any(re.search(QUESTIONS[question], line) for line in lines), question


def test_an_answer_stands_below_its_heading(lines: list[str]) -> None:
    for heading, answer in (
        ("Difference", "+3.9 points"),
        ("p-value", "< 0.001"),
        ("Most confused classes", "| True class | Predicted class | Images |"),
        ("How to reproduce this", "headstart compare"),
    ):
        assert lines[lines.index(heading) + 1].startswith(answer)


def test_no_two_values_run_together(lines: list[str]) -> None:
    assert [line for line in lines if re.search(r"\d%\d|\d%[a-z]", line)] == []


@pytest.fixture(scope="module")
def real_lines(trained_comparison: Path) -> list[str]:
    """The lines of the report of two trained models."""
    return TextReader((trained_comparison / "report.html").read_text(encoding="utf-8")).lines


@pytest.fixture(scope="module")
def finding(trained_comparison: Path) -> Comparison:
    result = read_finding(trained_comparison)
    assert isinstance(result, Comparison)
    return result


@pytest.fixture(scope="module")
def run_metrics(finding: Comparison, trained_comparison: Path) -> list[list[RunMetrics]]:
    """The metrics of both contenders, by seed."""
    return [
        [read_metrics(trained_comparison / run) for run in contender.runs]
        for contender in finding.contenders
    ]


def signed(number: float) -> str:
    return f"{number:+.1f}".replace("-", "−")


def test_the_report_of_a_trained_study_gives_its_verdict(
    real_lines: list[str], finding: Comparison
) -> None:
    verdict = finding.verdict
    headings = {
        "better": f"{verdict.winner} wins on digits",
        "undecided": "Undecided on digits",
        "equivalent": "mlp and mlp:fast are equivalent on digits",
    }
    assert headings[verdict.outcome] in real_lines, "which contender wins"
    sentence = re.sub(r"-(?=\d)", "−", verdict.sentence)
    assert sentence in real_lines, "what that means"
    (pair,) = verdict.pairs
    points = [signed(100 * value) for value in (pair.difference, *pair.interval)]
    difference = f"{points[0]} points 95% interval {points[1]} to {points[2]}"
    assert difference in real_lines, "by how many points"
    after = real_lines[real_lines.index("Test images") + 1]
    assert after.split()[0] == "270", "how many images decide"
    assert any(f"p = {pair.p_value:.2g}" in line for line in real_lines), "by chance"


def test_the_report_of_a_trained_study_gives_its_scores(
    real_lines: list[str], finding: Comparison, run_metrics: list[list[RunMetrics]]
) -> None:
    for contender, runs in zip(finding.contenders, run_metrics, strict=True):
        scores = [run.test.accuracy for run in runs if run.test is not None]
        (row,) = (
            line
            for line in real_lines
            if line.startswith(f"| {contender.name} ") and "Accuracy of each seed" in line
        )
        assert f"| {100 * np.mean(scores):.1f}% " in row, "how accurate"
        seeds = ", ".join(f"{100 * score:.1f}%" for score in scores)
        assert f"[Accuracy of each seed: {seeds}]" in row, "how much does a seed change"
        assert f" {contender.epochs[0]:g} | " in row, "how long was it trained"
    baselines = {each.name: each.accuracy for each in finding.baselines}
    nearest = (
        f"| nearest neighbour on pixels | {100 * baselines['nearest neighbour on pixels']:.1f}%"
    )
    assert any(line.startswith(nearest) for line in real_lines), "does a baseline do as well"
    assert any("less than two epochs" in line for line in real_lines), "was training finished"


def test_the_report_of_a_trained_study_gives_its_errors(
    real_lines: list[str],
    finding: Comparison,
    run_metrics: list[list[RunMetrics]],
    trained_comparison: Path,
) -> None:
    tables = [
        index
        for index, line in enumerate(real_lines)
        if line.startswith("| True class | Predicted")
    ]
    matrices = [
        np.array(run.test.confusion) for runs in run_metrics for run in runs if run.test is not None
    ]
    for index in tables:
        true, predicted, images = map(int, real_lines[index + 1].replace("|", " ").split()[:3])
        errors = [matrix * ~np.eye(10, dtype=bool) for matrix in matrices]
        assert any(matrix[true, predicted] == images == matrix.max() for matrix in errors), (
            "which class is confused most with which, how often"
        )
    assert len(tables) == 2
    for seed, (one, other) in enumerate(
        zip(*(contender.runs for contender in finding.contenders), strict=True), 1
    ):
        first, second = (read_correct(trained_comparison / run, "test") for run in (one, other))
        counts = [first & second, first & ~second, second & ~first, ~(first | second)]
        row = " | ".join(["", str(seed), *(str(int(each.sum())) for each in counts), ""])
        assert any(line.startswith(row.strip()) for line in real_lines), "which images differ"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from start_browser()


MOST_TAB_STOPS = 60


def tab_to(page: Any, selector: str) -> None:
    """Press Tab until an element has the focus, which must be visible."""
    for _ in range(MOST_TAB_STOPS):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(outline) != "none", f"the focus on {selector} is invisible"
            return
    raise AssertionError(f"{selector} is more than {MOST_TAB_STOPS} tab stops away")


@needs_browser
def test_the_report_of_a_trained_study_is_used_with_the_keyboard_alone(
    browser: Any, trained_comparison: Path
) -> None:
    page, problems = open_page(browser, f"file://{trained_comparison / 'report.html'}")
    tab_to(page, "table.confusion td")
    heading = page.get_by_role("dialog").get_by_role("heading")
    page.keyboard.press("Enter")
    if heading.count() == 0:  # a cell without images
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
    assert re.fullmatch(r"\d( predicted as \d|, correctly classified)", heading.inner_text())
    images = page.get_by_role("dialog").get_by_role("img")
    images.first.wait_for()
    tab_to(page, "dialog button")
    page.keyboard.press("Enter")
    assert heading.count() == 0
    assert page.evaluate("document.activeElement.matches('table.confusion td')"), "focus is kept"

    first = page.locator("#images-list li").first
    tab_to(page, "[name=entry]")
    first.wait_for()
    both = page.locator("#images-list").inner_text()
    page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "(text) => document.querySelector('#images-list').innerText != text", arg=both
    )
    assert page.locator("[name=entry] option:checked").inner_text() == "mlp"
    worst = first.inner_text()
    tab_to(page, "[name=order]")
    page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "(text) => document.querySelector('#images-list li').innerText != text", arg=worst
    )
    assert page.locator("[name=order] option:checked").inner_text() == "most confident first"
    assert problems == []
    page.close()
