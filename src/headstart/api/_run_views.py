"""Views for notebooks: the figures of runs and studies, and the layers of a network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from headstart import store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headstart.results import LayerSummary

_TITLES = {
    "curves": "Learning curves",
    "accuracy-by-part": "Accuracy on each part of the split",
    "confusion": "Confusion matrix",
    "architecture": "Network architecture",
    "gallery": "Example predictions",
}


class _Figure(Protocol):
    title: str

    def _repr_png_(self) -> bytes: ...


_FigureT = TypeVar("_FigureT", bound=_Figure)


class _Figures(Mapping[str, _FigureT]):
    """Figures by name, which a notebook displays below each other, each with its title."""

    def __init__(self, figures: Mapping[str, _FigureT]) -> None:
        self._figures = figures

    def __getitem__(self, name: str) -> _FigureT:
        return self._figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        elements = []
        for figure in self.values():
            title = escape(figure.title)
            image = base64.b64encode(figure._repr_png_()).decode("ascii")
            elements.append(
                f"<figure><figcaption>{title}</figcaption>"
                f'<img src="data:image/png;base64,{image}" alt="{title}" style="max-width: 100%">'
                "</figure>"
            )
        return "\n".join(elements)


class RunFigure:
    """One figure of a run. A notebook displays it at the end of a cell.

    Attributes:
        title: What the figure shows, such as "Confusion matrix".
    """

    def __init__(self, title: str, draw: Callable[[], Figure]) -> None:
        self.title = title
        self._draw = draw

    def draw(self) -> Figure:
        """Return a new Matplotlib figure, to change it or to save it in another format."""
        from headstart.report import draw_in_style

        return draw_in_style(self._draw)

    def __repr__(self) -> str:
        return f"<RunFigure: {self.title}>"

    def _repr_png_(self) -> bytes:
        from headstart.report import png_in_style

        return png_in_style(self._draw)


class RunFigures(_Figures[RunFigure]):
    """The figures of a run by name. A notebook displays all of them at the end of a cell.

    The names are `curves` (`accuracy-by-part` for a head that was solved without epochs),
    `confusion`, `architecture` and `gallery`. Each is drawn when it is displayed.
    """

    def __init__(self, draw_by_name: Mapping[str, Callable[[], Figure]]) -> None:
        super().__init__(
            {name: RunFigure(_TITLES.get(name, name), draw) for name, draw in draw_by_name.items()}
        )


class StudyFigure:
    """One figure of a study. A notebook displays it at the end of a cell.

    Attributes:
        title: The name of the figure in words, such as "Learning rates".
        path: The PNG file in the study folder. An SVG and a CSV file are beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.title = path.stem.replace("-", " ").capitalize()

    def __repr__(self) -> str:
        return f"<StudyFigure: {self.title}>"

    def _repr_png_(self) -> bytes:
        return store.read_file(self.path)


class StudyFigures(_Figures[StudyFigure]):
    """The figures of a study by name. A notebook displays all of them at the end of a cell.

    They are the PNG files in `figures/` of the study folder, by the names of the files.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted((folder / "figures").glob("*.png"))
        super().__init__({path.stem: StudyFigure(path) for path in paths})


class NetworkSummary:
    """The layers of a network. A notebook shows them as a table, and `print` as text.

    Attributes:
        layers: The layers in order: name, kind, output shape, parameters and multiply-adds.
    """

    def __init__(self, layers: Sequence[LayerSummary]) -> None:
        self.layers = tuple(layers)

    def __repr__(self) -> str:
        from headstart.report import layers_table, table_text

        return table_text(layers_table([layer.as_json() for layer in self.layers]))

    def _repr_html_(self) -> str:
        from headstart.report import layers_table, table_html

        return table_html(layers_table([layer.as_json() for layer in self.layers]))
