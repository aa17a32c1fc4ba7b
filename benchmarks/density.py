"""Measure how dense the source code is.

    python benchmarks/density.py [ROOT ...]      default: src/headstart

Prints per root: lines, tokens per non-blank line, the share of lines over 100 columns,
comprehensions and conditional expressions per 1,000 lines, and the number of `dict[str, Any]`.
Docstrings and comments count as lines and not as tokens.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

WIDE = 100  # columns
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
NOT_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def count_tokens(text: str) -> int:
    """Return the number of tokens of a module, without comments and layout."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type not in NOT_CODE for token in tokens)


def measure(root: Path) -> dict[str, float]:
    """Return the measurements of all Python files below `root`."""
    files = sorted(root.rglob("*.py"))
    lines = tokens = wide = comprehensions = conditionals = untyped = 0
    for path in files:
        text = path.read_text(encoding="utf-8")
        written = [line for line in text.splitlines() if line.strip()]
        lines += len(written)
        wide += sum(len(line) > WIDE for line in written)
        untyped += text.count("dict[str, Any]")
        tokens += count_tokens(text)
        for node in ast.walk(ast.parse(text)):
            comprehensions += isinstance(node, COMPREHENSIONS)
            conditionals += isinstance(node, ast.IfExp)
    return {
        "files": len(files),
        "lines": lines,
        "tokens per line": round(tokens / lines, 1),
        "lines over 100 columns, %": round(100 * wide / lines, 1),
        "comprehensions per 1,000 lines": round(1000 * comprehensions / lines, 1),
        "conditional expressions per 1,000 lines": round(1000 * conditionals / lines, 1),
        "dict[str, Any]": untyped,
    }


def main() -> None:
    for root in sys.argv[1:] or ["src/headstart"]:
        print(root)
        for name, value in measure(Path(root)).items():
            print(f"  {name:40} {value:>8}")


if __name__ == "__main__":
    main()
