"""Code with air: what the linter has no rule for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE = 600  # lines
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def nested_conditionals(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of conditional expressions within another one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp):
            inner = [child for child in ast.walk(node) if isinstance(child, ast.IfExp)]
            if len(inner) > 1:
                yield node.lineno


def dense_comprehensions(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of comprehensions with two loops or an assignment."""
    for node in ast.walk(tree):
        if isinstance(node, Comprehension):
            assigns = any(isinstance(child, ast.NamedExpr) for child in ast.walk(node))
            if assigns or len(node.generators) > 1:
                yield node.lineno


@pytest.mark.parametrize("find", [nested_conditionals, dense_comprehensions])
def test_no_expression_does_too_much(find: object) -> None:
    assert callable(find)
    places = []
    for path in SOURCES:
        for line in find(ast.parse(path.read_text(encoding="utf-8"))):
            places.append(f"{path.relative_to(ROOT)}:{line}")
    assert not places, "write a loop or an if statement:\n" + "\n".join(places)


def own_percentages(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that choose the decimals of a percentage themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue):
            spec = "" if node.format_spec is None else ast.unparse(node.format_spec)
            if re.search(r"[1-9]%", spec):
                yield node.lineno


def test_one_function_chooses_the_decimals_of_a_percentage() -> None:
    places = []
    for path in SOURCES:
        for line in own_percentages(ast.parse(path.read_text(encoding="utf-8"))):
            places.append(f"{path.relative_to(ROOT)}:{line}")
    assert not places, "write formatting.percent(share, images):\n" + "\n".join(places)


def test_the_checks_can_fail() -> None:
    assert list(own_percentages(ast.parse("f'{a:.0%}'\nf'{a:.2%}'"))) == [2]
    nested = ast.parse("a if b else (c if d else e)")
    dense = ast.parse("[y for x in a for y in x]\n[z for x in a if (z := x)]")
    assert list(nested_conditionals(nested)) == [1]
    assert sorted(dense_comprehensions(dense)) == [1, 2]


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path.name: n for path, n in lengths.items() if n > LONGEST_FILE} == {}
