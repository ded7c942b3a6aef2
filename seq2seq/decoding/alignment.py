"""Which word of the source each word of an output comes from, by attention."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from seq2seq.decoding.batches import within_budget, within_memory
from seq2seq.decoding.ensemble import Ensemble
from seq2seq.decoding.outputs import Link, Translation
from seq2seq.decoding.scoring import alignments, attentive_member
from seq2seq.errors import ConfigError

# Tokens of a batch, the attention to each of which is in memory.
_TOKENS = 4096


def word_alignments(
    ensemble: Ensemble, sources: Sequence[str], targets: Sequence[Sequence[int]]
) -> list[tuple[Link, ...]]:
    """For each word of given outputs the word of its source that it attends to most.

    Words are what stands between spaces. An empty source or output has no links.

    Args:
        ensemble: its first attentive member aligns.
        sources: sentences.
        targets: ids of their translations.

    Raises:
        ConfigError: see :func:`require_alignable`.
    """
    require_alignable(ensemble)
    member = ensemble.members[attentive_member(ensemble)]
    lengths = ensemble.reader.lengths(sources) or ()
    sizes = [max(length, len(ids)) + 1 for length, ids in zip(lengths, targets, strict=True)]
    rows = sorted((row for row, ids in enumerate(targets) if ids and lengths[row]), key=lambda row: -sizes[row])

    def align(batch: Sequence[int]) -> list[tuple[Link, ...]]:
        texts, outputs = [sources[row] for row in batch], [targets[row] for row in batch]
        src, tgt = member.vocabularies.src, member.vocabularies.tgt
        return [
            most_attended(weights, src.word_numbers(src.encode(text)), tgt.word_numbers(ids))
            for text, ids, weights in zip(texts, outputs, alignments(ensemble, texts, outputs), strict=True)
        ]

    groups = within_budget(rows, [sizes[row] for row in rows], _TOKENS)
    found = within_memory(groups, align, lower="align shorter sentences")
    return [found.get(row, ()) for row in range(len(sources))]


def most_attended(weights: Tensor, src_words: Sequence[int], tgt_words: Sequence[int]) -> tuple[Link, ...]:
    """A link for each target word, to the source word with the largest sum of attention.

    Args:
        weights: attention (T + 1, S + 1) of tokens and end mark over tokens and end mark; end marks are left out.
        src_words: the number of the word of each source token; of more than S the first S count.
        tgt_words: the same of the T target tokens.
    """
    weights = weights[: len(tgt_words), :-1]
    of_src, of_tgt = torch.tensor(src_words[: weights.shape[1]]), torch.tensor(tgt_words)
    by_src = weights.new_zeros(len(weights), int(of_src.max()) + 1).index_add_(1, of_src, weights)
    by_word = weights.new_zeros(int(of_tgt.max()) + 1, by_src.shape[1]).index_add_(0, of_tgt, by_src)
    return tuple(Link(src, tgt) for tgt, src in enumerate(by_word.argmax(1).tolist()))


def with_alignments(
    ensemble: Ensemble, sources: Sequence[str], lists: Sequence[Sequence[Translation]]
) -> list[list[Translation]]:
    """Lists of outputs for each source, with their alignments."""
    flat = [(source, output) for source, outputs in zip(sources, lists, strict=True) for output in outputs]
    found = iter(word_alignments(ensemble, [source for source, _ in flat], [output.ids for _, output in flat]))
    return [[replace(output, alignment=next(found)) for output in outputs] for outputs in lists]


def require_alignable(ensemble: Ensemble) -> None:
    """Checks that a model attends to the tokens of a text.

    Raises:
        ConfigError: it reads pictures, has no attention, or attends to positions that join several tokens.
    """
    if ensemble.config.data.reads_images:
        raise ConfigError("alignments are of words to words: this model reads pictures")
    encoder = ensemble.members[attentive_member(ensemble)].config.model.encoder
    if encoder == "convolutional":
        raise ConfigError(f'alignments need attention to single tokens: model.encoder = "{encoder}" joins several')
