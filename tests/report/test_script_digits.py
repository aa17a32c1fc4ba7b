"""The scripts of pages write the digits of a score as `headstart.formatting` does."""

from pathlib import Path

from browsers import needs_browser, start_browser

import headstart
from headstart.formatting import percent

PACKAGE = Path(headstart.__path__[0])
# Counts of images at which ties such as 61 of 80, 76.25%, occur, and others.
COUNTS = (8, 16, 36, 40, 80, 270, 800, 2000, 3200)


def declaration(path: Path, name: str) -> str:
    """Return the declaration of an arrow function of several lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.strip().startswith(f"const {name} ="))
    indent = lines[start][: -len(lines[start].lstrip())]
    end = lines.index(f"{indent}}};", start)
    return "\n".join(lines[start : end + 1])


@needs_browser
def test_scripts_round_an_accuracy_as_python_does() -> None:
    watch = declaration(PACKAGE / "report/watch/watch.js", "percent")
    served = declaration(PACKAGE / "deploy/page/shared.js", "accuracy")
    shares = [(correct / n, n) for n in COUNTS for correct in range(n + 1)]
    expected = [percent(share, n) for share, n in shares]
    assert percent(61 / 80, 80) == "76.2%"
    for browser in start_browser():
        page = browser.new_page()
        run = "return shares.map(([share, n]) => percent(share, n >= 2000 ? 2 : 1));"
        assert page.evaluate(f"(shares) => {{ {watch} {run} }}", shares) == expected
        run = "return shares.map(([share, n]) => accuracy(share, n));"
        assert page.evaluate(f"(shares) => {{ {served} {run} }}", shares) == expected
