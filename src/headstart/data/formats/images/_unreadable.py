"""The error of an image that cannot be read."""


class UnreadableImage(Exception):
    """An image file that cannot be decoded.

    The text is the reason, and fits after the name of the file: "is empty (0 bytes)".
    """


class UnreadableMetadata(UnreadableImage):
    """A PNG whose texts or profile cannot be read. Without them, its pixels may be readable."""


class FileNotReadable(UnreadableImage):
    """The system could not read a file: no permission, a disk or network error. It may pass."""


class ScaleNeeded(UnreadableImage):
    """An image has more than eight bits per channel, and its dataset has no scale yet."""
