"""Twenty questions about a comparison, answered by its text alone."""

from __future__ import annotations

import re

import pytest
from compare_example import build_comparison
from text_reader import TextReader

from headstart.report import write_report
from headstart.report.pages import _render

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
