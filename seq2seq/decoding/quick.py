"""A translator that starts without torch, for a run that was translated with before."""

import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.padding import pad_sources
from seq2seq.corpus.subword import EOS
from seq2seq.decoding.answers import NEVER, Answering, Found
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.sentences import SentenceReader, Trained
from seq2seq.engines.kept import KeptGraphs
from seq2seq.engines.onnx_model import CHUNK, GraphName, Limits, OnnxModel, search_graph
from seq2seq.engines.onnx_session import usual_threads
from seq2seq.errors import Seq2SeqError
from seq2seq.files.manifest import read_manifest
from seq2seq.runs.files import RunFiles, read_run
from seq2seq.search.hypothesis import Ranking, best_first

if TYPE_CHECKING:
    from seq2seq.decoding.translator import Translator

# Settings of a beam search that onnxruntime runs whole, whatever their values; others must have their defaults.
_PLAIN = {"beam", "normalisation", "length_penalty", "min_length", "max_length", "min_ratio", "max_ratio"}
_PLAIN |= {"seed", "combination", "batch_tokens"}


class QuickTranslator(Answering):
    """A run whose graphs are kept, on a CPU. It finds the best outputs that :class:`Translator` finds with onnxruntime.

    Args:
        run: its settings and vocabularies.
        graphs: its model.
    """

    def __init__(self, run: RunFiles, graphs: OnnxModel) -> None:
        self.members = (run,)
        self.reader: SentenceReader = SentenceReader(self.members)
        self._graphs = graphs

    def is_cut(self, sentence: str) -> bool:
        """Whether a sentence is longer than ``data.max_tokens``, so that only its beginning is read."""
        return self.reader.is_cut(sentence)

    def _search(self, sources: Sequence[str], draws: int, options: DecodingConfig, constraints: Constraints) -> Found:
        shortest, longest = self._limits(sources, options)
        ids = [self.reader.ids(0, source) for source in sources]
        state = self._graphs.start(*pad_sources(ids, reverse=self.config.model.reverse_source))
        rules = Limits.of(shortest, longest, NEVER, len(self.vocabularies.tgt))
        history = self._graphs.search(state, rules, options.beam)
        return Found(list(map(best_first, history.complete(EOS, Ranking.of(options)))), longest)


class QuickStart:
    """The graphs that ``seq2seq translate`` keeps of a run, to start without torch the next time.

    Args:
        run: the run's folder.
        precision: ``fp32`` or ``int8``.
    """

    def __init__(self, run: str | os.PathLike[str], precision: str) -> None:
        self._folder, self._precision = Path(run), precision
        self._kept = self._find()

    def translator(self, settings: Callable[[Config], DecodingConfig], threads: int | None) -> QuickTranslator | None:
        """What translates from the graphs; None if they are not kept, or torch is needed, or something is wrong.

        Args:
            settings: how to decode, from the run's settings.
            threads: of onnxruntime; None: as many as torch would take.
        """
        if self._kept is None or (start := self._kept.read("start")) is None:
            return None
        try:
            run = read_run(self._folder)
            options = settings(run.config)
        except Seq2SeqError:
            return None  # torch's way says what is wrong
        if not _is_plain(options, run) or KeptGraphs.of(run.manifest, self._precision) != self._kept:
            return None
        name = search_graph(options.beam)
        if (loop := self._kept.read(name)) is None:
            return None
        graphs: dict[GraphName, bytes] = {"start": start, name: loop}
        return QuickTranslator(run, OnnxModel(graphs.pop, threads=threads or usual_threads()))  # each is opened once

    def keep(self, translator: "Translator", options: DecodingConfig) -> None:
        """Keeps the graphs that a translator of this run, loaded meanwhile, decodes with."""
        from seq2seq.engines.onnx_engine import OnnxEngine

        # The weights are those of the manifest only if it has not changed.
        if self._kept is None or self._find() != self._kept:
            return
        member = translator.members[0]
        if isinstance(engine := member.engine, OnnxEngine) and engine.starts and _is_plain(options, member):
            for name in ("start", search_graph(options.beam)):
                self._kept.keep(name, engine.graph(name))

    def _find(self) -> KeptGraphs | None:
        try:
            return KeptGraphs.of(read_manifest(self._folder), self._precision)
        except Seq2SeqError:
            return None


def _is_plain(options: DecodingConfig, member: Trained) -> bool:
    """Whether the outputs are those of a beam search that onnxruntime runs whole."""
    usual = DecodingConfig()
    changed = {one.name for one in fields(usual) if getattr(options, one.name) != getattr(usual, one.name)}
    # Vocabularies of words have rules of their own.
    return changed <= _PLAIN and options.beam <= CHUNK and member.config.subword.of_target().type != "word"
