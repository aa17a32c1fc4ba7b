"""Terminal tables as HTML and as plain text, for notebooks and consoles of Python."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headstart.report.terminal._tables import MAX_WIDTH

if TYPE_CHECKING:
    from rich.console import RenderableType

# The text colour and background of the notebook, light or dark. Coloured text is readable on both.
_FRAME = (
    '<pre style="line-height: 1.25; overflow-x: auto; background: none; color: inherit">'
    "{code}</pre>"
)
# Dim text of Rich has too little contrast on white. Part of the notebook's own colour has enough.
_DIM, _PALE = "color: #7f7f7f; text-decoration-color: #7f7f7f", "opacity: 0.7"


def table_html(table: RenderableType) -> str:
    """Return a terminal table as one `<pre>` element, with its text escaped."""
    from rich.console import Console

    console = Console(
        record=True,
        file=io.StringIO(),
        width=MAX_WIDTH,
        force_terminal=True,
        force_jupyter=False,
        color_system="standard",
    )
    console.print(table)
    return console.export_html(inline_styles=True, code_format=_FRAME).replace(_DIM, _PALE)


def table_text(table: RenderableType) -> str:
    """Return a terminal table as text without colours."""
    from rich.console import Console

    file = io.StringIO()
    Console(file=file, width=MAX_WIDTH, color_system=None, force_jupyter=False).print(table)
    return file.getvalue()
