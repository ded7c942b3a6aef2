"""The translation filter: lines of any bytes in, as many lines out."""

import os
import queue
import select
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from seq2seq.config import DecodingConfig
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.lengths import warn_of_cut_outputs
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.quick import QuickTranslator
from seq2seq.errors import warn
from seq2seq.filters.constraint_files import ConstraintFiles, ConstraintReader
from seq2seq.filters.streams import AnyTranslator, LineDecoder, warn_of_cuts

if TYPE_CHECKING:
    from seq2seq.decoding.translator import Translator

# Lines are translated together as they arrive, up to this many bytes: enough to fill batches, and little memory.
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that are translated together."""

    first: int
    """Number of the first, counted from 0."""
    sentences: Sequence[str]
    constraints: Constraints


@dataclass(frozen=True, slots=True)
class Answer:
    """The translations of a block."""

    lines: bytes
    cut: int
    """How many of them are as long as outputs may be."""


_NOTHING = Answer(b"", 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputFormat:
    """How lines are translated, and how translations are written."""

    options: DecodingConfig
    nbest: int = 0
    """0: one translation a line; else that many lines as :func:`nbest_line` writes them."""
    alignments: bool = False
    """End each line with ``||| 0-0 1-2 …``, links between words of source and output, counted from 0."""

    def check(self, translator: AnyTranslator, *, requiring: bool) -> None:
        """Raises ConfigError unless the models can decode so; ``requiring``: outputs have to contain required words."""
        translator.check(self.options, requiring=requiring)
        if self.alignments:
            from seq2seq.decoding.alignment import require_alignable

            require_alignable(_whole(translator))

    def answer(self, translator: AnyTranslator, block: Block) -> Answer:
        """The translations of a block; unmet constraints are named on stderr."""
        warn_of_cuts(translator, block.sentences, block.first)
        constraints = block.constraints.normalised(translator.config.subword)
        if self.nbest:
            lists = _whole(translator).nbest(block.sentences, self.nbest, self.options, constraints)
        else:
            lists = [[output] for output in translator.best(block.sentences, self.options, constraints)]
        if self.alignments:
            from seq2seq.decoding.alignment import with_alignments

            lists = with_alignments(_whole(translator), block.sentences, lists)
        lines = []
        for offset, outputs in enumerate(lists):
            for place, output in enumerate(outputs, 1):
                line = nbest_line(block.first + offset, output) if self.nbest else output.text
                lines.append(f"{line} ||| {' '.join(map(str, output.alignment))}" if self.alignments else line)
                faults = constraints.unmet(offset, output.text)
                if faults and not translator.is_empty(block.sentences[offset]):
                    rank = f", number {place} of its list" if self.nbest else ""
                    warn(f"output {block.first + offset + 1}{rank}: {'; '.join(faults)}")
        cut = sum(output.cut for outputs in lists for output in outputs)
        return Answer("".join(f"{line}\n" for line in lines).encode(), cut)


def _whole(translator: AnyTranslator) -> "Translator":
    """For what needs torch: then the command does not choose a quick one."""
    assert not isinstance(translator, QuickTranslator)
    return translator


def nbest_line(number: int, output: Translation) -> str:
    """One output of an n-best list in Moses's format: ``number ||| text ||| features ||| score``."""
    features = f"LogProb= {output.log_prob:.4f} PerToken= {output.per_token:.4f}"
    return f"{number} ||| {output.text} ||| {features} ||| {output.score:.4f}"


def translate_stream(
    translators: Sequence[AnyTranslator],
    source: BinaryIO,
    target: BinaryIO,
    output_format: OutputFormat,
    constraint_files: ConstraintFiles | None = None,
    *,
    line_by_line: bool = False,
) -> None:
    """Translates every line of ``source`` to one line of ``target``, or to several.

    A line ends at a line feed only; a last line without one counts. Invalid UTF-8 becomes U+FFFD. Lines that have
    arrived are translated at once: those of a person one by one, those of a file in big batches. Memory does not
    grow with the input.

    Args:
        translators: one; or several, each of which takes the next block when it is free.
        source: a stream of bytes, buffered or not.
        target: where translations go, flushed after every block.
        output_format: how to translate and to write.
        constraint_files: constraints on the outputs.
        line_by_line: answer each line before reading the next.

    Raises:
        CorpusError: a constraint file has fewer lines than the source, or, after the last answer, more.
    """
    constraint_files = constraint_files or ConstraintFiles()
    # Before any output, not at the first line with a required word.
    output_format.check(translators[0], requiring=constraint_files.required is not None)
    constraints = ConstraintReader(constraint_files)
    blocks = read_blocks(source, constraints, line_by_line=line_by_line)
    # A few blocks ahead keep all translators busy; more would cost memory.
    cut = 0
    for answer in _in_order(translators, output_format, blocks, ahead=0 if line_by_line else 2 * len(translators)):
        target.write(answer.lines)
        target.flush()
        cut += answer.cut
    warn_of_cut_outputs(cut)
    constraints.check_end()


