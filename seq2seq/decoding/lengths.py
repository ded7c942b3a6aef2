"""How short and how long an output may be.

A maximum that the user set overrides any minimum, but the default maximum does not. Constraints override both.
"""

import math
from collections.abc import Sequence

from seq2seq.config import DecodingConfig
from seq2seq.errors import warn_once

# Pictures have no length that could limit their captions'.
_LONGEST_CAPTION = 50


def limits(size: int | None, options: DecodingConfig) -> tuple[int, int]:
    """Least and most tokens of an output.

    Args:
        size: tokens of its source; None for a picture.
        options: the four settings that limit lengths.
    """
    least = max(options.min_length, math.ceil(options.min_ratio * (size or 0)))
    most = options.max_length or max(_LONGEST_CAPTION if size is None else 2 * size + 10, least)
    if size is not None and options.max_ratio:
        most = min(most, math.ceil(options.max_ratio * size))
    return min(least, most), most


def room_for_constraints(most: Sequence[int], needed: Sequence[int], options: DecodingConfig) -> tuple[int, ...]:
    """The most tokens of each output, raised to what its constraints need."""
    is_set = options.max_length or options.max_ratio
    if is_set and any(tokens > length for tokens, length in zip(needed, most, strict=True)):
        warn_once("constraints need longer outputs than decoding.max_length or max_ratio allow: the limits are raised")
    return tuple(map(max, most, needed))
