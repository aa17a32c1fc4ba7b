"""The page that `headstart serve` and `headstart export --page` share, filled for one of them."""

from __future__ import annotations

import importlib.resources
from string import Template


def shared_file(name: str) -> str:
    """Return a file that both pages use."""
    return (importlib.resources.files("headstart.deploy") / "page" / name).read_text("utf-8")


def fill_page(
    *, head: str, privacy: str, without_scripts: str, aside: str, use: str, data: str = ""
) -> str:
    """Return the HTML of a page.

    Args:
        head: Styles and scripts.
        privacy: One sentence about what happens to images.
        without_scripts: One sentence for browsers without JavaScript.
        aside: The third column, beside image and prediction.
        use: A part of "About this model": how to use it elsewhere.
        data: Scripts that hold data, after everything else.
    """
    return Template(shared_file("index.html")).substitute(
        head=head,
        privacy=privacy,
        without_scripts=without_scripts,
        aside=aside.rstrip("\n"),
        use=use.rstrip("\n"),
        data=data,
    )
