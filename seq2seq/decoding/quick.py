"""A translator that starts without torch, for a run that was translated with before."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Self

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

    @classmethod
    def find(cls, kept: KeptGraphs, settings: Callable[[Config], DecodingConfig], threads: int | None) -> Self | None:
        """The translator of kept graphs; None if there are none, or torch is needed, or something is wrong.

        Args:
            kept: a run's.
            settings: how to decode, from the run's settings.
            threads: of onnxruntime; None: as many as torch would take.
        """
        if (start := kept.read("start")) is None:
            return None  # before all files of the run are checked
        try:
            run = read_run(kept.run)
            options = settings(run.config)
        except Seq2SeqError:
            return None  # torch's way says what is wrong
        name = search_graph(options.beam)
        loop = kept.read(name) if _is_plain(options, run) and kept.is_current() else None
        if loop is None:
            return None
        graphs: dict[GraphName, bytes] = {"start": start, name: loop}
        return cls(run, OnnxModel(graphs.pop, threads=threads or usual_threads()))  # each is opened once

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


def keep_graphs(kept: KeptGraphs, translator: "Translator", options: DecodingConfig) -> None:
    """Keeps the graphs that a translator, loaded meanwhile, decodes with."""
    from seq2seq.engines.onnx_engine import OnnxEngine

    member = translator.members[0]
    engine = member.engine
    if isinstance(engine, OnnxEngine) and engine.starts and _is_plain(options, member) and kept.is_current():
        for name in ("start", search_graph(options.beam)):
            kept.keep(name, engine.graph(name))


def _is_plain(options: DecodingConfig, member: Trained) -> bool:
    """Whether the outputs are those of a beam search that onnxruntime runs whole."""
    usual = DecodingConfig()
    changed = {one.name for one in fields(usual) if getattr(options, one.name) != getattr(usual, one.name)}
    # Vocabularies of words have rules of their own.
    return changed <= _PLAIN and options.beam <= CHUNK and member.config.subword.of_target().type != "word"
