"""How short and how long an output may be.

Without a maximum of the user's, the training part decides. A maximum that the user set overrides any minimum, but the
default maximum does not. Constraints override both.
"""

import math
from collections.abc import Sequence

from seq2seq.config import DecodingConfig
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.errors import warn, warn_once

# A picture counts as a source of one token.
_PICTURE = 1


def limits(size: int | None, options: DecodingConfig, trained: TargetLengths) -> tuple[int, int]:
    """Least and most tokens of an output.

    Args:
        size: tokens of its source; None for a picture.
        options: the four settings that limit lengths.
        trained: how long targets were in training.
    """
    least = max(options.min_length, math.ceil(options.min_ratio * (size or 0)))
    maxima = [options.max_length] if options.max_length else []
    if size is not None and options.max_ratio:
        maxima.append(math.ceil(options.max_ratio * size))
    most = min(maxima) if maxima else max(trained.most(size or _PICTURE), least)
    return min(least, most), most


def room_for_constraints(most: Sequence[int], needed: Sequence[int], options: DecodingConfig) -> tuple[int, ...]:
    """The most tokens of each output, raised to what its constraints need."""
    is_set = options.max_length or options.max_ratio
    if is_set and any(tokens > length for tokens, length in zip(needed, most, strict=True)):
        warn_once("constraints need longer outputs than decoding.max_length or max_ratio allow: the limits are raised")
    return tuple(map(max, most, needed))


def warn_of_cut_outputs(count: int) -> None:
    """A warning, if there are any, that outputs reached the most tokens they may have."""
    if count:
        outputs = "1 output is" if count == 1 else f"{count:,} outputs are"
        warn(
            f"{outputs} as long as outputs may be, so the rest may be missing: "
            "allow more with decoding.max_length or max_ratio (--max-length, --max-ratio)"
        )