def translate_shards(
    translator: "Translator",
    source: BinaryIO,
    target: BinaryIO,
    output_format: OutputFormat,
    constraint_files: ConstraintFiles,
) -> None:
    """The same for a file, by all processes of a ``torchrun``; rank 0 writes.

    Rank r of n translates blocks r, n + r, 2 n + r, … After each block the ranks gather, so that memory stays bounded.
    It uses ``torch.distributed`` itself, since ``training.world`` is out of reach: filters must not import training.
    """
    from torch import distributed

    output_format.check(translator, requiring=constraint_files.required is not None)
    distributed.init_process_group("gloo")
    try:
        rank, world = distributed.get_rank(), distributed.get_world_size()
        constraints = ConstraintReader(constraint_files)
        blocks, cut = read_blocks(source, constraints), 0
        while group := list(islice(blocks, world)):
            answer = output_format.answer(translator, group[rank]) if rank < len(group) else _NOTHING
            answers: list[Answer] | None = [_NOTHING] * world if rank == 0 else None
            distributed.gather_object(answer, answers)
            for answer in answers or ():
                target.write(answer.lines)
                cut += answer.cut
            target.flush()
        warn_of_cut_outputs(cut)
        constraints.check_end()
    finally:
        distributed.destroy_process_group()


def is_sharded() -> bool:
    """Whether ``torchrun`` has started several processes, this one among them."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def read_blocks(source: BinaryIO, constraints: ConstraintReader, *, line_by_line: bool = False) -> Iterator[Block]:
    """Blocks of lines with their constraints; a block without lines comes before each wait for input.

    Raises:
        CorpusError: a constraint file has fewer lines than the stream.
    """
    number, to_text = 0, LineDecoder(source)
    for lines in _arrived(source):
        size = 1 if line_by_line else len(lines)
        for start in range(0, max(len(lines), 1), max(size, 1)):
            sentences = [to_text(line) for line in lines[start : start + size]]
            yield Block(number, sentences, constraints.take(len(sentences)))
            number += len(sentences)


def _in_order(
    translators: Sequence[AnyTranslator], output_format: OutputFormat, blocks: Iterable[Block], *, ahead: int
) -> Iterator[Answer]:
    """Answers to blocks in their order, each by the next free translator, with ``ahead`` blocks read ahead."""
    if len(translators) == 1:
        yield from (output_format.answer(translators[0], block) for block in blocks)
        return
    free: queue.Queue[AnyTranslator] = queue.Queue()
    for translator in translators:
        free.put(translator)

    def work(block: Block) -> Answer:
        translator = free.get()
        try:
            return output_format.answer(translator, block)
        finally:
            free.put(translator)

    waiting: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(len(translators)) as pool:
        for block in blocks:
            if block.sentences:
                waiting.append(pool.submit(work, block))
            # A block without lines means that input has to be awaited: all answers must be out by then.
            while len(waiting) > (ahead if block.sentences else 0):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _arrived(source: BinaryIO) -> Iterator[list[bytes]]:
    """Groups of the complete lines that have arrived, without line feeds; an empty one before each wait for input."""
    pending: list[bytes] = []
    size, complete = 0, False
    while True:
        if not _has_more(source):
            yield []
        if not (chunk := _read_some(source)):
            break
        pending.append(chunk)
        size += len(chunk)
        complete = complete or b"\n" in chunk
        if complete and (size >= _BLOCK or not _has_more(source)):
            *lines, rest = b"".join(pending).split(b"\n")
            yield lines
            pending, size, complete = [rest], len(rest), False
    *lines, rest = b"".join(pending).split(b"\n")
    if rest:
        lines.append(rest)
    if lines:
        yield lines


def _read_some(source: BinaryIO) -> bytes:
    """The bytes that have arrived, at least one; none at the end of the stream."""
    read = getattr(source, "read1", source.read)
    chunk: bytes = read(_BLOCK)
    return chunk


def _has_more(source: BinaryIO) -> bool:
    """Whether a read would return at once."""
    try:
        return bool(select.select([source], [], [], 0)[0])
    except (OSError, ValueError):  # not a file that select can watch, such as BytesIO
        return True
