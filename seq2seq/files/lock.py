"""Locks between processes; the kernel releases them even when the process that holds them is killed."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from seq2seq.errors import RunError, warn
from seq2seq.files.atomic import folder_made, friendly_os_errors

LOCK, HOLDER = "training.lock", "training.holder"
# Seconds for which a lock is tried: `is_locked` may hold it for a moment.
_GLANCE = 0.05


@contextmanager
def file_lock(path: Path, if_taken: Callable[[], None]) -> Iterator[OSError | None]:
    """Holds an exclusive lock while the block runs. The lock's file stays.

    Args:
        path: the lock's file, in a folder that exists.
        if_taken: called when another process holds the lock; unless it raises, we then wait for the lock.

    Yields:
        None; or, on file systems that cannot lock (some network file systems), the reason. Then nothing is locked.
    """
    path.touch()  # a folder that cannot be written is the caller's error, not a file system without locks
    lock = FileLock(path, fallback_to_soft=False)
    failure = None
    try:
        try:
            lock.acquire(timeout=_GLANCE, poll_interval=_GLANCE / 10)
        except Timeout:
            if_taken()
            lock.acquire()
    except OSError as error:
        failure = error
    try:
        yield failure
    finally:
        lock.release()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a run folder, which is created if it does not exist, for one training.

    A training that ends with an error before it wrote anything leaves the folder as it was.

    Raises:
        RunError: another training holds the lock; names its process and host.
    """

    def refuse() -> None:
        raise RunError(
            f"{folder} is being trained already, by {_holder(folder)}: wait for it, stop it, or name another folder "
            "with --run"
        )

    with folder_made(folder), ExitStack() as stack:
        with friendly_os_errors(folder / LOCK):
            before = set(folder.iterdir())
            failure = stack.enter_context(file_lock(folder / LOCK, refuse))
            stack.push(lambda kind, *_: _tidy(folder, before) if kind else None)
            (folder / HOLDER).write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
        if failure:
            warn(f"{folder} cannot be locked ({failure}): make sure that nothing else trains there")
        yield


def _tidy(folder: Path, before: set[Path]) -> None:
    """Removes our own files if nothing else came into the folder; called by the holder of the lock."""
    with suppress(OSError):
        if (new := set(folder.iterdir()) - before) <= {folder / LOCK, folder / HOLDER}:
            for path in new:
                path.unlink()


def is_locked(folder: Path) -> bool | None:
    """Whether a training holds a run folder; None if that cannot be told.

    It cannot where files cannot be locked or this lock not be opened, nor from one machine about another, since some
    network file systems keep locks to each machine.
    """
    if not (folder / LOCK).is_file():
        return False
    lock = FileLock(folder / LOCK, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return None
    lock.release()
    return False if _holder(folder).endswith(f" on {socket.gethostname()}") else None


def _holder(folder: Path) -> str:
    """The process that last held a run folder."""
    holder = folder / HOLDER  # not in the lock's file: Windows lets no other process read that
    return holder.read_text(encoding="utf-8", errors="replace").strip() if holder.is_file() else "another process"
