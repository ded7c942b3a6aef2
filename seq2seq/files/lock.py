"""One training in a run folder at a time."""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seq2seq.errors import RunError
from seq2seq.files.atomic import friendly_os_errors

LOCK = "training.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the run folder, which is made if need be; the kernel lets go of it even if the process is killed.

    Raises:
        RunError: another training holds it; says which.
    """
    with friendly_os_errors(folder / LOCK):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK).open("a+b")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read(200).decode("utf-8", "replace").strip() or "another process"
            raise RunError(
                f"{folder} is being trained already, by {holder}: "
                "wait for it, stop it, or name another folder with --run"
            ) from None
        except OSError as error:  # some network file systems
            print(
                f"warning: {folder} cannot be locked ({error}): see to it that nothing else trains there",
                file=sys.stderr,
            )
        with friendly_os_errors(folder / LOCK):
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            stream.flush()
        yield  # the file stays: were it removed, two could hold two files of its name
