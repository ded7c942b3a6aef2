"""Texts of unknown origin, made fit for a page."""

import re

# Characters that XML cannot hold.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """The text with U+FFFD in place of each character that XML cannot hold."""
    return _UNPRINTABLE.sub("\ufffd", text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and ``…`` if it has more than ``most`` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
