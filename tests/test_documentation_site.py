"""The site of the documentation, without building it: `make docs` does that."""

from __future__ import annotations

import html
import re
import runpy
import sys
from pathlib import Path

import pytest

from browsers import axe_violations, needs_browser, start_browser
from headstart.cli._app import VERBS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"


def test_the_navigation_lists_every_page_once() -> None:
    listed = [page for entry in navigation() for page in pages(entry)]
    expected = {*DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md"), *ROOT.glob("*.md")}
    expected |= set(DOCS.rglob("*.ipynb"))
    assert sorted(listed) == sorted(expected - {INDEX})


def test_the_navigation_has_two_levels() -> None:
    """Only the first page has a table of contents, so no page is below another one."""
    assert INDEX.read_text(encoding="utf-8").count("```{toctree}") > 5
    others = set(DOCS.rglob("*.md")) - {INDEX}
    assert not [page for page in others if "{toctree}" in page.read_text(encoding="utf-8")]


def test_every_verb_has_a_page_with_an_example_and_its_output() -> None:
    for verb in VERBS:
        text = (DOCS / "commands" / f"{verb}.md").read_text(encoding="utf-8")
        assert re.search(rf"^```\nheadstart {verb} ", text, re.MULTILINE), verb
        assert re.search(r"^```text\n.*\S", text, re.MULTILINE) or verb == "serve", verb


def test_the_pages_of_commands_have_the_options_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["command_pages.py", "--check"])
    functions = runpy.run_path(str(DOCS / "command_pages.py"))
    assert functions["main"]() == 0, capsys.readouterr().out


def test_an_option_in_a_description_is_code_with_its_command_and_value() -> None:
    as_code = runpy.run_path(str(DOCS / "command_pages.py"))["options_as_code"]
    expected = {
        "train --summary lists layers.": "`train --summary` lists layers.",
        "headstart audit --fix writes it.": "`headstart audit --fix` writes it.",
        "--plan, --seeds auto or --folds 5.": "`--plan`, `--seeds auto` or `--folds 5`.",
        "Default 3. With --folds, each": "Default 3. With `--folds`, each",
        "with --seeds automatically": "with `--seeds` automatically",
    }
    assert {text: as_code(text) for text in expected} == expected


