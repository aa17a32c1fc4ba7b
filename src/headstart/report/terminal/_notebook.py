"""Results as HTML for notebooks: the tables of the terminal, so that both say the same."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLUMNS = 100
# The page's own text colour on its own background, light or dark; what has a colour of its own is readable on both.
_FRAME = '<pre style="line-height: 1.25; overflow-x: auto; background: none; color: inherit">{code}</pre>'


def table_html(table: RenderableType) -> str:
    """A terminal table as one `<pre>`; text in it is escaped."""
    from rich.console import Console

    console = Console(
        record=True,
        file=io.StringIO(),
        width=_COLUMNS,
        force_terminal=True,
        force_jupyter=False,
        color_system="standard",
    )
    console.print(table)
    return console.export_html(inline_styles=True, code_format=_FRAME)
