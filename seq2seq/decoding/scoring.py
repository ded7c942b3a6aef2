"""Log-probabilities and attention of given outputs, and what is computed from them.

Shapes: ``N`` target tokens of a batch, ``F`` features of the output layer, ``T`` tokens of an output, ``S`` of its
source.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from seq2seq.config import DecodingConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.placeholders import Placeholders
from seq2seq.corpus.subword import UNK, Subword
from seq2seq.corpus.words import join_words
from seq2seq.decoding.batches import within_budget, within_memory
from seq2seq.decoding.ensemble import Combination, Ensemble, combine
from seq2seq.decoding.outputs import Translation, coverage_penalty, fill_unknown, unique
from seq2seq.engines.engine import log_softmax
from seq2seq.errors import ConfigError
from seq2seq.search.hypothesis import Ranking

# Tokens of a batch. A pair counts as _SHORT tokens at least, so that a batch has 64 pairs at most.
_TOKENS, _SHORT = 4096, 64
# Logits in memory at once: 8 MB in float32.
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
        sources: none is empty.
        targets: ids of the outputs.
        options: how an ensemble is combined; None: as the first member's ``[decoding]`` says.

    Returns:
        (T + 1,) for each.
    """

    def read(scores: Tensor, wanted: Tensor) -> Tensor:
        return scores.gather(1, wanted.unsqueeze(1))

    return [tokens.squeeze(1) for tokens in _read_tokens(ensemble, sources, targets, options, read)]


def guesses(ensemble: Ensemble, sources: Sequence[str], targets: Sequence[Sequence[int]]) -> list[Tensor]:
    """The most probable token at each place of given outputs, the end mark's included, after the given ones before it.

    Args:
        ensemble: one model or an ensemble.
        sources: none is empty.
        targets: ids of the outputs.

    Returns:
        (T + 1, 2) for each: its probability, and 1 if it is the given token, else 0.
    """

    def read(scores: Tensor, wanted: Tensor) -> Tensor:
        best = scores.max(1)
        return torch.stack([best.values.exp(), (best.indices == wanted).float()], dim=1)

    return _read_tokens(ensemble, sources, targets, None, read)


Read = Callable[[Tensor, Tensor], Tensor]
"""Log-probabilities (N, V) and the given tokens (N,) → the numbers that are wanted of each, (N, C)."""


