"""Files that say, line by line, what translations must hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from seq2seq.decoding.constraints import Constraints
from seq2seq.errors import CorpusError
from seq2seq.filters.streams import to_texts


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstraintFiles:
    """Files and words that say what outputs must and must not hold."""

    prefixes: Path | None = None
    """Its line n is what output n begins with."""
    required: Path | None = None
    """Its line n has words or phrases that output n must hold, with tabs between them."""
    blocked: Sequence[str] = ()


class ConstraintReader:
    """The files of some constraint_files, read in step with the lines to translate."""

    def __init__(self, constraint_files: ConstraintFiles) -> None:
        self._wishes = constraint_files
        self._prefixes, self._required = _lines(constraint_files.prefixes), _lines(constraint_files.required)
        self._taken = 0

    def take(self, count: int) -> Constraints:
        """What is required of the next lines.

        Raises:
            CorpusError: a file has fewer.
        """
        prefixes = self._next(self._prefixes, self._wishes.prefixes, count)
        required = self._next(self._required, self._wishes.required, count)
        self._taken += count
        return Constraints(
            prefixes=prefixes,
            required=[[phrase for phrase in line.split("\t") if phrase.strip()] for line in required],
            blocked=self._wishes.blocked,
        )

    def check_end(self) -> None:
        """To be asked after the last line to translate.

        Raises:
            CorpusError: a file goes on, so its lines may belong to others than those they were taken for.
        """
        for lines, path in ((self._prefixes, self._wishes.prefixes), (self._required, self._wishes.required)):
            if next(lines, None) is not None:
                raise CorpusError(
                    f"{path} goes on after line {self._taken}, the last one to translate: "
                    "expected a line for each line to translate"
                )

    def _next(self, lines: Iterator[str], path: Path | None, count: int) -> list[str]:
        found = list(islice(lines, count))
        if path is not None and len(found) < count:
            raise CorpusError(
                f"{path} ends after line {self._taken + len(found)}: expected a line for each line to translate"
            )
        return found


def _lines(path: Path | None) -> Iterator[str]:
    if path is not None:
        with path.open("rb") as stream:
            yield from to_texts(stream)
