"""Committed results of benchmarks: rows in JSON files, and tables made from them.

A result file is a list of rows. Some keys identify a row. One of them is the processor, because
figures of one do not hold on another. A row that is there is not measured again, so a stopped run
continues, and another machine adds its own rows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from headstart.machine import processor_name, usable_cores

HERE = Path(__file__).parent
UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "avx512_f": "AVX512", "avx2": "AVX2"}
_COLUMNS = 100
END = "<!-- end of the table -->"
VERSIONS_SCRIPT = """
import json, sys
from importlib.metadata import distributions
wanted = sys.argv[1:]
found = {each.name.lower().replace("_", "-"): each.version for each in distributions()}
print(json.dumps({name: found[name] for name in wanted if name in found}))
"""
Row = dict[str, Any]


def processor() -> str:
    """Return the name of the processor and its widest unit, such as "AMD EPYC with AVX2"."""
    has = torch.cpu.get_capabilities()
    units = [name for key, name in UNITS.items() if has.get(key)]
    return " with ".join([processor_name(), *units[:1]])


def facts(*packages: str, load: float | None = None) -> Row:
    """Return the date, the machine and the versions of the installed packages.

    Args:
        packages: Names of packages. One that is not installed is left out.
        load: Load average before the measurement; None: now.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": usable_cores(),
        "load": os.getloadavg()[0] if load is None else load,
        "versions": versions_in(sys.executable, *packages),
    }


def versions_in(python: str | Path, *packages: str) -> dict[str, str]:
    """Return the versions of the packages that another interpreter has."""
    command = [str(python), "-c", VERSIONS_SCRIPT, *packages]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


class ResultFile:
    """The rows of a result file.

    Attributes:
        path: The JSON file. It need not exist.
        keys: Keys that identify a row, besides the processor.
    """

    def __init__(self, path: Path, keys: tuple[str, ...]) -> None:
        self.path, self.keys = path, (*keys, "processor")

    def read(self) -> list[Row]:
        if not self.path.exists():
            return []
        rows: list[Row] = json.loads(self.path.read_text(encoding="utf-8"))
        return rows

    def find(self, **cell: Any) -> Row | None:
        """Return the row of a cell on this processor, or None."""
        cell["processor"] = processor()
        for row in self.read():
            if self._identity(row) == self._identity(cell):
                return row
        return None

    def add(self, row: Row) -> None:
        """Write a row, in the place of one with the same keys."""
        others = [old for old in self.read() if self._identity(old) != self._identity(row)]
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps([*others, row], indent=0) + "\n", encoding="utf-8")

    def _identity(self, row: Row) -> list[Any]:
        return [row[key] for key in self.keys]


def sections(rows: list[Row], table_of: Callable[[list[Row]], list[str]]) -> str:
    """Return a table for each kind of processor, with what is known about its rows.

    Args:
        rows: The rows of a result file.
        table_of: Returns the lines of the table of one processor.
    """
    parts = []
    for machine in sorted({row["processor"] for row in rows}):
        own = [row for row in rows if row["processor"] == machine]
        parts.append(f"\n### {machine}\n\n{''.join(table_of(own))}\n{_describe(own)}\n")
    return "".join(map(_wrapped, "".join(parts).splitlines(keepends=True)))


def _wrapped(line: str) -> str:
    """Return a line of text in several lines of at most 100 columns. Rows of tables stay whole."""
    if line.startswith(("|", "#")) or len(line) <= _COLUMNS:
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, _COLUMNS, subsequent_indent=indent, break_on_hyphens=False) + "\n"


def _describe(rows: list[Row]) -> str:
    """Return the sentences about date, versions and load. Rows of `fit` can be without the last."""
    dates = sorted({row["date"] for row in rows})
    days = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    sentences = [f"Measured on {days}."]
    versions = sorted(
        {f"{name} {number}" for row in rows for name, number in row.get("versions", {}).items()}
    )
    if versions:
        sentences.append(f"Versions: {', '.join(versions)}.")
    if loads := [row["load"] for row in rows if "load" in row]:
        cores = sorted({row["cores"] for row in rows if "cores" in row})
        sentences.append(f"Cores: {', '.join(map(str, cores))}.")
        sentences.append(f"Load average before a measurement: at most {max(loads):.1f}.")
    return "\n".join(sentences)


class Page:
    """A page with tables that a benchmark makes from its result file.

    The tables stand between two comments, and the text around them is written by hand.

    Attributes:
        results: The rows.
        path: The page.
    """

    def __init__(
        self,
        name: str,
        page: str,
        keys: tuple[str, ...],
        table_of: Callable[[list[Row]], list[str]],
    ) -> None:
        self.results = ResultFile(HERE / "results" / f"{name}.json", keys)
        self._committed, self.path = self.results.path, HERE / page
        self._begin = f"<!-- made by: python benchmarks/{name}.py table -->"
        self._table_of = table_of

    def parser(self, description: str | None) -> argparse.ArgumentParser:
        """Return a parser with the action and the result file."""
        parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("action", choices=("run", "table"))
        parser.add_argument(
            "--results",
            type=Path,
            default=self._committed,
            help="the result file; with another one than the committed, tables are printed",
        )
        return parser

    def use(self, path: Path) -> ResultFile:
        """Use another result file, such as the `--results` of the parser."""
        self.results.path = path
        return self.results

    def tables(self) -> str:
        """Return what stands between the comments."""
        rows = self.results.read()
        if not rows:
            return "\nNot measured yet.\n"
        return sections(rows, self._table_of)

    def text(self) -> str:
        """Return the page with the tables of the result file."""
        before, found, rest = self.path.read_text(encoding="utf-8").partition(self._begin)
        _, found_end, after = rest.partition(END)
        if not (found and found_end):
            raise SystemExit(
                f"{self.path.name}: expected the lines\n{self._begin}\n{END}\n"
                "Write them where the tables belong."
            )
        return f"{before}{self._begin}\n{self.tables()}\n{END}{after}"

    def write(self) -> None:
        """Write the page from the committed results; print the tables of any others."""
        if self.results.path != self._committed:
            print(self.tables())
        else:
            self.path.write_text(self.text(), encoding="utf-8")
