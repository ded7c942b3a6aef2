"""A translator that answers at once, for tests of what is read and written around it."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch

from seq2seq.cli import main
from seq2seq.config import DecodingConfig
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.outputs import Translation
from seq2seq.recipe import load_recipe


def echo(text: str) -> str:
    """What the stub translates a text to: itself, on one line, as outputs are."""
    return " ".join(text.split())


class Echo:
    """Takes the place of a :class:`seq2seq.decoding.translator.Translator`; bytes are its tokens."""

    def __init__(self) -> None:
        self.config = load_recipe("reverse-digits")
        self.members = ()
        encode = lambda text: list(text.encode())  # noqa: E731
        tgt = SimpleNamespace(encode=encode, pieces=lambda ids: [f"<{one}>" for one in ids])
        self.vocabularies = SimpleNamespace(src=tgt, tgt=tgt)

    def check(self, options: DecodingConfig, *, requiring: bool) -> None:
        """All options will do."""

    def is_empty(self, source: str) -> bool:
        """As a translator has it."""
        return not source.strip()

    def is_cut(self, source: str) -> bool:
        """Never."""
        return False

    def best(
        self, sources: Sequence[str], options: DecodingConfig | None = None, constraints: Constraints | None = None
    ) -> list[Translation]:
        """The sources."""
        return [Translation(echo(source), -1.5, (), ()) for source in sources]

    def nbest(self, sources: Sequence[str], count: int, *more: Any) -> list[list[Translation]]:
        """Each source, and it twice."""
        return [
            [Translation(echo(text), -float(place), (), ()) for place, text in enumerate((source, source * 2))]
            for source in sources
        ]


@contextmanager
def no_models() -> Iterator[None]:
    """Commands and filters work with :class:`Echo`; a text's score is minus its number of tokens."""

    def scores(translator: Echo, sources: Sequence[str], ids: Sequence[Sequence[int]], *more: Any) -> list[Any]:
        return [torch.full((len(one) + 1,), -1.0) for one in ids]

    def totals(translator: Echo, sources: Sequence[str], ids: Sequence[Sequence[int]], *more: Any) -> list[float]:
        return [-float(len(one)) for one in ids]

    with (
        mock.patch("seq2seq.decoding.translator.Translator.load", return_value=Echo()),
        mock.patch("seq2seq.decoding.pair_scores.token_log_probs", scores),
        mock.patch("seq2seq.filters.rescore.log_probs", totals),
    ):
        yield


def unbuffered_command(pipe: Path, *arguments: str) -> int:
    """The command as under ``PYTHONUNBUFFERED=1``, writing to a named pipe, and interrupted all the while by signals.

    A write that a signal interrupts has written a part.
    """
    signal.signal(signal.SIGUSR1, lambda *_: None)
    sys.stdout = TextIOWrapper(open(pipe, "wb", buffering=0), write_through=True)  # noqa: SIM115
    done, main_thread = threading.Event(), threading.main_thread().ident

    def interrupt() -> None:
        while not done.wait(0.002):
            signal.pthread_kill(main_thread or 0, signal.SIGUSR1)

    disturber = threading.Thread(target=interrupt)
    disturber.start()
    try:
        with no_models():
            return main(arguments)
    finally:
        done.set()
        disturber.join()
