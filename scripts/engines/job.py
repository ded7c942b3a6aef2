"""A run of ours as a job for the processes that are compared."""

from pathlib import Path

from engines.turns import Job
from seq2seq.corpus.prepared import prepare
from seq2seq.decoding.translator import Translator
from seq2seq.errors import ConfigError


def make_job(run: Path, sentences: int, threads: int) -> Job:
    """Sentences of the run's test part, and the sizes of its model.

    Raises:
        ConfigError: its layers differ in size or number, which other toolkits cannot imitate.
        RunError: it is no complete run.
    """
    translator = Translator.load(run, device="cpu", engine="torch")
    model = translator.config.model
    widths = {*model.encoder_widths(), *model.decoder_widths()}
    if len(widths) > 1 or len(model.encoder_widths()) != len(model.decoder_widths()):
        raise ConfigError(f"{run}: encoder and decoder must have equally many layers, all of one size")
    texts = [pair.src for pair in prepare(translator.config).test[:sentences]]
    return Job(
        threads=threads,
        sentences=texts,
        lengths=translator.reader.lengths(texts) or [],
        vocabulary=str(next(run.resolve().glob("subword.*.model"), "")),
        pieces=len(translator.vocabularies.tgt),
        embedding=model.embedding_size,
        hidden=widths.pop(),
        layers=model.layers,
        bidirectional=model.encoder == "bidirectional",
        attention=model.attention != "none",
    )
