"""The translation filter: bytes in, as many lines of bytes out, whatever the bytes are."""

import os
import queue
import select
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from seq2seq.config import DecodingConfig
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.scoring import check_options
from seq2seq.decoding.translator import Translator
from seq2seq.errors import warn
from seq2seq.filters.constraint_files import ConstraintFiles, ConstraintReader
from seq2seq.filters.streams import to_text, warn_of_cuts

# Lines are translated together as they arrive, up to this many bytes: enough to fill batches, little to hold.
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that are translated together."""

    first: int
    """Number of the first, counted from 0."""
    sentences: Sequence[str]
    constraints: Constraints


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """What is asked of each line, and how the answer is written."""

    options: DecodingConfig
    nbest: int = 0
    """0: one translation a line; else that many lines as :func:`nbest_line` writes them."""

    def answer(self, translator: Translator, block: Block) -> bytes:
        """The lines that answer a block; what was required and not fulfilled goes to stderr."""
        warn_of_cuts(translator, block.sentences, block.first)
        if self.nbest:
            found = translator.nbest(block.sentences, self.nbest, self.options, block.constraints)
        else:
            found = [[one] for one in translator.best(block.sentences, self.options, block.constraints)]
        lines = []
        for offset, outputs in enumerate(found):
            for place, output in enumerate(outputs, 1):
                lines.append(nbest_line(block.first + offset, output) if self.nbest else output.text)
                faults = block.constraints.unmet(offset, output.text)
                if faults and not translator.is_empty(block.sentences[offset]):
                    which = f"output {block.first + offset + 1}" + (
                        f", number {place} of its list" if self.nbest else ""
                    )
                    warn(f"{which}: {'; '.join(faults)}")
        return "".join(f"{line}\n" for line in lines).encode()


def nbest_line(number: int, output: Translation) -> str:
    """One output of a list, as Moses writes it: ``number ||| text ||| features ||| score``."""
    features = f"LogProb= {output.log_prob:.4f} PerToken= {output.per_token:.4f}"
    return f"{number} ||| {output.text} ||| {features} ||| {output.score:.4f}"


def translate_stream(
    translators: Sequence[Translator],
    source: BinaryIO,
    target: BinaryIO,
    form: Format,
    constraint_files: ConstraintFiles | None = None,
    *,
    line_by_line: bool = False,
) -> None:
    """Translates every line of ``source`` to one line of ``target``, or to several.

    A line ends at a line feed only; a last line without one counts. Invalid UTF-8 becomes U+FFFD. What has
    arrived is translated at once, so it answers a person line by line and a file in big batches. Memory does not
    grow with the input.

    Args:
        translators: a loaded model; or several, each of which takes the next block when it is free.
        source: unbuffered or not, a stream of bytes.
        target: where translations go, flushed after every block.
        form: what is asked for.
        constraint_files: what outputs must hold.
        line_by_line: answer each line before the next one is looked at.

    Raises:
        CorpusError: a file of constraints has fewer lines than the source, or, after the last answer, more.
    """
    constraint_files = constraint_files or ConstraintFiles()
    # Before any output, not at the first line of which something is required.
    check_options(translators[0], form.options, requiring=constraint_files.required is not None)
    constraints = ConstraintReader(constraint_files)
    blocks = read_blocks(source, constraints, line_by_line=line_by_line)
    # A few blocks ahead keep all translators busy, and no more are held in memory.
    for answer in _in_order(translators, form, blocks, ahead=0 if line_by_line else 2 * len(translators)):
        target.write(answer)
        target.flush()
    constraints.check_end()


def translate_shards(
    translator: Translator, source: BinaryIO, target: BinaryIO, form: Format, constraint_files: ConstraintFiles
) -> None:
    """The same for a file, by all processes of a ``torchrun`` together; the first of them writes.

    Process r of n translates blocks r, n + r, 2 n + r, … and they meet after each, so that memory stays bounded.
    """
    from torch import distributed

    check_options(translator, form.options, requiring=constraint_files.required is not None)
    distributed.init_process_group("gloo")
    try:
        rank, world = distributed.get_rank(), distributed.get_world_size()
        constraints = ConstraintReader(constraint_files)
        blocks = read_blocks(source, constraints)
        while some := list(islice(blocks, world)):
            own = form.answer(translator, some[rank]) if rank < len(some) else b""
            answers: list[bytes] | None = [b""] * world if rank == 0 else None
            distributed.gather_object(own, answers)
            for answer in answers or ():
                target.write(answer)
            target.flush()
        constraints.check_end()
    finally:
        distributed.destroy_process_group()


def is_sharded() -> bool:
    """Whether ``torchrun`` has started this process next to others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def read_blocks(source: BinaryIO, constraints: ConstraintReader, *, line_by_line: bool = False) -> Iterator[Block]:
    """Lines of a stream in groups, with what is required of each; a group without lines where the next must be awaited.

    Raises:
        CorpusError: a file of constraints has fewer lines than the stream.
    """
    number = 0
    for lines in _arrived(source):
        size = 1 if line_by_line else len(lines)
        for start in range(0, max(len(lines), 1), max(size, 1)):
            sentences = [to_text(line) for line in lines[start : start + size]]
            yield Block(number, sentences, constraints.take(len(sentences)))
            number += len(sentences)


def _in_order(
    translators: Sequence[Translator], form: Format, blocks: Iterable[Block], *, ahead: int
) -> Iterator[bytes]:
    """Answers to blocks in their order, made by whichever translator is free, with so many blocks read ahead."""
    if len(translators) == 1:
        yield from (form.answer(translators[0], block) for block in blocks)
        return
    free: queue.Queue[Translator] = queue.Queue()
    for translator in translators:
        free.put(translator)

    def work(block: Block) -> bytes:
        translator = free.get()
        try:
            return form.answer(translator, block)
        finally:
            free.put(translator)

    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(len(translators)) as pool:
        for block in blocks:
            if block.sentences:
                waiting.append(pool.submit(work, block))
            # Whoever waits for an answer before he asks again must get all there are.
            while len(waiting) > (ahead if block.sentences else 0):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _arrived(source: BinaryIO) -> Iterator[list[bytes]]:
    """Complete lines, without their ends, in groups of those that have arrived; none before a wait for more."""
    pending: list[bytes] = []
    held, complete = 0, False
    while True:
        if not _has_more(source):
            yield []
        if not (chunk := _read_some(source)):
            break
        pending.append(chunk)
        held += len(chunk)
        complete = complete or b"\n" in chunk
        if complete and (held >= _BLOCK or not _has_more(source)):
            *lines, rest = b"".join(pending).split(b"\n")
            yield lines
            pending, held, complete = [rest], len(rest), False
    *lines, rest = b"".join(pending).split(b"\n")
    if rest:
        lines.append(rest)
    if lines:
        yield lines


def _read_some(source: BinaryIO) -> bytes:
    """Whatever is there, after waiting for the first byte; nothing at the end."""
    read = getattr(source, "read1", source.read)
    chunk: bytes = read(_BLOCK)
    return chunk


def _has_more(source: BinaryIO) -> bool:
    """Whether a read would not have to wait."""
    try:
        return bool(select.select([source], [], [], 0)[0])
    except (OSError, ValueError):  # not a file the system can watch, such as BytesIO
        return True
