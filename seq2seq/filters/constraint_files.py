"""Files with a line of constraints for each line to translate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from seq2seq.corpus.normalise import normalise
from seq2seq.decoding.constraints import Constraints
from seq2seq.errors import CorpusError
from seq2seq.filters.streams import file_texts


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstraintFiles:
    """Where the constraints on outputs come from."""

    prefixes: Path | None = None
    """Line n: how output n begins."""
    required: Path | None = None
    """Line n: words or phrases that output n must contain, separated by tabs."""
    blocked: Sequence[str] = ()
    """Words or phrases that no output contains."""


class ConstraintReader:
    """Reads the files in step with the lines to translate."""

    def __init__(self, files: ConstraintFiles) -> None:
        self._files = files
        self._prefixes, self._required = _lines(files.prefixes), _lines(files.required)
        self._taken = 0

    def take(self, count: int) -> Constraints:
        """The constraints on the next ``count`` outputs.

        Raises:
            CorpusError: a file has fewer.
        """
        prefixes = self._next(self._prefixes, self._files.prefixes, count)
        required = self._next(self._required, self._files.required, count)
        self._taken += count
        return Constraints(
            prefixes=prefixes,
            required=[[phrase for phrase in line.split("\t") if normalise(phrase)] for line in required],
            blocked=self._files.blocked,
        )

    def check_end(self) -> None:
        """Checks that the files end with the last line to translate.

        Raises:
            CorpusError: a file goes on, so its lines may have been taken for the wrong ones.
        """
        for lines, path in ((self._prefixes, self._files.prefixes), (self._required, self._files.required)):
            if next(lines, None) is not None:
                raise CorpusError(
                    f"{path} goes on after line {self._taken}, the last one to translate: "
                    "expected a line for each line to translate"
                )

    def _next(self, lines: Iterator[str], path: Path | None, count: int) -> list[str]:
        taken = list(islice(lines, count))
        if path is not None and len(taken) < count:
            raise CorpusError(
                f"{path} ends after line {self._taken + len(taken)}: expected a line for each line to translate"
            )
        return taken


def _lines(path: Path | None) -> Iterator[str]:
    return iter(()) if path is None else file_texts(path)
