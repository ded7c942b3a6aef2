"""The table ``[decoding]``: defaults of ``translate``, ``caption`` and ``evaluate``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from seq2seq.config.ranges import Range, range_faults
from seq2seq.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodingConfig:
    """How outputs are searched for; the command line overrides it. ``docs/decoding.md`` has an example of each."""

    beam: Annotated[int, Range(1, 1000)] = 5
    """Hypotheses kept for each sentence; 1 is greedy search."""
    normalisation: Literal["gnmt", "average", "none"] = "gnmt"
    """Divisor of log-probabilities, so that hypotheses of different lengths can be compared: ``((5 + length) / 6) **
    length_penalty`` (Wu et al. 2016, eq. 14), the length, or 1."""
    length_penalty: Annotated[float, Range(0, 10)] = 1.0
    """α, the exponent of ``gnmt``; 0 compares plain log-probabilities."""
    coverage_penalty: Annotated[float, Range(0, 10)] = 0.0
    """β of Wu et al. 2016, eq. 14: penalises source positions that got little attention. Needs attention."""
    min_length: Annotated[int, Range(0, 100_000)] = 0
    """Minimum tokens of an output."""
    max_length: Annotated[int, Range(0, 100_000)] = 0
    """Maximum tokens of an output; 0: as ``max_ratio`` says, or else half as many again as the longest training targets
    whose sources have about this length, plus 5."""
    min_ratio: Annotated[float, Range(0, 100)] = 0.0
    """Minimum tokens of an output for each token of its source."""
    max_ratio: Annotated[float, Range(0, 100)] = 0.0
    """Maximum tokens of an output for each token of its source; 0: no such limit."""
    no_repeat_ngram: Annotated[int, Range(0, 100)] = 0
    """No n-gram of this order occurs twice in an output (Paulus et al. 2018, §2.5); 0: no such rule."""
    diverse_groups: Annotated[int, Range(1, 1000)] = 1
    """Groups that the beam is divided into, which avoid one another's tokens (Vijayakumar et al. 2018)."""
    diversity: Annotated[float, Range(0, 100)] = 0.5
    """λ there: penalty of a token, in nats, for each earlier group that chose it at the same step."""
    sample: bool = False
    """Sample outputs from the model instead of searching for the best."""
    temperature: Annotated[float, Range(0.01, 100)] = 1.0
    """Logits are divided by it before sampling; below 1, likely tokens become likelier."""
    top_k: Annotated[int, Range(0, 10_000_000)] = 0
    """Sample from this many likeliest tokens (Fan et al. 2018, §5.1); 0: from all."""
    top_p: Annotated[float, Range(1e-6, 1)] = 1.0
    """Sample from the fewest tokens that together have this probability (Holtzman et al. 2020, §3.1)."""
    seed: Annotated[int, Range(0, 2**63 - 1)] = 1
    """Seed of sampling. A sentence's samples depend on it and on the sentence, not on the rest of the batch."""
    mbr: Annotated[int, Range(0, 1000)] = 0
    """Minimum Bayes risk: choose, of this many candidates, the one closest to all others by chrF; 0: the best one."""
    replace_unknown: bool = False
    """Replace <unk> in outputs by the most attended source word; for vocabularies of words, needs attention."""
    combination: Literal["average", "log-linear"] = "average"
    """How an ensemble's members are combined: mean of probabilities or of log-probabilities."""
    batch_tokens: Annotated[int | Literal["auto"], Range(1, 10_000_000)] = "auto"
    """Source tokens times beam in a batch; ``auto``: 4000 on a CPU, more on a GPU, as its memory allows."""

    def greedy(self) -> "DecodingConfig":
        """Plain greedy search for outputs of the same greatest length, whatever else is set."""
        return DecodingConfig(
            beam=1, max_length=self.max_length, max_ratio=self.max_ratio, batch_tokens=self.batch_tokens
        )


def decoding_faults(decoding: DecodingConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    yield from range_faults("decoding", decoding)
    yield from _contradictions(decoding)


def unused_settings(decoding: DecodingConfig) -> Iterator[tuple[str, str]]:
    """Names of settings that were changed but that other settings leave without effect, each with the reason."""
    conditions = (
        (
            decoding.sample,
            "decoding.sample = true (add --no-sample)",
            ("diverse_groups", "diversity", "coverage_penalty"),
        ),
        (not decoding.sample, "decoding.sample = false (add --sample)", ("temperature", "top_k", "top_p")),
        (
            decoding.normalisation != "gnmt",
            f'decoding.normalisation = "{decoding.normalisation}" (add --normalisation gnmt)',
            ("length_penalty",),
        ),
        (decoding.diverse_groups == 1, "decoding.diverse_groups = 1 (add --diverse-groups)", ("diversity",)),
    )
    defaults = DecodingConfig()
    for unused, reason, names in conditions:
        if unused:
            yield from ((name, reason) for name in names if getattr(decoding, name) != getattr(defaults, name))


def _contradictions(decoding: DecodingConfig) -> Iterator[str]:
    """Settings that do not go together."""
    for name, reason in unused_settings(decoding):
        yield f"decoding.{name} has no meaning with {reason}"
    for low, high in (("min_length", "max_length"), ("min_ratio", "max_ratio")):
        least, most = getattr(decoding, low), getattr(decoding, high)
        if 0 < most < least:
            yield f"decoding.{low} = {least} is more than decoding.{high} = {most}"
    if decoding.diverse_groups and decoding.beam % decoding.diverse_groups:
        yield f"decoding.diverse_groups = {decoding.diverse_groups} cannot share out decoding.beam = {decoding.beam}"
    if decoding.mbr == 1:
        yield "decoding.mbr = 1 leaves nothing to choose from: expected at least 2, or 0 for none"
    if decoding.mbr > decoding.beam and not decoding.sample:
        yield f"decoding.mbr = {decoding.mbr} needs as many candidates, found decoding.beam = {decoding.beam}"


def check_nbest(decoding: DecodingConfig, count: int) -> None:
    """Checks that search can find a list of so many outputs.

    Raises:
        ConfigError: it cannot.
    """
    if count > decoding.beam and not decoding.sample:
        raise ConfigError(f"nbest = {count} is more than beam = {decoding.beam}: a beam of K finds K outputs")
    if count and 0 < decoding.mbr < count:
        raise ConfigError(f"nbest = {count} is more than mbr = {decoding.mbr} candidates")
