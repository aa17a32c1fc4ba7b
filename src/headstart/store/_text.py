"""Texts as UTF-8, also with names that are not."""

from __future__ import annotations

import re

from headstart.errors import InputError

_NAME_END = re.compile(r"[\"',<>\s]")
_LONGEST_NAME = 100


def encode_text(content: str) -> bytes:
    """Return a text as UTF-8.

    Raises:
        InputError: It includes the name of a file that is not UTF-8, which Python reads as lone
            surrogates.
    """
    try:
        return content.encode("utf-8")
    except UnicodeEncodeError as error:
        before = _NAME_END.search(content, error.start)
        end = before.start() if before else len(content)
        name = _NAME_END.split(content[max(0, error.start - _LONGEST_NAME) : error.start])[-1]
        name += content[error.start : end]
        raise InputError(
            f"the name {name[:_LONGEST_NAME]!a} is not UTF-8, so it cannot be written to a file.",
            "Rename the file or folder.",
        ) from error
