"""What ``benchmark_training.py`` trains: models, the corpora they read, and the arithmetic of a batch."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from torch import nn

from seq2seq.config import Config
from seq2seq.corpus.batching import Batch
from seq2seq.corpus.prepared import Prepared, prepare
from seq2seq.corpus.subword import PAD, Vocabularies
from seq2seq.corpus.token_file import TokenColumn
from seq2seq.device import DeviceSpec
from seq2seq.model.build import build_model
from seq2seq.recipe import load_recipe
from seq2seq.training.batches import BatchSource
from seq2seq.training.trainer import Trainer

# The corpus that is made up: pairs of 10 to 40 random pieces.
_SENTENCES, _SHORTEST, _LONGEST = 20_000, 10, 40


@dataclass(frozen=True)
class Case:
    """A model and the corpus it reads."""

    name: str
    config: Config
    corpus: Callable[[], Prepared]
    pieces: int = 0
    """Of its vocabulary; 0: the corpus's."""

    def trainer(self, prepared: Prepared, device_spec: DeviceSpec, batch_tokens: int) -> Trainer:
        """A freshly initialised model under training.

        Args:
            prepared: its corpus.
            device_spec: device and precision.
            batch_tokens: target tokens in a batch; 0: as the recipe says.
        """
        vocabularies = prepared.vocabularies
        sizes = [self.pieces] * 2 if self.pieces else [len(vocabularies.src), len(vocabularies.tgt)]
        training = replace(self.config.training, max_updates=10**9, max_minutes=0.0, max_epochs=0.0)
        training = replace(training, batch_tokens=batch_tokens or training.batch_tokens)
        cuda = device_spec.device.type == "cuda"
        batches = BatchSource(prepared, training, reverse=self.config.model.reverse_source, shapes=cuda, ahead=cuda)
        return Trainer(build_model(self.config.model, *sizes), batches, training, device_spec)


def cases(multi30k: Path) -> list[Case]:
    """The models that are measured, all but those whose corpus is not there."""
    wide = ["model.layers=2", "model.hidden_size=512", "model.embedding_size=512", f"data.path={multi30k}"]
    recipes = {
        "tatoeba-en-es": ("tatoeba-en-es", []),
        "Multi30k 2×512": ("multi30k-sutskever", wide),
        "Multi30k 2×512, attention": ("multi30k-en-de-attention", wide),
    }
    if not multi30k.is_dir():
        print(f"{multi30k} is not a folder: Multi30k is left out (--multi30k DIR)\n")
        recipes = {"tatoeba-en-es": recipes["tatoeba-en-es"]}
    found = [_of_recipe(name, load_recipe(*settings)) for name, settings in recipes.items()]
    big = load_recipe(
        "tatoeba-en-es",
        [
            *("model.layers=4", "model.hidden_size=1000", "model.embedding_size=1000", "model.residual_from=0"),
            *('model.tie_embeddings="none"', "training.batch_tokens=3200"),
        ],
    )
    return [*found, Case("4×1000, 32,000 pieces", big, _random_corpus, pieces=32_000)]


def _of_recipe(name: str, config: Config) -> Case:
    return Case(name, config, lambda: prepare(config))


def _random_corpus() -> Prepared:
    """Pairs of random pieces, with empty vocabularies: nothing decodes them."""
    random = np.random.default_rng(1)
    columns = []
    for _ in range(2):
        lengths = random.integers(_SHORTEST, _LONGEST + 1, _SENTENCES)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        values = pa.array(random.integers(4, 32_000, int(lengths.sum())), pa.int32())
        columns.append(TokenColumn([pa.ListArray.from_arrays(offsets, values)]))
    src, tgt = columns
    empty = Vocabularies.__new__(Vocabularies)
    return Prepared(vocabularies=empty, src=src, tgt=tgt, validation=[], test=[], report={}, folder=Path())


def coming_batches(trainer: Trainer) -> Iterator[Batch]:
    """The batches that ``trainer.steps()`` is going to make, on the host; the trainer stays where it is."""
    made: list[Batch] = []
    maker = copy(trainer)
    maker.state = replace(trainer.state)
    maker._update = made.extend  # type: ignore[assignment, method-assign]
    for _ in maker.steps():
        yield from made
        made.clear()


def operations(trainer: Trainer, batch: Batch) -> float:
    """Floating-point operations of an update, those on padding left out.

    Of a matrix's entries each takes part in one multiplication and addition forward and two backward, for every token.
    """
    model, lengths = trainer.model, batch.src_lengths
    answers = (batch.tgt_out != PAD).sum(1)
    decoder = model.decoder
    source = sum(_entries(part) for name, part in model.encoder.named_children() if name != "embedding")
    target = sum(map(_entries, (decoder.bottom, decoder.upper, decoder.readout))) + decoder.output.weight.numel()
    total = int(lengths.sum()) * source + int(answers.sum()) * target + len(lengths) * _entries(decoder.bridge)
    if decoder.attention is not None:
        # Keys of each source token; a score and a share of the context for each pair of tokens.
        width = model.encoder.output_size
        total += int(lengths.sum()) * _entries(decoder.attention) + int((lengths * answers).sum()) * 2 * width
    return 6.0 * total


def _entries(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.dim() == 2)
