"""The batches of each epoch: pairs of token ids in their order, segmented anew, padded; pictures read."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seq2seq.config import Config, TrainingConfig
from seq2seq.corpus.batching import Batch, BatchOrder, IntArray, Lengths, collate, collate_images
from seq2seq.corpus.prepared import Prepared
from seq2seq.corpus.subword import Subword, seed_sampling
from seq2seq.corpus.token_file import TokenColumn
from seq2seq.device import DeviceSpec
from seq2seq.model.vision.features import Pictures
from seq2seq.training.distributed import World


class BatchSource:
    """The training batches of a corpus: a pure function of corpus, settings, epoch and batch number.

    With subword sampling a whole pool is segmented before it is cut into batches, so that batches keep to their budget:
    another segmentation may be half as long again.

    Args:
        prepared: the corpus.
        config: the ``[training]`` table.
        reverse: read sources back to front.
        sampling: for :meth:`seq2seq.corpus.subword.Subword.resample`; 0: the ids of the corpus.
        longest: most tokens of a side; a longer sample is dropped for the ids of the corpus.
        pictures: of the corpus; None where sources are text.
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
    ) -> None:
        self.prepared, self.pictures = prepared, pictures
        self.reverse, self.sampling, self.longest = reverse, sampling, longest
        self.order = BatchOrder(
            src_lengths=prepared.src.lengths(),
            tgt_lengths=prepared.tgt.lengths(),
            batch_tokens=config.batch_tokens,
            batch_sentences=config.batch_sentences,
            seed=config.seed,
        )

    @classmethod
    def of(cls, config: Config, prepared: Prepared, device_spec: DeviceSpec, world: World) -> "BatchSource":
        """The batches of a recipe; features of pictures are computed now, outside the training's clock."""
        pictures = Pictures(prepared, config, device_spec) if prepared.images else None
        if pictures and config.training.finetune_from != 1:
            world.rank0_first(partial(pictures.features, prepared.images[:1]))
        return cls(
            prepared,
            config.training,
            reverse=config.model.reverse_source,
            sampling=config.subword.sampling,
            longest=config.data.max_tokens,
            pictures=pictures,
        )

    def epoch(self, number: int, start: int = 0, *, pixels: bool = False) -> Iterator[tuple[Callable[[], Batch], int]]:
        """Batches of an epoch, each made when called, with the estimated number of batches in the epoch.

        Args:
            number: of the epoch.
            start: batches to leave out.
            pixels: pictures as augmented pixels instead of features.
        """
        batch = pairs = 0
        for place, pool in enumerate(self.order.pools(number)):
            src, tgt = self._columns(number, place, pool)
            rows_of_batches = self.order.fill(number, place, src.lengths, tgt.lengths)
            pairs += len(pool)
            estimate = round((batch + len(rows_of_batches)) * len(self.order.src_lengths) / pairs)
            for rows in rows_of_batches:
                batch += 1
                if batch > start:
                    # A generator for each batch: a resumed training crops its pictures as an undisturbed one does.
                    chance = np.random.default_rng((self.order.seed, number, batch))
                    yield partial(self._collate, src, tgt, rows, pixels, chance), estimate

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
        sources, targets = ([column[int(row)] for row in rows] for column in (src, tgt))
        if self.pictures is None:
            return collate(sources, targets, reverse=self.reverse)
        names = [self.prepared.images[number] for (number,) in sources]
        return collate_images(self.pictures.look(names, pixels=pixels, chance=chance), targets)


class _Column:
    """One side of a pool: read from the corpus when needed, or resampled all at once."""

    def __init__(self, tokens: TokenColumn, rows: IntArray, lengths: Lengths) -> None:
        self._tokens = tokens
        self._rows = rows
        self._sampled: list[list[int]] = []
        self.lengths = lengths

    def __getitem__(self, place: int) -> list[int]:
        return self._sampled[place] if self._sampled else self._tokens[int(self._rows[place])]

    def resample(self, subword: Subword, sampling: float, longest: int) -> None:
        """Samples another segmentation of every sentence."""
        for row in self._rows:
            ids = self._tokens[int(row)]
            sampled = subword.resample(ids, sampling)
            self._sampled.append(sampled if len(sampled) <= longest else ids)
        self.lengths = np.array([len(ids) for ids in self._sampled], dtype=np.int32)
