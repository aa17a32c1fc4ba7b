"""The sentences of findings, as text of a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headstart.formatting import one_line, p_value

if TYPE_CHECKING:
    from markupsafe import Markup

_HYPHEN_AS_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")
_P_VALUE = re.compile(r"\bp ([=<]) (?=\d)")
_QUOTED = re.compile(r'"([^"]*)"')
# The last sentence may end with a command.
_COMMAND = re.compile(r"(?<=: )headstart [a-z]+ [^:]*$")
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*\w")


def sentence(text: object) -> Markup:
    """Return a sentence as HTML, with minus signs and quotation marks, and with commands as code.

    Options, p-values and the word p-value stay on one line.

    Terminals write negative numbers with a hyphen, because some cannot show a minus sign.
    """
    from markupsafe import Markup, escape

    plain = one_line(text)
    command = _COMMAND.search(plain)
    words = plain[: command.start()] if command else plain
    words = _QUOTED.sub(r"“\1”", _HYPHEN_AS_MINUS.sub("−", words))
    words = _P_VALUE.sub("p\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", words)
    html = _OPTION.sub(r'<code class="nowrap">\g<0></code>', str(escape(words)))
    html = re.sub(r"\bp-values?\b", r'<span class="nowrap">\g<0></span>', html)
    if command:
        html += command_code(command[0].removesuffix("."))
    return Markup(html)


def command_code(command: str) -> Markup:
    """Return a command as code. An option is not divided after its hyphens."""
    from markupsafe import Markup, escape

    words = _OPTION.sub(r'<span class="nowrap">\g<0></span>', str(escape(command)))
    return Markup(f"<code>{words}</code>")


def undivided_p_value(p: float | None) -> str:
    """Return a p-value with its name, which stays on one line."""
    return p_value(p).replace(" ", "\N{NO-BREAK SPACE}")
