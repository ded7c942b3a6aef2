"""The table ``[decoding]``: defaults of ``translate`` and ``evaluate``."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from seq2seq.config.ranges import Ranges, range_faults


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodingConfig:
    """Defaults of ``translate`` and ``evaluate``; the command line can override them."""

    beam: int = 5
    length_penalty: float = 1.0
    """Exponent alpha of Wu et al. 2016, eq. 14; 0 compares plain log-probabilities."""
    max_length: int = 0
    """Most tokens of a translation; 0: twice the source's and 10."""
    batch_tokens: int = 4000
    """Source tokens times beam that are decoded together."""

    def greedy(self) -> "DecodingConfig":
        """The same without a beam."""
        return replace(self, beam=1)


# Bounds that keep a mistyped or malicious recipe from asking for all the memory there is.
_RANGES: Ranges = {
    "beam": (1, 1000),
    "length_penalty": (0, 10),
    "max_length": (0, 100_000),
    "batch_tokens": (1, 10_000_000),
}


def decoding_faults(decoding: DecodingConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    yield from range_faults("decoding", decoding, _RANGES)
