"""One error for the several ways in which torch and numpy report too little memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from headstart.errors import TooLittleMemory

# Messages of torch's allocator, its C++ parts and oneDNN. The last was seen in processes limited to
# less than 1 GB.
_MEMORY_MESSAGES = ("can't allocate memory", "bad_alloc", "could not create a primitive")


@contextmanager
def translate_memory_errors() -> Iterator[None]:
    """Raise TooLittleMemory for the several errors of torch and numpy that mean it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        is_memory_error = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if is_memory_error or any(text in str(error) for text in _MEMORY_MESSAGES):
            raise TooLittleMemory(
                "there is not enough memory for this run.",
                "Try a smaller --batch or --image-size, or a smaller network.",
            ) from error
        raise
