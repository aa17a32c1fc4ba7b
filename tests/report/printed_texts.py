"""Texts of figures as a paper prints them: class names to try, sizes, cuts and overlaps."""

from collections.abc import Callable
from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text

NAMES: dict[str, Callable[[int], str]] = {
    "digits": str,
    "words": lambda number: f"class {number}",
    "a sentence": lambda number: f"{number:03d} a kind of bird with quite a long nam",
    "a species": lambda number: f"Genus_species_of_bird_number_{number:03d}_wwwwwww",
    "capitals": lambda number: f"WWWWWWWWW MMMMMMMMMM WWWWWWWWW MMMMM {number:03d}",
    "Chinese": lambda number: f"鸟{number:03d}",
}


def shown_texts(figure: Figure) -> list[Text]:
    """Return the texts of a figure, at their final places."""
    figure.draw_without_rendering()
    found = [artist for artist in figure.findobj(Text) if isinstance(artist, Text)]
    return [text for text in found if text.get_text() and text.get_visible()]


def smallest_printed(figure: Figure, place: float) -> float:
    """Return the size of the smallest letters in points, in a place of this width in inches."""
    shrunk = min(1.0, place / figure.get_figwidth())
    return min(float(text.get_fontsize()) for text in shown_texts(figure)) * shrunk


def require_clear_texts(figure: Figure) -> None:
    """Fail if a text leaves the figure or touches another text."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown_texts(figure)]
    for (first, box), (second, other) in combinations(boxes, 2):
        # Line boxes have air above and below their letters. A point of it may be shared.
        point = figure.dpi / 72
        shared_x = min(box.x1, other.x1) - max(box.x0, other.x0)
        shared_y = min(box.y1, other.y1) - max(box.y0, other.y0)
        assert min(shared_x, shared_y) <= point, (first, second)
    for text, box in boxes:
        assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 - 1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
