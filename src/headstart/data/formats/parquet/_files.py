"""Parquet and Arrow files, read in batches of rows. PyArrow is imported where it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart import store
from headstart.errors import InputError, ResourceError

PARQUET_SUFFIXES = frozenset({".parquet", ".pq", ".parq"})
ARROW_SUFFIXES = frozenset({".arrow", ".feather", ".ipc"})
ROW_SUFFIXES = PARQUET_SUFFIXES | ARROW_SUFFIXES
_ROWS_PER_BATCH = 128
_READ_BUFFER_BYTES = 1 << 20  # A column is read through it, so a row group may exceed memory.


def import_pyarrow() -> Any:
    """Import PyArrow.

    Raises:
        ResourceError: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ResourceError(
            "PyArrow is not installed, and Parquet and Arrow files need it.",
            "Install it: pip install 'headstart[parquet]'",
        ) from error
    return pyarrow


def is_row_file(path: Path) -> bool:
    """Return whether a file's name ends like that of a Parquet or Arrow file."""
    return path.suffix.lower() in ROW_SUFFIXES


def read_schema(path: Path) -> Any:
    """Return the `pyarrow.Schema` of a file.

    Raises:
        InputError: The file is damaged or incomplete.
        ResourceError: PyArrow is not installed.
    """
    arrow = import_pyarrow()
    with translate_arrow_errors(path):
        if path.suffix.lower() in PARQUET_SUFFIXES:
            with arrow.parquet.ParquetFile(path) as file:
                return file.schema_arrow
        with arrow.memory_map(str(path)) as source:
            return _open_arrow(arrow, source).schema


def read_batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a file as `pyarrow.RecordBatch`es, in bounded memory.

    Args:
        path: The file.
        columns: Names of the columns. `image.path` is a field of a column of structs.

    Raises:
        InputError: The file is damaged or incomplete.
        ResourceError: PyArrow is not installed.
    """
    arrow = import_pyarrow()
    with translate_arrow_errors(path):
        if path.suffix.lower() in PARQUET_SUFFIXES:
            options = {"buffer_size": _READ_BUFFER_BYTES, "pre_buffer": False}
            with arrow.parquet.ParquetFile(path, **options) as file:
                yield from file.iter_batches(batch_size=_ROWS_PER_BATCH, columns=list(columns))
            return

        names = list(dict.fromkeys(column.split(".")[0] for column in columns))
        with arrow.memory_map(str(path)) as source:
            for batch in _arrow_batches(_open_arrow(arrow, source)):
                for start in range(0, batch.num_rows, _ROWS_PER_BATCH):
                    yield batch.slice(start, _ROWS_PER_BATCH).select(names)


def _open_arrow(arrow: Any, source: Any) -> Any:
    """Open an Arrow file, of the streaming form or of the one with a footer."""
    try:
        return arrow.ipc.open_stream(source)
    except arrow.ArrowInvalid:
        source.seek(0)
        return arrow.ipc.open_file(source)


def _arrow_batches(reader: Any) -> Iterator[Any]:
    if hasattr(reader, "num_record_batches"):
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from reader


@contextmanager
def translate_arrow_errors(path: Path) -> Iterator[None]:
    """Replace errors of the block, which reads a file with PyArrow, by an InputError.

    Raises:
        InputError: The file is damaged or incomplete, or text in it is not UTF-8.
    """
    arrow = import_pyarrow()
    store.require_regular(path)
    try:
        yield
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).splitlines()[0][:200].rstrip(".")
        raise InputError(
            f"{path} cannot be read ({path.stat().st_size:,} bytes): {reason}.",
            "It is damaged or incomplete. Download it again.",
        ) from error
