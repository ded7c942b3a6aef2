"""A corpus mixed with part of another one that has the same vocabulary, so that a model does not forget the latter."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from seq2seq.corpus.prepared import Prepared


def mixed(new: Prepared, old: Prepared, share: float, *, seed: int) -> Prepared:
    """The new corpus, its training part followed by pairs of the old one's, sampled uniformly, the same ones each time.

    Pairs whose source is held out in the new corpus are not among them.

    Args:
        new: all of its pairs are kept.
        old: with the same vocabularies.
        share: of the old pairs in the mixture, below 1; fewer if the old corpus has not so many.
        seed: of the sample.
    """
    encode = new.vocabularies.src.encode
    held_out = {tuple(encode(pair.src)) for pair in (*new.validation, *new.test)}

    def candidates() -> Iterator[int]:
        for row in np.random.default_rng(seed).permutation(len(old.src.lengths())).tolist():
            if tuple(old.src[row]) not in held_out:
                yield row

    count = round(len(new.src.lengths()) * share / (1 - share))
    rows = np.fromiter(islice(candidates(), count), np.int64)
    src, tgt = (ours.followed_by(theirs.take(rows)) for ours, theirs in ((new.src, old.src), (new.tgt, old.tgt)))
    return replace(new, src=src, tgt=tgt, report={**new.report, "old pairs": len(rows)})
