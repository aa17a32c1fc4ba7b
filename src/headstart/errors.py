"""The few exceptions of the house. Each is a decision about what happens next, and each carries its exit status."""

from __future__ import annotations


class HeadstartError(Exception):
    """A failure we understand: what was found and wanted, then what to do next.

    Args:
        message: what was found, and what was wanted.
        hint: what the user can do next; printed below the message.
    """

    exit_code: int = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if not self.hint else f"{self.message}\n  {self.hint}"


class RunFailed(HeadstartError):
    """A run could not go on (a non-finite loss, say). Other runs of a study may."""

    exit_code = 1


class InputError(HeadstartError):
    """What the user gave cannot be used: data, option, recipe or folder."""

    exit_code = 2


class ResourceError(HeadstartError):
    """The machine lacks something: disk space, permission to write, memory, a free lock, a source that answers."""

    exit_code = 3


class TooLittleMemory(ResourceError):
    """A run needs more memory than there is, or than it may have. Other runs of a study may need less."""


class Stopped(HeadstartError):
    """A signal asked to stop, and what can go on later was saved.

    Args:
        signum: the signal's number; the exit status is 128 more, as shells count.
    """

    exit_code: int

    def __init__(self, signum: int, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.signum = signum
        self.exit_code = 128 + signum

    def __reduce__(self) -> tuple[type[Stopped], tuple[int, str, str]]:
        return type(self), (self.signum, self.message, self.hint)


def suggest_name(word: str, known: list[str] | tuple[str, ...]) -> str:
    """`did you mean 'x'?` for the known word closest to `word`, or the list of known words when none is close."""
    found = did_you_mean(word, known)
    return found[2:] if found != "." else "known: " + ", ".join(known)


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """`: did you mean 'x'?`, or a full stop when none is close: for a message whose hint lists the known words."""
    import difflib

    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f": did you mean '{close[0]}'?" if close else "."
