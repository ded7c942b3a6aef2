"""How short and how long an output may be.

A maximum that was asked for goes before any minimum; the one that is there by default gives way. What is required
goes before all.
"""

import math
from collections.abc import Sequence

from seq2seq.config import DecodingConfig
from seq2seq.errors import warn_once

# A caption has no source length to go by.
_LONGEST_CAPTION = 50


def limits(size: int | None, options: DecodingConfig) -> tuple[int, int]:
    """Least and most tokens of an output.

    Args:
        size: tokens of its source; None where that says nothing.
        options: their four limits.
    """
    least = max(options.min_length, math.ceil(options.min_ratio * (size or 0)))
    most = options.max_length or max(_LONGEST_CAPTION if size is None else 2 * size + 10, least)
    if size is not None and options.max_ratio:
        most = min(most, math.ceil(options.max_ratio * size))
    return min(least, most), most


def room_for_constraints(most: Sequence[int], needed: Sequence[int], options: DecodingConfig) -> tuple[int, ...]:
    """Most tokens of each output, so many at least as its constraints need."""
    asked = options.max_length or options.max_ratio
    if asked and any(tokens > length for tokens, length in zip(needed, most, strict=True)):
        warn_once(
            "constraints need longer outputs than decoding.max_length or max_ratio allow: they are as long as "
            "that takes"
        )
    return tuple(map(max, most, needed))