def test_the_outputs_of_examples_fit_into_80_columns() -> None:
    for page in (DOCS / "commands").glob("*.md"):
        for output in re.findall(r"^```text\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
            tables = [line for line in output.splitlines() if not line.startswith("Next: ")]
            assert max(map(len, tables)) <= 80, page


SAMPLE = """
<title>A page</title>
<aside class="sidebar-drawer"><p class="caption" role="heading">Start here</p></aside>
<main>
  <h1>A page</h1>
  <div class="highlight"><pre id="wide" style="overflow: auto">{wide}</pre></div>
  <div class="highlight"><pre id="short" style="overflow: auto">headstart runs</pre></div>
  <table><thead><tr><th></th><th>accuracy</th></tr></thead>
  <tbody><tr><td>cnn</td><td>90%</td></tr></tbody></table>
</main>
<aside class="toc-drawer"><p>Contents</p></aside>
"""


@needs_browser
def test_the_script_of_the_site_adds_what_axe_misses_in_the_theme() -> None:
    script = (DOCS / "_static" / "site.js").read_text(encoding="utf-8")
    text = f'<!doctype html><html lang="en">{SAMPLE.format(wide="word " * 400)}'
    for browser in start_browser():
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.set_content(text)
        assert len(axe_violations(page)) > 3
        page.set_content(f"{text}<script>{script}</script>")
        page.locator("#wide[tabindex='0']").wait_for()
        assert page.locator("#short").get_attribute("tabindex") is None
        assert axe_violations(page) == []


@needs_browser
def test_a_phone_shows_what_the_commands_of_the_readme_do() -> None:
    style = (DOCS / "_static" / "site.css").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("## The commands")[2]
    first_cells = re.findall(r"^\| `(headstart [^|]*)` \|", readme, re.MULTILINE)
    rows = [f"<tr><td><code>{cell}</code></td><td>what it does</td></tr>" for cell in first_cells]
    assert len(rows) > 15
    table = f'<div class="table-wrapper"><table>{"".join(rows)}</table></div>'
    for browser in start_browser():
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.set_content(f"<style>{style}</style>{table}")
        assert page.evaluate("document.scrollingElement.scrollWidth") == 390


@needs_browser
def test_a_phone_breaks_code_neither_in_an_option_nor_in_front_of_a_comma() -> None:
    script = (DOCS / "_static" / "site.js").read_text(encoding="utf-8")
    words = ("--evaluate-on", "-q,", 'image_dataset_from_directory("photos",')
    spans = " ".join(f'<span class="pre">{word}</span>' for word in words)
    text = f'<div style="width: 10em; overflow-wrap: anywhere"><code>see {spans}</code></div>'
    for browser in start_browser():
        page = browser.new_page()
        page.set_content(f"<!doctype html>{text}<script>{script}</script>")
        page.locator("wbr").first.wait_for(state="attached")
        lines = page.locator("code").inner_text().split()
        tops = page.locator(".pre").evaluate_all(
            "words => words.map((word) => word.getClientRects().length)"
        )
        assert tops[:2] == [1, 1] and tops[2] > 1
        assert " ".join(lines) == f"see {' '.join(words)}"
        parts = page.locator(".pre").last.evaluate(
            "word => [...word.childNodes].map((node) => node.textContent).filter(Boolean)"
        )
        assert parts == ["image_", "dataset_", "from_", "directory(", '"photos",']


@needs_browser
def test_no_line_of_a_narrow_cell_starts_with_a_full_stop_or_a_bracket() -> None:
    """Code breaks between its parts only, however narrow the table is."""
    script = (DOCS / "_static" / "site.js").read_text(encoding="utf-8")
    style = (DOCS / "_static" / "site.css").read_text(encoding="utf-8")
    codes = re.findall(r"`([^`\n]+)`", (DOCS / "coming-from.md").read_text("utf-8"))
    cells = [
        " ".join(f'<span class="pre">{html.escape(word)}</span>' for word in code.split())
        for code in codes
    ]
    rows = "".join(f"<tr><td><code>{cell}</code>,</td></tr>" for cell in cells)
    section = f'<section id="coming-from-keras-fastai-autogluon-ultralytics">{rows}</section>'
    table = section.replace("<tr>", "<table style='width: 5em'><tr>").replace(
        "</tr>", "</tr></table>"
    )
    for browser in start_browser():
        page = browser.new_page()
        page.set_content(f"<!doctype html><style>{style}</style>{table}<script>{script}</script>")
        page.locator("wbr").first.wait_for(state="attached")
        broken = page.evaluate(BROKEN_PARTS)
        starts = page.locator("td code .pre").evaluate_all(
            "words => words.flatMap((word) => [...word.childNodes].map((node) => node.data ?? ''))"
        )
        assert len(starts) > 200 and [part for part in starts if part[:1] in set(")],;.")] == []
        assert broken == []


# Parts of code that a browser shows on more than one line.
BROKEN_PARTS = """() => [...document.querySelectorAll("td code .pre")].flatMap((word) =>
  [...word.childNodes].filter((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const tops = [...range.getClientRects()].map((line) => Math.round(line.top));
    return new Set(tops).size > 1 && !/[-…/]/.test(node.textContent);
  }).map((node) => node.textContent))"""


def navigation() -> list[str]:
    """Return the entries of all tables of contents."""
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```", INDEX.read_text("utf-8"), re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(":")]


def pages(entry: str) -> list[Path]:
    """Return the files of an entry, which may be a pattern."""
    target = (DOCS / f"{entry}.md").resolve()
    if "*" in entry:
        return sorted(target.parent.glob(target.name))
    if not target.exists():
        target = target.with_suffix(".ipynb")
    assert target.exists(), entry
    return [target]
