"""Settings that may be ``auto``: what they become for a corpus of a given size.

What a vocabulary and held-out parts need of the corpus itself is in :mod:`seq2seq.corpus.automatic`.
"""

from dataclasses import asdict, fields, replace
from typing import Any, Literal, TypeVar

from seq2seq.config import Config
from seq2seq.config.batch_size import training_batch_tokens

Number = TypeVar("Number", int, float)

# An epoch has about so many updates, unless batches became smaller than that.
_UPDATES_OF_EPOCH, _SMALLEST_BATCH = 50, 200
# Updates between two validations are those of an epoch within these bounds: fewer would mostly validate, and more would
# find the best model late.
_FEWEST_UPDATES, _MOST_UPDATES = 100, 1000
# Epochs fall with the root of the number of pairs, so that updates rise with it: 12 for 140,000 pairs, about what the
# shipped recipes take, and 82 for 3,000.
_EPOCHS_TIMES_ROOT = 4500
_FEWEST_EPOCHS, _MOST_EPOCHS = 3.0, 200.0
# Many epochs of a small corpus end early, after so many validations without a better one.
_PATIENCE = 10
# The fewer pairs, the sooner a network knows them by heart.
_DROPOUT = ((300_000, 0.1), (20_000, 0.2), (0, 0.3))


def chosen(value: Number | Literal["auto"]) -> Number:
    """A setting that is ``auto`` no more, since :func:`settle` has replaced it."""
    assert not isinstance(value, str), "settle() comes first"
    return value


def settle(config: Config, pairs: int, tgt_tokens: int, gpu_memory: int) -> Config:
    """The settings of model and training, with what the corpus decides in place of ``auto``.

    Args:
        config: of the recipe.
        pairs: of the training part.
        tgt_tokens: of their targets.
        gpu_memory: bytes; 0: a CPU.
    """
    model, training = config.model, config.training
    if model.dropout == "auto":
        model = replace(model, dropout=next(rate for least, rate in _DROPOUT if pairs >= least))
    if not any((training.max_updates, training.max_epochs, training.max_minutes, training.patience)):
        epochs = _EPOCHS_TIMES_ROOT / max(pairs, 1) ** 0.5
        epochs = float(round(min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, epochs))))
        training = replace(training, max_epochs=epochs, patience=_PATIENCE)
    sentences = training.batch_sentences
    if training.batch_tokens == "auto" and not sentences:
        batch_tokens = training_batch_tokens(training, model, gpu_memory)
        batch_tokens = min(batch_tokens, max(_SMALLEST_BATCH, tgt_tokens // _UPDATES_OF_EPOCH))
        training = replace(training, batch_tokens=batch_tokens)
    if training.validate_every == "auto":
        batches = pairs / sentences if sentences else tgt_tokens / chosen(training.batch_tokens)
        updates = batches / training.accumulate
        every = round(min(_MOST_UPDATES, max(_FEWEST_UPDATES, updates)))
        training = replace(training, validate_every=every)
    return replace(config, model=model, training=training)


def adopted(config: Config, begun: Config) -> Config:
    """The recipe of a training that goes on, with what its beginning chose in place of ``auto``."""
    tables = {}
    for name in ("model", "training"):
        table, before = getattr(config, name), getattr(begun, name)
        automatic = {entry.name for entry in fields(table) if getattr(table, entry.name) == "auto"}
        tables[name] = replace(table, **{key: getattr(before, key) for key in automatic})
    return replace(config, **tables)


def differences(before: Config, after: Config) -> dict[str, Any]:
    """The settings in which the second differs from the first, by ``table.key``."""
    old, new = asdict(before), asdict(after)
    return {
        f"{table}.{key}": value
        for table, values in new.items()
        for key, value in values.items()
        if value != old[table][key]
    }