def _read_tokens(
    ensemble: Ensemble,
    sources: Sequence[str],
    targets: Sequence[Sequence[int]],
    options: DecodingConfig | None,
    read: Read,
) -> list[Tensor]:
    """What is wanted of each token of given outputs and its end mark, (T + 1, C) for each output."""
    combination = (options or ensemble.config.decoding).combination
    chunk = max(1, _CELLS // len(ensemble.vocabularies.tgt))
    lengths = ensemble.reader.lengths(sources) or [0] * len(sources)
    sizes = [max(_SHORT, len(target) + 1, length + 1) for target, length in zip(targets, lengths, strict=True)]
    # The longest first, so that a lack of memory shows at once.
    order = sorted(range(len(targets)), key=lambda row: -sizes[row])

    def score(rows: Sequence[int]) -> list[Tensor]:
        with ensemble.ready():
            starts = ensemble.start([sources[row] for row in rows], [targets[row] for row in rows])
            decoders = [member.model.decoder for member in ensemble.members]
            features = [
                decoder(batch.tgt_in, state).flatten(0, 1)
                for decoder, (batch, state) in zip(decoders, starts, strict=True)
            ]
            tgt_out = starts[0][0].tgt_out
            layers = [decoder.output for decoder in decoders]
            numbers = _read_in_chunks(features, layers, tgt_out.flatten(), combination, chunk, read)
            scores = numbers.view(*tgt_out.shape, -1)
        return [tokens[: len(targets[row]) + 1] for row, tokens in zip(rows, scores.cpu(), strict=True)]

    batches = within_budget(order, [sizes[row] for row in order], _TOKENS)
    scores = within_memory(batches, score, lower="score shorter sentences")
    return [scores[row] for row in range(len(targets))]


def _read_in_chunks(
    features: Sequence[Tensor],
    layers: Sequence[nn.Module],
    targets: Tensor,
    combination: Combination,
    chunk: int,
    read: Read,
) -> Tensor:
    """What is wanted of target tokens (N,), from the features (N, F) that each member's output layer reads, (N, C).

    Logits over the vocabulary exist for ``chunk`` tokens at a time.
    """
    parts, targets = [], targets.to(features[0].device)
    for start in range(0, len(targets), chunk):
        part = slice(start, start + chunk)
        log_probs = [log_softmax(layer(inputs[part])) for layer, inputs in zip(layers, features, strict=True)]
        parts.append(read(combine(log_probs, combination), targets[part]))
    return torch.cat(parts)


def as_read(ensemble: Ensemble, pair: Pair) -> Pair:
    """A source and an output of it as the models read and write them: with placeholders for what is protected."""
    if ensemble.config.data.reads_images:
        return pair  # the source is the name of a picture
    protected = Placeholders.of(ensemble.config.subword.protect).protect(pair.src)
    return Pair(protected.text, protected.mask(pair.tgt))


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

    They are the first attentive member's, in the order of the text even where it reads sources reversed.

    Raises:
        ConfigError: none has attention.
    """
    number = attentive_member(ensemble)
    member = ensemble.members[number]
    with ensemble.ready():
        batch, state = ensemble.start(sources, targets)[number]
        weights = member.model.decoder.align(batch.tgt_in, state).float().cpu()
    if state.memory is None:
        raise ValueError("a decoder with attention has a memory")
    unpadded = []
    for padded, mask, target in zip(weights, state.memory.mask.cpu(), targets, strict=True):
        attention = padded[: len(target) + 1, mask]
        if member.config.model.reverse_source and not ensemble.config.data.reads_images:
            attention = torch.cat([attention[:, :-1].flip(1), attention[:, -1:]], dim=1)
        unpadded.append(attention)
    return unpadded


def attentive_member(ensemble: Ensemble) -> int:
    """The number of the first member that has attention.

    Raises:
        ConfigError: none has.
    """
    for number, member in enumerate(ensemble.members):
        if member.model.decoder.attention is not None:
            return number
    raise ConfigError('this needs attention, and the model has none (model.attention = "none")')


def with_coverage(
    ensemble: Ensemble, sources: Sequence[str], lists: list[list[Translation]], beta: float
) -> list[list[Translation]]:
    """Outputs with the coverage penalty in their scores, best first."""
    flat = [(source, output) for source, outputs in zip(sources, lists, strict=True) for output in outputs]
    attention = alignments(ensemble, [source for source, _ in flat], [output.ids for _, output in flat])
    scored = iter(
        replace(output, score=output.score + coverage_penalty(weights, beta))
        for (_, output), weights in zip(flat, attention, strict=True)
    )
    return [sorted((next(scored) for _ in outputs), key=lambda output: -output.score) for outputs in lists]


def with_source_words(
    ensemble: Ensemble, sources: Sequence[str], lists: list[list[Translation]]
) -> list[list[Translation]]:
    """Outputs with each unknown word replaced by a word of the source (Luong et al. 2015b, §3.2)."""
    unknown = [
        (source, output)
        for source, outputs in zip(sources, lists, strict=True)
        for output in outputs
        if UNK in output.ids
    ]
    if not unknown:
        return lists
    attention = iter(alignments(ensemble, [source for source, _ in unknown], [output.ids for _, output in unknown]))

    def filled(source: str, output: Translation) -> Translation:
        if UNK not in output.ids:
            return output
        pieces = fill_unknown(output.tokens, output.ids, source, next(attention), ensemble.vocabularies.src)
        return replace(output, text=join_words(pieces), tokens=tuple(pieces))

    return [[filled(source, output) for output in outputs] for source, outputs in zip(sources, lists, strict=True)]


def canonical(
    ensemble: Ensemble, sources: Sequence[str], lists: list[list[Translation]], options: DecodingConfig
) -> list[list[Translation]]:
    """Each text once, with the score of its canonical segmentation, best first.

    Search may find a text in another segmentation (``ca·sa``), which has another probability.
    """
    if options.mbr or options.replace_unknown:
        return [unique(outputs) for outputs in lists]
    tgt, ranking = ensemble.vocabularies.tgt, Ranking.of(options)
    rescored_lists = []
    for source, outputs in zip(sources, lists, strict=True):
        ids = {output.text: _canonical_ids(tgt, output) for output in outputs}
        cut = {output.text for output in outputs if output.cut}
        usual = [output for output in outputs if output.ids == ids[output.text]]
        others = sorted(ids.keys() - {output.text for output in usual})
        totals = log_probs(ensemble, [source] * len(others), [ids[text] for text in others], options)
        rescored = [
            Translation(
                text, ranking.score(total, len(ids[text])), tuple(tgt.pieces(ids[text])), ids[text], total, text in cut
            )
            for text, total in zip(others, totals, strict=True)
        ]
        if others and options.coverage_penalty:
            (rescored,) = with_coverage(ensemble, [source], [rescored], options.coverage_penalty)
        rescored_lists.append(unique(usual + rescored))
    return rescored_lists


def _canonical_ids(tgt: Subword, output: Translation) -> tuple[int, ...]:
    """Ids of an output's text; its own where encoding composes a letter that is unknown."""
    ids = tuple(tgt.encode(output.text))
    return output.ids if UNK in ids else ids
