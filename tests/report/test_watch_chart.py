"""The axes of the curves of `headstart watch`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headstart
from browsers import needs_browser, start_browser

CHART = Path(headstart.__path__[0], "report", "watch", "chart.js")
DRAW = """
(places) => {
  const element = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    node.append(...children);
    return node;
  };
  const points = places.map((x) => ({ x, y: 0.5 }));
  const figure = charts.figure({ title: "Loss", xName: "epoch", format: String, bounds: [0, 1],
    series: [{ name: "validation", colour: 0, points }], element });
  const texts = figure.querySelectorAll("svg text[text-anchor=middle]");
  return [...texts].map((tick) => tick.textContent);
}
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    for browser in start_browser():
        opened = browser.new_page()
        opened.set_content("<title>Charts</title>")
        opened.add_script_tag(path=str(CHART))
        yield opened


STEPS = """
(values) => {
  const points = values.map((y, place) => ({ x: place + 1, y }));
  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    node.append(...children);
    return node;
  };
  const figure = charts.figure({ title: "Best", xName: "run", format: String, bounds: [0, 1],
    series: [{ name: "best so far", colour: 0, steps: true, points }], element: make });
  return figure.querySelector("svg[role=img] path").getAttribute("d");
}
"""


@needs_browser
def test_the_best_so_far_rises_in_steps(page: Any) -> None:
    path = page.evaluate(STEPS, [0.5, 0.5, 0.9])
    corners = re.fullmatch(r"M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H([\d.]+)V([\d.]+)", path)
    assert corners is not None, path
    first, low, second, same, third, high = map(float, corners.groups())
    assert first < second < third
    assert low == same > high  # pixels count from the top


@needs_browser
@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [
        ([1], ["1", "2"]),
        ([1, 2], ["1", "2"]),
        ([1, 2, 3], ["1", "2", "3"]),
        ([0.25, 0.5], ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
    ],
)
def test_only_fractions_of_an_epoch_have_fractional_ticks(
    page: Any, epochs: list[float], ticks: list[str]
) -> None:
    assert page.evaluate(DRAW, epochs) == ticks
