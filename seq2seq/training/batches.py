"""The batches of each epoch: pairs of token ids in their order, segmented anew, padded; pictures read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from seq2seq.config import Config, TrainingConfig
from seq2seq.config.automatic import chosen
from seq2seq.corpus.batch_order import BatchOrder
from seq2seq.corpus.batching import Batch, collate, collate_images
from seq2seq.corpus.padding import IntArray, Lengths, TokenIds
from seq2seq.corpus.prepared import Prepared
from seq2seq.corpus.subword import Subword, seed_sampling
from seq2seq.corpus.token_file import TokenColumn
from seq2seq.device import DeviceSpec
from seq2seq.model.vision.features import Pictures
from seq2seq.training.ahead import ahead
from seq2seq.training.distributed import World

# Batches made ahead: enough to make up for a slow one, and little beside a host's memory.
_AHEAD = 8


class BatchSource:
    """The training batches of a corpus: a pure function of corpus, settings, epoch and batch number.

    With subword sampling a whole pool is segmented before it is cut into batches, so that batches keep to their budget:
    another segmentation may be half as long again.

    Args:
        prepared: the corpus.
        config: the ``[training]`` table, without ``auto``.
        reverse: read sources back to front.
        sampling: for :meth:`seq2seq.corpus.subword.Subword.resample`; 0: the ids of the corpus.
        longest: most tokens of a side; a longer sample is dropped for the ids of the corpus.
        pictures: of the corpus; None where sources are text.
        shapes: of batches from a small set, for updates that are recorded.
        ahead: a thread makes batches while others are trained on. Without a GPU it would take the CPU's time from them.
    """

    def __init__(
        self,
        prepared: Prepared,
        config: TrainingConfig,
        *,
        reverse: bool,
        sampling: float = 0.0,
        longest: int = 100,
        pictures: Pictures | None = None,
        shapes: bool = False,
        ahead: bool = False,
    ) -> None:
        self.prepared, self.pictures = prepared, pictures
        self.reverse, self.sampling, self.longest = reverse, sampling, longest
        self.ahead = ahead
        self.order = BatchOrder(
            src_lengths=prepared.src.lengths(),
            tgt_lengths=prepared.tgt.lengths(),
            batch_tokens=0 if config.batch_sentences else chosen(config.batch_tokens),
            batch_sentences=config.batch_sentences,
            seed=config.seed,
            shapes=shapes,
        )

    @classmethod
    def of(cls, config: Config, prepared: Prepared, device_spec: DeviceSpec, world: World) -> "BatchSource":
        """The batches of a recipe; features of pictures are computed now, outside the training's clock."""
        pictures = Pictures(prepared, config, device_spec) if prepared.images else None
        if pictures and config.training.finetune_from != 1:
            world.rank0_first(partial(pictures.features, prepared.images[:1]))
        on_gpu = device_spec.device.type == "cuda"
        return cls(
            prepared,
            config.training,
            reverse=config.model.reverse_source,
            sampling=config.subword.sampling,
            longest=config.data.max_tokens,
            pictures=pictures,
            # With several processes too, which record nothing: the order must not depend on their number.
            shapes=on_gpu and config.training.graphs == "auto",
            ahead=on_gpu,
        )

    def epoch(
        self, number: int, start: int = 0, *, pixels: bool = False, every: int = 1, first: int = 0
    ) -> Iterator[tuple[Batch | None, int]]:
        """Batches of an epoch on the host, each with the estimated number of batches in the epoch.

        Args:
            number: of the epoch.
            start: batches to leave out.
            pixels: pictures as augmented pixels instead of features.
            every: of so many batches only one is made; in place of the others comes None.
            first: batches before the first that is made.
        """
        batches = self._made(number, start, pixels, every, first)
        return ahead(batches, _AHEAD * every) if self.ahead else batches

    def _made(
        self, number: int, start: int, pixels: bool, every: int, first: int
    ) -> Iterator[tuple[Batch | None, int]]:
        batch = pairs = 0
        for place, pool in enumerate(self.order.pools(number)):
            src, tgt = self._columns(number, place, pool)
            rows_of_batches = self.order.fill(number, place, src.lengths, tgt.lengths)
            pairs += len(pool)
            estimate = round((batch + len(rows_of_batches)) * len(self.order.src_lengths) / pairs)
            for rows in rows_of_batches:
                batch += 1
                if batch > start:
                    mine = (batch - 1 - start) % every == first
                    # A generator for each batch: a resumed training crops its pictures as an undisturbed one does.
                    chance = np.random.default_rng((self.order.seed, number, batch))
                    yield self._collate(src, tgt, rows, pixels, chance) if mine else None, estimate

    def _columns(self, number: int, place: int, pool: IntArray) -> "tuple[_Column, _Column]":
        prepared, order = self.prepared, self.order
        src = _Column(prepared.src, pool, order.src_lengths[pool])
        tgt = _Column(prepared.tgt, pool, order.tgt_lengths[pool])
        if self.sampling:
            seed_sampling(int(np.random.SeedSequence((order.seed, number, place)).generate_state(1)[0]))
            if not prepared.images:
                src.resample(prepared.vocabularies.src, self.sampling, self.longest)
            tgt.resample(prepared.vocabularies.tgt, self.sampling, self.longest)
        return src, tgt

    def _collate(
        self, src: "_Column", tgt: "_Column", rows: IntArray, pixels: bool, chance: np.random.Generator
    ) -> Batch:
        sources, targets = src.take(rows), tgt.take(rows)
        shape = self.order.shape(src.lengths[rows], tgt.lengths[rows])
        if self.pictures is None:
            batch = collate(sources, targets, reverse=self.reverse, shape=shape)
            # A chance that would double the recordings of a shape.
            batch = replace(batch, full=batch.full and not self.order.shapes)
        else:
            names = [self.prepared.images[int(number)] for (number,) in sources]
            batch = collate_images(self.pictures.look(names, pixels=pixels, chance=chance), targets, shape=shape)
        return batch.pinned() if self.ahead and torch.cuda.is_available() else batch


class _Column:
    """One side of a pool: read from the corpus when needed, or resampled all at once."""

    def __init__(self, tokens: TokenColumn, rows: IntArray, lengths: Lengths) -> None:
        self._tokens = tokens
        self._rows = rows
        self._sampled: list[list[int]] = []
        self.lengths = lengths

    def take(self, places: IntArray) -> Sequence[TokenIds]:
        """Token ids of these sentences of the pool."""
        if self._sampled:
            return [self._sampled[place] for place in places]
        return self._tokens.take(self._rows[places])

    def resample(self, subword: Subword, sampling: float, longest: int) -> None:
        """Samples another segmentation of every sentence."""
        for row in self._rows:
            ids = self._tokens[int(row)]
            sampled = subword.resample(ids, sampling)
            self._sampled.append(sampled if len(sampled) <= longest else ids)
        self.lengths = np.array([len(ids) for ids in self._sampled], dtype=np.int32)
