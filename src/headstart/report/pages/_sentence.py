"""The sentences of findings, as text of a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headstart.formatting import one_line

if TYPE_CHECKING:
    from markupsafe import Markup

_HYPHEN_AS_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*\w")


def sentence(text: object) -> Markup:
    """Return a sentence as HTML, with minus signs, and with options that stay on one line.

    Terminals write negative numbers with a hyphen, because some cannot show a minus sign.
    """
    from markupsafe import Markup, escape

    escaped = str(escape(_HYPHEN_AS_MINUS.sub("−", one_line(text))))
    return Markup(_OPTION.sub(r'<code class="nowrap">\g<0></code>', escaped))
