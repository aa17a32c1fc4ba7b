"""The text of the project is plain technical English: see CONTRIBUTING.md, "How we write"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PHRASES = Path(__file__).parent / "phrases.txt"
SUFFIXES = {".py", ".pyi", ".md", ".j2", ".js", ".css", ".html"}
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
VAGUE_NAMES = {"found", "one", "numbers"}
FRAGMENT = re.compile(
    r"(Of|That of|Those of|By|As|In|To|From|Whether|Which|What|Who|That)\b", re.IGNORECASE
)
LONGEST_SENTENCE = 30  # words
WIDEST_LINE = 100  # columns


def texts() -> Iterator[Path]:
    """Yield every file whose text users or contributors read."""
    for folder in ("src", "docs", "benchmarks"):
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)
    yield from sorted(ROOT.glob("*.md"))


def phrases() -> Iterator[tuple[re.Pattern[str], str]]:
    """Yield each refused phrase and what to write instead."""
    for line in PHRASES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, better = line.split("\t")
            yield re.compile(pattern, re.IGNORECASE), better


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


@pytest.mark.parametrize(("pattern", "better"), list(phrases()))
def test_no_text_uses_a_refused_phrase(pattern: re.Pattern[str], better: str) -> None:
    places = []
    for path in texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                places.append(f"{place(path, number)}: {line.strip()}")
    assert not places, f"write '{better}' instead:\n" + "\n".join(places)


def test_the_list_of_phrases_can_match() -> None:
    patterns = [pattern for pattern, _ in phrases()]
    for text in ("it is no image", "one row an epoch", "goes on", "but wanted is a number"):
        assert any(pattern.search(text) for pattern in patterns), text


def documented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the first docstring line of every module, class and function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.splitlines()[0]


def test_no_docstring_starts_with_a_fragment() -> None:
    places = []
    for path in SOURCES:
        for number, summary in documented(ast.parse(path.read_text(encoding="utf-8"))):
            if FRAGMENT.match(summary):
                places.append(f"{place(path, number)}: {summary}")
    assert not places, "start with an imperative verb or a noun:\n" + "\n".join(places)


def bound_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of every variable, parameter and function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def test_names_say_what_a_thing_is() -> None:
    places = []
    for path in SOURCES:
        for number, name in bound_names(ast.parse(path.read_text(encoding="utf-8"))):
            if name in VAGUE_NAMES:
                places.append(f"{place(path, number)}: {name}")
    assert not places, "name the thing itself:\n" + "\n".join(places)


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line number and text of each paragraph; no code, tables, links' targets or HTML."""
    paragraph: list[str] = []
    start, is_code = 1, False
    lines = [*path.read_text(encoding="utf-8").splitlines(), ""]
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        is_text = bool(line.strip()) and not is_code
        is_text = is_text and not line.lstrip().startswith(("```", "|", "#", "!", "<"))
        begins_item = re.match(r"\s*([-*]|\d+\.) ", line) is not None
        if paragraph and (not is_text or begins_item):
            yield start, " ".join(paragraph)
            paragraph = []
        if is_text:
            start = start if paragraph else number
            paragraph.append(line.strip())


def test_documentation_wraps_at_100_columns() -> None:
    places = []
    for path in PAGES:
        is_code = False
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.lstrip().startswith("```"):
                is_code = not is_code
            is_free = is_code or line.startswith(("|", "!", "<")) or "](" in line
            if len(line) > WIDEST_LINE and not is_free:
                places.append(place(path, number))
    assert not places, "\n".join(places)


def test_no_sentence_of_the_documentation_is_too_long() -> None:
    places = []
    for path in PAGES:
        for number, text in prose(path):
            text = re.sub(r"`[^`]*`", "code", text)
            text = re.sub(r"\]\([^)]*\)", "]", text)
            for sentence in re.split(r"(?<=[.!?:;])\s+", text):
                if len(sentence.split()) > LONGEST_SENTENCE:
                    places.append(f"{place(path, number)}: {sentence}")
    assert not places, f"split what is over {LONGEST_SENTENCE} words:\n" + "\n".join(places)
