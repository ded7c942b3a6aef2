"""From the batches that an epoch's sampler names to tensors: token ids padded, pictures read."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seq2seq.config import Config, TrainingConfig
from seq2seq.corpus.batching import Batch, BatchOrder, collate, collate_pictures
from seq2seq.corpus.prepared import Prepared
from seq2seq.device import DeviceSpec
from seq2seq.model.vision.features import Pictures
from seq2seq.training.distributed import World
from seq2seq.training.epoch_sampler import BatchRef, EpochSampler


class BatchSource:
    """The training batches of a corpus: a pure function of corpus, settings, epoch and batch number.

    Args:
        prepared: the corpus.
        config: the ``[training]`` table.
        reverse: read sources back to front.
        sampling: subword regularisation, as in :class:`seq2seq.training.epoch_sampler.EpochSampler`.
        longest: most tokens of a sampled side.
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
        self.prepared = prepared
        self.reverse = reverse
        self.pictures = pictures
        self.order = BatchOrder(
            src_lengths=prepared.src.lengths(),
            tgt_lengths=prepared.tgt.lengths(),
            batch_tokens=config.batch_tokens,
            batch_sentences=config.batch_sentences,
            seed=config.seed,
        )
        self.sampler = EpochSampler(prepared, self.order, sampling=sampling, longest=longest)

    @classmethod
    def of(cls, config: Config, prepared: Prepared, device_spec: DeviceSpec, world: World) -> "BatchSource":
        """The batches of a recipe; features of pictures are computed now, outside the training's clock."""
        pictures = Pictures(prepared, config, device_spec) if prepared.pictures else None
        if pictures and config.training.finetune_from != 1:
            world.rank0_first(partial(pictures.features, prepared.pictures[:1]))
        return cls(
            prepared,
            config.training,
            reverse=config.model.reverse_source,
            sampling=config.subword.sampling,
            longest=config.data.max_tokens,
            pictures=pictures,
        )

    def epoch(self, number: int, start: int = 0, *, pixels: bool = False) -> Iterator[tuple[Callable[[], Batch], int]]:
        """Batches of an epoch, each made when called, with the (estimated) number of batches in the epoch.

        Args:
            number: of the epoch.
            start: batches to leave out.
            pixels: pictures as augmented pixels instead of features.
        """
        for batch_number, (ref, count) in enumerate(self.sampler.epoch(number, start), start=start + 1):
            # One generator a batch: a resumed training crops its pictures as an undisturbed one would.
            chance = np.random.default_rng((self.order.seed, number, batch_number))
            yield partial(self._collate, ref, pixels, chance), count

    def _collate(self, ref: BatchRef, pixels: bool, chance: np.random.Generator) -> Batch:
        sources, targets = ref.pairs()
        if self.pictures is None:
            return collate(sources, targets, reverse=self.reverse)
        names = [self.prepared.pictures[number] for (number,) in sources]
        return collate_pictures(self.pictures.look(names, pixels=pixels, chance=chance), targets)
