"""Each mutation still finds its place in the source, and names a test that exists."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.protection)
def test_a_mutation_fits_the_source(mutation: Mutation) -> None:
    content = (ROOT / "src/headstart" / mutation.file).read_text(encoding="utf-8")
    assert content.count(mutation.old) == 1
    ast.parse(content.replace(mutation.old, mutation.new))

    file, _, test = mutation.test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert test.partition("[")[0] in names


def test_no_protection_is_listed_twice() -> None:
    assert len({mutation.protection for mutation in MUTATIONS}) == len(MUTATIONS)
