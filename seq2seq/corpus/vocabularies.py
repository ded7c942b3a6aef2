"""Learning the vocabularies of a corpus, of the kind and size that fit it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tqdm import tqdm

from seq2seq.config import Config, SubwordConfig
from seq2seq.corpus.automatic import SideStatistics, piece_type, vocabulary_size
from seq2seq.corpus.dedup import Gathered
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.placeholders import Placeholders
from seq2seq.corpus.subword import Subword, Vocabularies


def fitted(config: Config, training: Gathered) -> SubwordConfig:
    """The table ``[subword]`` with what the corpus decides in place of ``auto``.

    Args:
        config: of the recipe.
        training: the cleaned training part.
    """
    subword = config.subword
    if "auto" not in (subword.type, subword.vocab_size):
        return subword
    src, tgt, both = SideStatistics(), SideStatistics(), SideStatistics()
    for pair in _sample(config, config.subword, training):
        if not config.data.reads_images:
            src.add(pair.src)
            both.add(pair.src)
        tgt.add(pair.tgt)
        both.add(pair.tgt)
    if subword.type == "auto":
        subword = replace(subword, type=piece_type(tgt if config.data.reads_images else src, tgt))
    if subword.vocab_size == "auto":
        own_tgt = 0 if subword.joint else subword.tgt_vocab_size or vocabulary_size(tgt, subword.of_target())
        size = vocabulary_size(both if subword.joint else src, subword)
        subword = replace(subword, vocab_size=size, tgt_vocab_size=own_tgt)
    return subword


def learn_vocabularies(config: Config, subword: SubwordConfig, training: Gathered) -> Vocabularies:
    """The vocabularies of both sides.

    Args:
        config: of the recipe.
        subword: its table ``[subword]``, fitted.
        training: the cleaned training part.

    Raises:
        ConfigError: a size that does not fit the corpus; names the setting and one that works.
    """
    flexible = config.subword.vocab_size == "auto"

    def learn(texts: Iterable[str], setting: str, kind: SubwordConfig = subword) -> Subword:
        return Subword.train(texts, kind, vocab_size=int(kind.vocab_size), setting=setting, flexible=flexible)

    def pairs(kind: SubwordConfig = subword) -> Iterator[Pair]:
        sample = _sample(config, kind, training)
        shown = tqdm(sample, desc="learning subwords", total=len(sample), unit=" pairs", delay=2, disable=None)
        return map(Placeholders.of(subword.protect).protect_pair, shown)

    if config.data.reads_images:
        captions = learn((pair.tgt for pair in pairs()), "subword.vocab_size")
        return Vocabularies(captions, captions)
    if subword.joint:
        joint = learn((text for pair in pairs() for text in (pair.src, pair.tgt)), "subword.vocab_size")
        return Vocabularies(joint, joint)
    of_target = subword.of_target()
    return Vocabularies(
        learn((pair.src for pair in pairs()), "subword.vocab_size (source)"),
        learn((pair.tgt for pair in pairs(of_target)), "subword.tgt_vocab_size (target)", of_target),
    )


def _sample(config: Config, subword: SubwordConfig, training: Gathered) -> Gathered:
    """The pairs that teach a vocabulary: an even sample for pieces, all for words."""
    if subword.type == "word":
        return training
    texts_per_pair = 2 if subword.joint and not config.data.reads_images else 1
    return training.sample(max(1, subword.train_sentences // texts_per_pair))
