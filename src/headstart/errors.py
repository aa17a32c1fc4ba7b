"""The exceptions of Headstart, each with its exit status.

An exception class stands for a decision about what happens next. There are few of them.
"""

from __future__ import annotations


class HeadstartError(Exception):
    """Base class of the failures that Headstart explains to the user.

    Args:
        message: What is wrong: what was expected and what was found.
        hint: What the user can do next. It is printed below the message.
    """

    exit_code: int = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if not self.hint else f"{self.message}\n  {self.hint}"


class RunFailed(HeadstartError):
    """A run that cannot continue, for example after a non-finite loss.

    The other runs of a study may still succeed.
    """

    exit_code = 1


class InputError(HeadstartError):
    """Invalid input: data, an option, a recipe or a folder that the user gave."""

    exit_code = 2


class ResourceError(HeadstartError):
    """A missing resource: disk space, a permission, memory, a lock or a download server."""

    exit_code = 3


class TooLittleMemory(ResourceError):
    """A run that needs more memory than the machine has or allows.

    The other runs of a study may need less.
    """


class Stopped(HeadstartError):
    """A stop requested by a signal, after everything needed to resume was saved.

    Args:
        signum: Number of the signal. The exit status is 128 plus this number, as in shells.
        message: What was stopped.
        hint: How to resume.
    """

    exit_code: int

    def __init__(self, signum: int, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.signum = signum
        self.exit_code = 128 + signum

    def __reduce__(self) -> tuple[type[Stopped], tuple[int, str, str]]:
        return type(self), (self.signum, self.message, self.hint)


def suggest_name(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return a hint for an unknown name: `did you mean 'x'?`, or the list of known names.

    Args:
        word: The unknown name.
        known: The known names. All are listed when none of them is similar to `word`.
    """
    suggestion = did_you_mean(word, known)
    if suggestion == ".":
        return "known: " + ", ".join(known)
    return suggestion.removeprefix(": ")


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return the end of a message about an unknown name: `: did you mean 'x'?`, or a full stop.

    It suits messages whose hint lists the known names.

    Args:
        word: The unknown name.
        known: The known names. A full stop is returned when none of them is similar to `word`.
    """
    import difflib

    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f": did you mean '{close[0]}'?" if close else "."
