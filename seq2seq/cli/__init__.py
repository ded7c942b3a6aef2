"""The command ``seq2seq``: each sub-command parses its options and calls the public function of its name.

torch and other slow imports wait until a command runs, so that ``--help`` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from seq2seq.cli import decoding, evaluation, serving, training
from seq2seq.cli.examples import add_examples
from seq2seq.cli.options import require_text
from seq2seq.cli.streams import flush_stdout, set_up_streams
from seq2seq.errors import Seq2SeqError, is_out_of_memory, one_line
from seq2seq.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is 0, 2 after an error that the user can mend, 128 + n after signal n."""
    set_up_streams()
    let_threads_yield()
    try:
        try:
            options = _parser().parse_args(arguments)
            require_text(options)
            options.command(options)
        finally:
            flush_stdout()  # here a stream that cannot be written raises, not at exit
    except BrokenPipeError:  # the reader has gone, as in `seq2seq translate | head`
        return 141
    except Seq2SeqError as error:
        return _refused(error)
    except OSError as error:
        from seq2seq.files.atomic import disk_reason

        if error.filename is not None:
            return _refused(f"{error.filename} cannot be used: {error.strerror}; look at the name and its permissions")
        reason = disk_reason(error, Path("stdout"))  # files have names, standard streams have none
        return _refused(f"cannot write the output: {reason}" if reason else error.strerror or str(error))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        remedy = "free some, or lower model.hidden_size, subword.vocab_size or batches"
        return _refused(f"out of memory ({reason}): {remedy}")
    except KeyboardInterrupt:
        print("seq2seq: interrupted", file=sys.stderr)
        return 130
    return options.exit_code if hasattr(options, "exit_code") else 0


def let_threads_yield() -> None:
    """Lets OpenMP's threads spin for a moment only when they wait for one another, unless the user has said otherwise.

    By default they spin for milliseconds, and beside another busy process a command took ten times as long
    (docs/log.md). It must come before torch is imported; processes that are started inherit it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _refused(message: object) -> int:
    """Prints why, in one line; the exit status."""
    print(f"seq2seq: {one_line(message)}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seq2seq", description="Recurrent sequence-to-sequence models on your pairs.")
    parser.add_argument("--version", action="version", version=f"seq2seq {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    training.add_commands(commands)
    decoding.add_commands(commands)
    evaluation.add_commands(commands)
    serving.add_commands(commands)
    for name, command in commands.choices.items():
        add_examples(name, command)
    return parser
