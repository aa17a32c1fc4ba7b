"""The sections about each contender alone: its network, and its example predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from headstart.formatting import slug
from headstart.report._gallery_images import Gallery, GalleryImage, read_gallery
from headstart.report._study import Entries, Entry
from headstart.report.figures._architecture import architecture_figure
from headstart.report.figures._confusion_figure import confusion_figure
from headstart.report.figures._gallery import gallery_figure
from headstart.report.figures._network_blocks import Block, network_blocks
from headstart.report.pages._confusion_section import ConfusionMatrix
from headstart.report.pages._figure_values import (
    FigureTable,
    block_table,
    confusion_table,
    gallery_table,
)
from headstart.report.pages._page import DrawFigure
from headstart.report.pages._thumbnail import Thumbnail, thumbnail
from headstart.results import DatasetSummary, RunMetrics


@dataclass(frozen=True)
class Network:
    """The network of an entry; `blocks` is empty if no architecture was recorded."""

    entry: Entry[object]
    metrics: RunMetrics | None
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class ExampleGroup:
    """Correct or incorrect predictions, with the images as thumbnails."""

    kind: str
    images: tuple[tuple[GalleryImage, Thumbnail], ...]


@dataclass(frozen=True)
class Examples:
    """The example predictions of an entry; `gallery` is None if the run kept none."""

    entry: Entry[object]
    gallery: Gallery | None
    groups: tuple[ExampleGroup, ...]


def networks(entries: Entries, dataset: DatasetSummary) -> tuple[Network, ...]:
    """Return the networks of the representative runs."""
    sections: list[Network] = []
    for entry in entries:
        metrics = None if entry.representative is None else entry.representative.metrics
        blocks: list[Block] = []
        if metrics is not None and metrics.architecture:
            blocks = network_blocks(metrics.architecture, dataset.image_shape)
        sections.append(Network(entry, metrics, tuple(blocks)))
    return tuple(sections)


def examples(entries: Entries, class_names: Sequence[str]) -> tuple[Examples, ...]:
    """Return the example predictions of the representative runs."""
    sections: list[Examples] = []
    for entry in entries:
        run = entry.representative
        gallery = None if run is None else read_gallery(run.path, class_names)
        groups: tuple[ExampleGroup, ...] = ()
        if gallery is not None:
            groups = (
                _example_group("correct", gallery.correct),
                _example_group("incorrect", gallery.incorrect),
            )
        sections.append(Examples(entry, gallery, groups))
    return tuple(sections)


def _example_group(kind: str, images: Sequence[GalleryImage]) -> ExampleGroup:
    return ExampleGroup(kind, tuple((image, thumbnail(image.pixels)) for image in images))


def contender_figures(
    matrices: Sequence[ConfusionMatrix],
    networks: Sequence[Network],
    examples: Sequence[Examples],
    class_names: Sequence[str],
) -> dict[str, DrawFigure]:
    """Return the functions that draw the files of these sections, one per contender."""
    names = file_names([network.entry.name for network in networks])
    figures: dict[str, DrawFigure] = {}
    for matrix in matrices:
        figures[f"confusion-{names[matrix.entry.name]}"] = partial(
            confusion_figure,
            matrix.entry,
            matrix.counts,
            class_names,
            matrix.largest,
            matrix.pairs,
        )
    for network in networks:
        if network.blocks:
            figures[f"architecture-{names[network.entry.name]}"] = partial(
                architecture_figure, network.entry, network.blocks
            )
    for example in examples:
        if example.gallery is not None:
            figures[f"gallery-{names[example.entry.name]}"] = partial(
                gallery_figure, example.entry, example.gallery
            )
    return figures


def contender_tables(
    matrices: Sequence[ConfusionMatrix],
    networks: Sequence[Network],
    examples: Sequence[Examples],
    class_names: Sequence[str],
) -> dict[str, FigureTable]:
    """Return the values of the figures of these sections."""
    names = file_names([network.entry.name for network in networks])
    tables: dict[str, FigureTable] = {}
    for matrix in matrices:
        table = confusion_table(matrix.counts, class_names)
        tables[f"confusion-{names[matrix.entry.name]}"] = table
    for network in networks:
        tables[f"architecture-{names[network.entry.name]}"] = block_table(network.blocks)
    for example in examples:
        if example.gallery is not None:
            tables[f"gallery-{names[example.entry.name]}"] = gallery_table(example.gallery)
    return tables


def file_names(contenders: Sequence[str]) -> dict[str, str]:
    """Return a file name for each contender; a number keeps equal names apart."""
    names: dict[str, str] = {}
    for contender in contenders:
        name = slug(contender)
        names[contender] = name if name not in names.values() else f"{name}-{len(names) + 1}"
    return names
