"""The table ``[decoding]``: defaults of ``translate``, ``caption`` and ``evaluate``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from seq2seq.config.ranges import Ranges, range_faults


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodingConfig:
    """How outputs are searched for; the command line can override it. ``docs/decoding.md`` has an example of each."""

    beam: int = 5
    """Hypotheses kept for each sentence; 1 is greedy search."""
    normalisation: Literal["gnmt", "average", "none"] = "gnmt"
    """What log-probabilities are divided by before hypotheses of different lengths are compared: ``((5 + length) / 6)
    ** length_penalty`` (Wu et al. 2016, eq. 14), the length, or nothing."""
    length_penalty: float = 1.0
    """Exponent alpha of ``gnmt``; 0 compares plain log-probabilities."""
    coverage_penalty: float = 0.0
    """β of Wu et al. 2016, eq. 14: source words that got little attention make an output worse. Needs attention."""
    min_length: int = 0
    """Least tokens of an output."""
    max_length: int = 0
    """Most tokens of an output; 0: twice the source's and 10."""
    min_ratio: float = 0.0
    """Least tokens of an output for each token of its source."""
    max_ratio: float = 0.0
    """Most tokens of an output for each token of its source; 0: no such limit."""
    no_repeat_ngram: int = 0
    """No run of this many tokens comes twice in an output (Paulus et al. 2018, §2.5); 0: it may."""
    diverse_groups: int = 1
    """Groups that share the beam and avoid one another's words (Vijayakumar et al. 2018)."""
    diversity: float = 0.5
    """What a token costs for each group before that chose it at the same step, in nats (λ there)."""
    sample: bool = False
    """BatchRef outputs at random from the model instead of searching for the best."""
    temperature: float = 1.0
    """Logits are divided by it before drawing: below 1 likely tokens become likelier still."""
    top_k: int = 0
    """BatchRef from this many likeliest tokens (Fan et al. 2018, §5.1); 0: from all."""
    top_p: float = 1.0
    """BatchRef from the fewest tokens that together have this probability (Holtzman et al. 2020, §3.1)."""
    seed: int = 1
    """Of drawing. A sentence's draws depend on it and on the sentence alone, not on what else is translated."""
    mbr: int = 0
    """Choose, of this many candidates, the one closest to all others (minimum Bayes risk); 0: the best one."""
    replace_unknown: bool = False
    """Write the most attended source word where an output says <unk>; for vocabularies of words, needs attention."""
    combination: Literal["average", "log-linear"] = "average"
    """How an ensemble's members are combined: mean of probabilities, or of their logarithms."""
    batch_tokens: int = 4000
    """Source tokens times beam that are decoded together."""

    def greedy(self) -> "DecodingConfig":
        """Plain greedy search, whatever else is set."""
        return DecodingConfig(beam=1, max_length=self.max_length, batch_tokens=self.batch_tokens)


# Bounds that keep a mistyped or malicious recipe from asking for all the memory there is.
_RANGES: Ranges = {
    "beam": (1, 1000),
    "length_penalty": (0, 10),
    "coverage_penalty": (0, 10),
    "min_length": (0, 100_000),
    "max_length": (0, 100_000),
    "min_ratio": (0, 100),
    "max_ratio": (0, 100),
    "no_repeat_ngram": (0, 100),
    "diverse_groups": (1, 1000),
    "diversity": (0, 100),
    "temperature": (0.01, 100),
    "top_k": (0, 10_000_000),
    "top_p": (1e-6, 1),
    "seed": (0, 2**63 - 1),
    "mbr": (0, 1000),
    "batch_tokens": (1, 10_000_000),
}


def decoding_faults(decoding: DecodingConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    yield from range_faults("decoding", decoding, _RANGES)
    yield from _contradictions(decoding)


def unused_settings(decoding: DecodingConfig) -> Iterator[tuple[str, str]]:
    """Settings that were changed, yet have no meaning beside the others, each with the reason."""
    of_beam = ("diverse_groups", "diversity", "coverage_penalty")
    of_drawing = ("temperature", "top_k", "top_p")
    useless = {
        "decoding.sample = true": of_beam if decoding.sample else (),
        "decoding.sample = false": () if decoding.sample else of_drawing,
        f'decoding.normalisation = "{decoding.normalisation}"': _if(decoding.normalisation != "gnmt", "length_penalty"),
        f"decoding.diverse_groups = {decoding.diverse_groups}": _if(decoding.diverse_groups == 1, "diversity"),
    }
    for reason, names in useless.items():
        yield from ((name, reason) for name in names if _changed(decoding, name))


def _contradictions(decoding: DecodingConfig) -> Iterator[str]:
    """Settings that do not go together."""
    for name, reason in unused_settings(decoding):
        yield f"decoding.{name} has no meaning with {reason}"
    for low, high in (("min_length", "max_length"), ("min_ratio", "max_ratio")):
        least, most = getattr(decoding, low), getattr(decoding, high)
        if 0 < most < least:
            yield f"decoding.{low} = {least} is more than decoding.{high} = {most}"
    if decoding.beam % decoding.diverse_groups:
        yield f"decoding.diverse_groups = {decoding.diverse_groups} cannot share out decoding.beam = {decoding.beam}"
    if decoding.mbr == 1:
        yield "decoding.mbr = 1 leaves nothing to choose from: expected at least 2, or 0 for none"
    if decoding.mbr > decoding.beam and not decoding.sample:
        yield f"decoding.mbr = {decoding.mbr} needs as many candidates, found decoding.beam = {decoding.beam}"


def _if(condition: bool, *names: str) -> tuple[str, ...]:
    return names if condition else ()


def _changed(decoding: DecodingConfig, name: str) -> bool:
    return bool(getattr(decoding, name) != getattr(DecodingConfig(), name))
