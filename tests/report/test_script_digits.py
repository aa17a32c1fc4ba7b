"""The scripts of pages write the digits of a score as `headstart.formatting` does."""

from collections.abc import Sequence

import pytest

from browsers import needs_browser, start_browser
from headstart.formatting import percent, probability, script, whole_probability

# Counts of images at which ties such as 61 of 80, 76.25%, occur, and others.
COUNTS = (8, 16, 36, 40, 80, 270, 800, 2000, 3200)


def written_by_the_script(function: str, values: Sequence[tuple[float, int]]) -> list[str]:
    run = f"{script()} return values.map(([share, n]) => {function}(share, n));"
    for browser in start_browser():
        texts: list[str] = browser.new_page().evaluate(f"(values) => {{ {run} }}", values)
    return texts


@needs_browser
def test_scripts_round_an_accuracy_as_python_does() -> None:
    shares = [(correct / n, n) for n in COUNTS for correct in range(n + 1)]
    assert percent(61 / 80, 80) == "76.2%"
    expected = [percent(share, n) for share, n in shares]
    assert written_by_the_script("percent", shares) == expected


@needs_browser
@pytest.mark.parametrize(
    ("name", "function"), [("probability", probability), ("wholeProbability", whole_probability)]
)
def test_scripts_round_a_probability_as_python_does(name: str, function: object) -> None:
    assert callable(function)
    shares = [(correct / n, n) for n in COUNTS for correct in range(n + 1)]
    expected = [function(share) for share, _ in shares]
    assert written_by_the_script(name, shares) == expected


@needs_browser
def test_a_share_of_an_unknown_number_of_images_has_one_decimal() -> None:
    for browser in start_browser():
        run = "return [percent(0.98765), percent(0.98765, null)];"
        assert browser.new_page().evaluate(f"() => {{ {script()} {run} }}") == ["98.8%", "98.8%"]
