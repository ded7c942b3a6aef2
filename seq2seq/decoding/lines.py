"""The translation filter: bytes in, as many lines of bytes out, whatever the bytes are."""

import os
import queue
import select
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from seq2seq.config import DecodingConfig
from seq2seq.decoding.demands import Demands
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.scoring import check_options
from seq2seq.decoding.translator import Translator
from seq2seq.errors import CorpusError

# Lines are translated together as they arrive, up to this many bytes: enough to fill batches, little to hold.
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that are translated together."""

    first: int
    """Number of the first, counted from 0."""
    sentences: Sequence[str]
    demands: Demands


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """What is asked of each line, and how the answer is written."""

    options: DecodingConfig
    nbest: int = 0
    """0: one translation a line; else that many lines as :func:`nbest_line` writes them."""

    def answer(self, translator: Translator, block: Block) -> bytes:
        """The lines that answer a block; what was demanded and not fulfilled goes to stderr."""
        for offset, sentence in enumerate(block.sentences):
            if translator.is_cut(sentence):
                _warn(
                    f"line {block.first + offset + 1} has over {translator.config.data.max_tokens} subwords; "
                    "only the first were read (data.max_tokens)"
                )
        if self.nbest:
            found = translator.nbest(block.sentences, self.nbest, self.options, block.demands)
        else:
            found = [[one] for one in translator.best(block.sentences, self.options, block.demands)]
        lines = []
        for offset, outputs in enumerate(found):
            for place, output in enumerate(outputs, 1):
                lines.append(nbest_line(block.first + offset, output) if self.nbest else output.text)
                faults = block.demands.unmet(offset, output.text)
                if faults and not translator.is_empty(block.sentences[offset]):
                    which = f"output {block.first + offset + 1}" + (
                        f", number {place} of its list" if self.nbest else ""
                    )
                    _warn(f"{which}: {'; '.join(faults)}")
        return "".join(f"{line}\n" for line in lines).encode()


def nbest_line(number: int, output: Translation) -> str:
    """One output of a list, as Moses writes it: ``number ||| text ||| features ||| score``."""
    features = f"LogProb= {output.log_prob:.4f} PerToken= {output.per_token:.4f}"
    return f"{number} ||| {output.text} ||| {features} ||| {output.score:.4f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """Files and words that say what outputs must and must not hold."""

    prefixes: Path | None = None
    """Its line n is what output n begins with."""
    required: Path | None = None
    """Its line n has words or phrases that output n must hold, with tabs between them."""
    blocked: Sequence[str] = ()


def translate_stream(
    translators: Sequence[Translator],
    source: BinaryIO,
    target: BinaryIO,
    form: Format,
    wishes: Wishes | None = None,
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
        wishes: what outputs must hold.
        line_by_line: answer each line before the next one is looked at.
    """
    wishes = wishes or Wishes()
    # Before any output, not at the first line of which something is required.
    check_options(translators[0], form.options, requiring=wishes.required is not None)
    for answer in _in_order(translators, form, read_blocks(source, wishes, line_by_line=line_by_line)):
        target.write(answer)
        target.flush()


def translate_shards(translator: Translator, path: Path, target: BinaryIO, form: Format, wishes: Wishes) -> None:
    """The same for a file, by all processes of a ``torchrun`` together; the first of them writes.

    Process r of n translates blocks r, n + r, 2 n + r, … and they meet after each, so that memory stays bounded.
    """
    from torch import distributed

    check_options(translator, form.options, requiring=wishes.required is not None)
    distributed.init_process_group("gloo")
    try:
        rank, world = distributed.get_rank(), distributed.get_world_size()
        with path.open("rb") as source:
            blocks = read_blocks(source, wishes)
            while some := list(islice(blocks, world)):
                own = form.answer(translator, some[rank]) if rank < len(some) else b""
                answers: list[bytes] | None = [b""] * world if rank == 0 else None
                distributed.gather_object(own, answers)
                for answer in answers or ():
                    target.write(answer)
                target.flush()
    finally:
        distributed.destroy_process_group()


def is_sharded() -> bool:
    """Whether ``torchrun`` has started this process next to others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def read_blocks(source: BinaryIO, wishes: Wishes, *, line_by_line: bool = False) -> Iterator[Block]:
    """Lines of a stream in groups, with what is demanded of each.

    Raises:
        CorpusError: a file of demands has fewer lines than the stream.
    """
    prefixes, required = _lines(wishes.prefixes), _lines(wishes.required)
    number = 0
    for lines in _arrived(source):
        size = 1 if line_by_line else len(lines)
        for start in range(0, len(lines), size):
            sentences = [line.decode("utf-8", "replace") for line in lines[start : start + size]]
            demands = Demands(
                prefixes=_take(prefixes, wishes.prefixes, number, len(sentences)),
                required=[
                    [phrase for phrase in line.split("\t") if phrase.strip()]
                    for line in _take(required, wishes.required, number, len(sentences))
                ],
                blocked=wishes.blocked,
            )
            yield Block(number, sentences, demands)
            number += len(sentences)


def _in_order(translators: Sequence[Translator], form: Format, blocks: Iterable[Block]) -> Iterator[bytes]:
    """Answers to blocks in their order, made by whichever translator is free."""
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
            waiting.append(pool.submit(work, block))
            # A few blocks ahead keep all of them busy, and no more are held in memory.
            if len(waiting) > 2 * len(translators):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _lines(path: Path | None) -> Iterator[str]:
    if path is not None:
        with path.open("rb") as stream:
            yield from (line.decode("utf-8", "replace").rstrip("\r\n") for line in stream)


def _take(lines: Iterator[str], path: Path | None, number: int, count: int) -> list[str]:
    """The next ``count`` lines of a file of demands; none if there is no file."""
    found = list(islice(lines, count))
    if path is not None and len(found) < count:
        raise CorpusError(f"{path} ends after line {number + len(found)}: expected a line for each line to translate")
    return found


def _arrived(source: BinaryIO) -> Iterator[list[bytes]]:
    """Complete lines, without their ends, in groups of those that have arrived."""
    pending: list[bytes] = []
    held, complete = 0, False
    while chunk := _read_some(source):
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


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)
