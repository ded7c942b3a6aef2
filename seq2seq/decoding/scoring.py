"""What models say of outputs that are already there: log-probabilities, attention, and what follows from them.

Shapes: ``T`` tokens of an output, ``S`` of its source.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from seq2seq.config import DecodingConfig
from seq2seq.corpus.subword import UNK, Subword
from seq2seq.corpus.words import join_words
from seq2seq.decoding.batches import within_budget, within_memory
from seq2seq.decoding.ensemble import Combination, combine
from seq2seq.decoding.models import Ensemble
from seq2seq.decoding.outputs import Translation, coverage_penalty, fill_unknown, unique
from seq2seq.errors import ConfigError
from seq2seq.search.hypothesis import Ranking, log_softmax

# Tokens scored together. A pair counts as _SHORT tokens at least, so 64 pairs are the most.
_TOKENS, _SHORT = 4096, 64
# Logits that are there at once: 8 MB in float32.
_CELLS = 1 << 21


def token_log_probs(
    ensemble: Ensemble,
    sources: Sequence[str],
    targets: Sequence[Sequence[int]],
    options: DecodingConfig | None = None,
) -> list[Tensor]:
    """Log-probability of each token of given outputs, the end mark included, in nats (Sutskever et al. 2014, eq. 1).

    Args:
        ensemble: one model or an ensemble.
        sources: what is translated; none is empty.
        targets: ids of the outputs.
        options: how an ensemble is combined; the system's own if None.

    Returns:
        (T + 1,) for each.
    """
    combination = (options or ensemble.config.decoding).combination
    together = max(1, _CELLS // len(ensemble.vocabularies.tgt))
    read = ensemble.lengths(sources) or [0] * len(sources)
    sizes = [max(_SHORT, len(target) + 1, size + 1) for target, size in zip(targets, read, strict=True)]
    # Longest first shows a lack of memory at once.
    order = sorted(range(len(targets)), key=lambda row: -sizes[row])

    def score(rows: Sequence[int]) -> list[Tensor]:
        with ensemble.ready():
            begun = ensemble.start([sources[row] for row in rows], [targets[row] for row in rows])
            decoders = [member.model.decoder for member in ensemble.members]
            features = [
                decoder(batch.tgt_in, state).flatten(0, 1)
                for decoder, (batch, state) in zip(decoders, begun, strict=True)
            ]
            wanted = begun[0][0].tgt_out
            outputs = [decoder.output for decoder in decoders]
            said = _said(features, outputs, wanted.flatten(), combination, together).view_as(wanted)
        return [tokens[: len(targets[row]) + 1] for row, tokens in zip(rows, said.cpu(), strict=True)]

    batches = within_budget(order, [sizes[row] for row in order], _TOKENS)
    found = within_memory(batches, score, lower="score shorter sentences")
    return [found[row] for row in range(len(targets))]


def _said(
    features: Sequence[Tensor], outputs: Sequence[nn.Module], wanted: Tensor, combination: Combination, together: int
) -> Tensor:
    """Log-probabilities (N,) of wanted tokens (N,), from the features (N, F) that each member's output layer reads.

    Logits over the vocabulary exist for so many positions together at a time.
    """
    parts, wanted = [], wanted.to(features[0].device)
    for start in range(0, len(wanted), together):
        part = slice(start, start + together)
        logits = [output(each[part]) for output, each in zip(outputs, features, strict=True)]
        parts.append(log_softmax(combine(logits, combination)).gather(1, wanted[part].unsqueeze(1)).squeeze(1))
    return torch.cat(parts)


def log_probs(
    ensemble: Ensemble,
    sources: Sequence[str],
    targets: Sequence[Sequence[int]],
    options: DecodingConfig | None = None,
) -> list[float]:
    """Log-probability of each output with its end mark, in nats; see :func:`token_log_probs`."""
    return [float(tokens.sum()) for tokens in token_log_probs(ensemble, sources, targets, options)]


def alignments(ensemble: Ensemble, sources: Sequence[str], targets: Sequence[Sequence[int]]) -> list[Tensor]:
    """Attention weights (T + 1, S) of each output's tokens and end mark over its source's tokens and end mark.

    Those of the first member that has attention, in the order of the text even where it is read back to front.

    Raises:
        ConfigError: none has attention.
    """
    attentive = [member.model.decoder.attention is not None for member in ensemble.members]
    if not any(attentive):
        raise ConfigError('this needs attention, and the model has none (model.attention = "none")')
    member = ensemble.members[attentive.index(True)]
    with ensemble.ready():
        batch, state = ensemble.start(sources, targets)[attentive.index(True)]
        weights = member.model.decoder.align(batch.tgt_in, state).float().cpu()
    if state.memory is None:
        raise ValueError("a decoder with attention has a memory")
    looks = []
    for look, mask, target in zip(weights, state.memory.mask.cpu(), targets, strict=True):
        own = look[: len(target) + 1, mask]
        if member.config.model.reverse_source and not ensemble.config.data.reads_images:
            own = torch.cat([own[:, :-1].flip(1), own[:, -1:]], dim=1)
        looks.append(own)
    return looks


def check_options(ensemble: Ensemble, options: DecodingConfig, *, requiring: bool) -> None:
    """Refuses what these models cannot do.

    Args:
        ensemble: the models.
        options: how they are to decode.
        requiring: whether outputs have to hold required words.

    Raises:
        ConfigError: naming the setting, and what it needs.
    """
    attends = any(member.model.decoder.attention is not None for member in ensemble.members)
    kind = ensemble.config.subword.type
    faults = []
    for name in ("coverage_penalty", "replace_unknown"):
        if getattr(options, name) and not attends:
            faults.append(f'decoding.{name} needs attention, found model.attention = "none"')
    if options.replace_unknown and kind != "word":
        faults.append(f'decoding.replace_unknown is for vocabularies of words, found subword.type = "{kind}"')
    if ensemble.config.data.reads_images and (options.min_ratio or options.max_ratio or options.replace_unknown):
        faults.append("decoding.min_ratio, max_ratio and replace_unknown are about source words: a picture has none")
    if requiring and (options.sample or options.diverse_groups > 1):
        faults.append("required words need a plain beam: leave out decoding.sample and decoding.diverse_groups")
    if faults:
        raise ConfigError("; ".join(faults))


def with_coverage(
    ensemble: Ensemble, sources: Sequence[str], found: list[list[Translation]], beta: float
) -> list[list[Translation]]:
    """Outputs with the coverage penalty in their scores, best first."""
    flat = [(source, output) for source, outputs in zip(sources, found, strict=True) for output in outputs]
    looks = alignments(ensemble, [source for source, _ in flat], [output.ids for _, output in flat])
    scored = iter(
        replace(output, score=output.score + coverage_penalty(look, beta))
        for (_, output), look in zip(flat, looks, strict=True)
    )
    return [sorted((next(scored) for _ in outputs), key=lambda output: -output.score) for outputs in found]


def with_source_words(
    ensemble: Ensemble, sources: Sequence[str], found: list[list[Translation]]
) -> list[list[Translation]]:
    """Outputs with a word of the source for each unknown one (Luong et al. 2015b, §3.2)."""
    lacking = [
        (place, number)
        for place, outputs in enumerate(found)
        for number, output in enumerate(outputs)
        if UNK in output.ids
    ]
    if lacking:
        outputs = [found[place][number] for place, number in lacking]
        origins = [sources[place] for place, _ in lacking]
        looks = alignments(ensemble, origins, [output.ids for output in outputs])
        for (place, number), output, source, look in zip(lacking, outputs, origins, looks, strict=True):
            pieces = fill_unknown(output.tokens, output.ids, source, look)
            found[place][number] = replace(output, text=join_words(pieces), tokens=tuple(pieces))
    return found


def canonical(
    ensemble: Ensemble, sources: Sequence[str], found: list[list[Translation]], options: DecodingConfig
) -> list[list[Translation]]:
    """Each text once, with the score that it has as the tokeniser writes it, best first.

    Search may come upon a text in an unusual spelling (``ca·sa``), whose probability is not that of the usual one.
    """
    if options.mbr or options.replace_unknown:
        return [unique(outputs) for outputs in found]
    tgt = ensemble.vocabularies.tgt
    ranking = Ranking(normalisation=options.normalisation, length_penalty=options.length_penalty)
    settled = []
    for source, outputs in zip(sources, found, strict=True):
        usual = {output.text: _usual(tgt, output) for output in outputs}
        each = [output for output in outputs if output.ids == usual[output.text]]
        odd = sorted(usual.keys() - {output.text for output in each})
        totals = log_probs(ensemble, [source] * len(odd), [usual[text] for text in odd], options)
        again = [
            Translation(
                text, ranking.score(total, len(usual[text])), tuple(tgt.pieces(usual[text])), usual[text], total
            )
            for text, total in zip(odd, totals, strict=True)
        ]
        if odd and options.coverage_penalty:
            (again,) = with_coverage(ensemble, [source], [again], options.coverage_penalty)
        settled.append(unique(each + again))
    return settled


def _usual(tgt: Subword, output: Translation) -> tuple[int, ...]:
    """Ids of an output as the tokeniser writes it; its own where it cannot (a letter and an accent melted)."""
    ids = tuple(tgt.encode(output.text))
    return output.ids if UNK in ids else ids
