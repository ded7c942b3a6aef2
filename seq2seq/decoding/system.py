"""What every trained model does, whatever it reads: sources in, text out. Several models may do it together."""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import BOS, EOS, PAD, UNK, Vocabularies
from seq2seq.decoding.demands import Demands, Spelled
from seq2seq.decoding.ensemble import JointState, joint_step
from seq2seq.decoding.hypothesis import Hypothesis
from seq2seq.decoding.lengths import limits, room_for_demands
from seq2seq.decoding.memory import within_memory
from seq2seq.decoding.outputs import NOTHING, Translation, least_risk, seed_of, to_translation
from seq2seq.decoding.rules import Rules, prefix_table
from seq2seq.decoding.scoring import canonical, check_options, with_coverage, with_source_words
from seq2seq.decoding.search import Task, search
from seq2seq.errors import RunError
from seq2seq.model.compute import Compute, tune_process
from seq2seq.model.quantised import quantise
from seq2seq.model.run_folder import load_run
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import DecoderState


@dataclass(frozen=True, slots=True)
class Member:
    """One trained model with what belongs to it."""

    model: Seq2Seq
    vocabularies: Vocabularies
    config: Config


class System(ABC):
    """Trained models, ready to use.

    Args:
        members: one model, or several with the same target vocabulary, which decode as an ensemble.
        compute: device and precision.
    """

    of_pictures: ClassVar[bool]
    """Whether sources are pictures."""

    def __init__(self, members: Sequence[Member], compute: Compute) -> None:
        self.members = tuple(members)
        self.compute = compute

    @classmethod
    def load(cls, *runs: str | os.PathLike[str], device: str = "auto", precision: str = "fp32") -> Self:
        """Loads run folders; several make an ensemble.

        Raises:
            RunError: one is no complete run, or damaged, or reads something else, or writes another vocabulary.
            ConfigError: no such device or precision.
        """
        compute = Compute.pick(device, precision)
        tune_process(compute)
        members = []
        for run in runs:
            loaded = load_run(Path(run))
            if loaded.config.data.of_pictures != cls.of_pictures:
                right = "text, not pictures: use 'seq2seq translate'"
                if loaded.config.data.of_pictures:
                    right = "pictures, not text: use 'seq2seq caption'"
                raise RunError(f"{run} reads {right}")
            model = loaded.model.to(compute.device).eval()
            if compute.int8:
                quantise(model)
            members.append(Member(model, loaded.vocabularies, loaded.config))
            if loaded.vocabularies.tgt.model != members[0].vocabularies.tgt.model:
                raise RunError(
                    f"{run} and {runs[0]} have different target vocabularies, so they cannot decode together: train "
                    "them on one corpus with the same [subword] settings"
                )
        return cls(members, compute)

    @property
    def model(self) -> Seq2Seq:
        """The first member's."""
        return self.members[0].model

    @property
    def vocabularies(self) -> Vocabularies:
        """The first member's; all have the same target vocabulary."""
        return self.members[0].vocabularies

    @property
    def config(self) -> Config:
        """The first member's; ``config.decoding`` is what calls fall back on."""
        return self.members[0].config

    @abstractmethod
    def batches(self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None) -> list[Batch]:
        """Sources, and maybe their right answers, as each member reads them."""

    @abstractmethod
    def fill(self, sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Numbers of the sources that are decoded together, all but the empty ones.

        Args:
            sources: in any order.
            budget: most tokens of a batch.
        """

    @abstractmethod
    def sizes(self, sources: Sequence[str]) -> list[int] | None:
        """Tokens of each source; None where that says nothing of how long an output may be."""

    def is_empty(self, source: str) -> bool:
        """Whether there is nothing to read in a source, so that its one output is empty; see :meth:`fill`."""
        return self.sizes([source]) == [0]

    def best(
        self, sources: Sequence[str], options: DecodingConfig | None = None, demands: Demands | None = None
    ) -> list[Translation]:
        """The best output for each source, in the order given."""
        demands = demands or Demands()
        return [found[0] for found in demands.fulfilled_first(self._outputs(sources, 1, options, demands, lists=False))]

    def nbest(
        self,
        sources: Sequence[str],
        count: int,
        options: DecodingConfig | None = None,
        demands: Demands | None = None,
    ) -> list[list[Translation]]:
        """Up to ``count`` outputs for each source, best first, in the order given.

        Outputs that leave a demand unfulfilled come after those that do not. Texts are unique, and their scores those
        of the text as the tokeniser writes it, even where search found it spelled another way. Sampling draws
        ``count`` outputs, of which some may be the same.
        """
        demands = demands or Demands()
        found = self._outputs(sources, count, options, demands)
        settled = canonical(self, sources, found, options or self.config.decoding)
        return [outputs[:count] for outputs in demands.fulfilled_first(settled)]

    def start(
        self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None
    ) -> list[tuple[Batch, DecoderState]]:
        """What each member has read of some sources: its batch and its decoder's first state."""
        batches = [batch.to(self.compute.device) for batch in self.batches(sources, targets)]
        return [(batch, member.model.encode(batch)[1]) for member, batch in zip(self.members, batches, strict=True)]

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Within it the models compute for use, not for training; then they are as they were before."""
        training = [member.model.training for member in self.members]
        for member in self.members:
            member.model.eval()
        try:
            with torch.inference_mode(), self.compute.autocast():
                yield
        finally:
            for member, mode in zip(self.members, training, strict=True):
                member.model.train(mode)

    def _outputs(
        self,
        sources: Sequence[str],
        count: int,
        options: DecodingConfig | None,
        demands: Demands,
        *,
        lists: bool = True,
    ) -> list[list[Translation]]:
        """Outputs for each source, best first, as they were found; without ``lists`` maybe only the first of each."""
        options = options or self.config.decoding
        check_options(self, options, requiring=any(demands.required))

        def decode(rows: Sequence[int]) -> list[list[Translation]]:
            return self._decode([sources[row] for row in rows], count, options, demands.of(rows), lists=lists)

        wide = max(options.beam, options.mbr, count)
        lower = f"lower what is kept of it (now {wide}: --beam, --mbr, --nbest) or set --max-length"
        found = within_memory(self.fill(sources, options.batch_tokens // wide), decode, lower=lower)
        return [found.get(row, [NOTHING]) for row in range(len(sources))]

    def _decode(
        self, sources: Sequence[str], count: int, options: DecodingConfig, demands: Demands, *, lists: bool
    ) -> list[list[Translation]]:
        """Outputs for the sources of one batch."""
        found = self._search(sources, options, demands, max(options.mbr, count))
        if not (lists or options.mbr or options.coverage_penalty or demands):
            found = [each[:1] for each in found]
        texts = [[to_translation(one, self.vocabularies.tgt) for one in each] for each in found]
        if options.coverage_penalty:
            texts = with_coverage(self, sources, texts, options.coverage_penalty)
        if options.mbr:
            texts = [least_risk(each, options) for each in texts]
        if options.replace_unknown:
            texts = with_source_words(self, sources, texts)
        return texts

    def _search(
        self, sources: Sequence[str], options: DecodingConfig, demands: Demands, draws: int
    ) -> list[list[Hypothesis]]:
        """Outputs for the sources of one batch, best first.

        Raises:
            RunError: the model's outputs are not numbers.
        """
        spelled = Spelled.of(demands, self.vocabularies.tgt, self.compute.device) if demands else None
        task = Task(
            bos=BOS,
            vocabulary=len(self.vocabularies.tgt),
            seeds=[seed_of(options.seed, source) for source in sources],
            draws=draws,
            required=spelled.required if spelled else (),
            boundary=spelled.boundary if spelled else None,
        )
        rules = self._rules(sources, options, spelled)
        with self.ready():
            state = JointState(tuple(state for _, state in self.start(sources)))
            step = joint_step([member.model.decoder for member in self.members], options.combination)
            found = search(step, state, rules, options, task)
        if not all(best and math.isfinite(best[0].log_prob) for best in found):
            raise RunError("the model's outputs are not numbers: its training diverged, or its weights were changed")
        return found

    def _rules(self, sources: Sequence[str], options: DecodingConfig, spelled: Spelled | None) -> Rules:
        device = self.compute.device
        sizes: Sequence[int | None] = self.sizes(sources) or [None] * len(sources)
        least, most = zip(*(limits(size, options) for size in sizes), strict=True)
        longest = (
            room_for_demands(most, [spelled.needed(row) for row in range(len(sources))], options) if spelled else most
        )
        table = prefix_table(spelled.prefixes) if spelled else None
        joints = self.vocabularies.tgt.joints
        return Rules(
            eos=EOS,
            banned=(PAD, BOS) if options.replace_unknown else (PAD, UNK, BOS),
            longest=torch.tensor(longest, device=device),
            shortest=torch.tensor(least, device=device) if any(least) else None,
            prefix=None if table is None else table.to(device),
            joints=None
            if joints is None
            else (torch.tensor(joints.ending, device=device), torch.tensor(joints.barred, device=device)),
            no_repeat_ngram=options.no_repeat_ngram,
            blocked=spelled.blocked if spelled else (),
            boundary=spelled.boundary if spelled else None,
            closing=spelled.closing if spelled else None,
        )
