"""Atomic writes: after a crash a file is the old one or the new one, never half of either.

A file is written under another name beside it, synced and renamed. Symbolic links are written through: the link stays,
and what it leads to gets the new content. Modes are those that the umask leaves.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import safetensors

from seq2seq.errors import RunError

# What :func:`check_writable` writes: a result of a few pages will fit too.
_ROOM = 1 << 16


@contextmanager
def scratch_file(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path``, to be written and given to :func:`atomic_replace`; removed afterwards.

    Raises:
        RunError: ``path`` cannot be written; says why and what to do.
    """
    with friendly_os_errors(path):
        if path.is_dir():
            raise RunError(f"cannot write {path}: it is a folder; name a file, such as {path / 'result'}")
        if path.exists():
            if not path.is_file():
                raise RunError(f"cannot write {path}: it is a device or a pipe, which nothing replaces; name a file")
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        target = _real(path)
        scratch = target.with_name(target.name + ".part")
        try:
            yield scratch
        finally:
            scratch.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Writes beside ``path`` as a result will be written, and leaves nothing: for before the work on that result.

    Raises:
        RunError: ``path`` cannot be written; says why and what to do.
    """
    with scratch_file(path) as scratch:
        scratch.write_bytes(bytes(_ROOM))


def atomic_replace(scratch: Path, path: Path) -> None:
    """Renames a written file, or a folder of synced files, to ``path`` and syncs the rename.

    Raises:
        RunError: ``path`` is a mount point; names the file beside it that keeps the content.
    """
    target = _real(path)
    if scratch.is_file():
        _sync(scratch)
    try:
        os.replace(scratch, target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        kept = target.with_name(target.name + ".new")
        os.replace(scratch, kept)
        raise RunError(
            f"cannot write {path}: a file is mounted there, and nothing can replace it; the result is kept as {kept}: "
            "move it, and mount the folder instead"
        ) from None
    _sync(target.parent)


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces the content of a file atomically."""
    with scratch_file(path) as scratch:
        scratch.write_bytes(content)
        atomic_replace(scratch, path)


@contextmanager
def folder_made(path: Path) -> Iterator[None]:
    """Makes a folder and its parents, unless they exist; if the block raises, those it made and left empty are removed.

    Raises:
        RunError: the folder cannot be made; says why and what to do.
    """
    missing: list[Path] = []
    try:
        with friendly_os_errors(path):
            target = _real(path)
            missing = [folder for folder in (target, *target.parents) if not os.path.lexists(folder)]
            target.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def new_folder(path: Path, size: int) -> Iterator[Path]:
    """A scratch folder, whose files are ``path``'s when the block ends; after an error nothing of them is left.

    Args:
        path: a new or empty folder.
        size: bytes that the files will need, about.

    Raises:
        RunError: ``path`` is something else, or cannot be written; says why and what to do.
    """
    with friendly_os_errors(path):
        target = _real(path)
    with folder_made(target.parent), friendly_os_errors(path, advice="nothing was kept"):
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: expected a new or empty folder, found a file; name another with --out")
        there = path.is_dir()
        if there and any(path.iterdir()):
            raise RunError(f"{path}: expected a new or empty folder, found files in it; empty it or name another")
        # Beside a folder that is there may be another disk, and nothing can replace a mount point.
        scratch = (target if there else target.parent) / f".{target.name}-{os.getpid()}.part"
        scratch.mkdir()
        try:
            check_writable(scratch / "room")
            if shutil.disk_usage(scratch).free < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield scratch
            for file in scratch.iterdir():
                _sync(file)
            if there:
                for file in scratch.iterdir():
                    atomic_replace(file, target / file.name)
            else:
                atomic_replace(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def friendly_os_errors(path: Path, *, advice: str = "what was saved before is whole") -> Iterator[None]:
    """Turns any OSError into one line that says why ``path`` cannot be written and what to do.

    Args:
        path: what is being written.
        advice: the end of that line.

    Raises:
        RunError: instead of the OSError.
    """
    try:
        yield
    except (OSError, safetensors.SafetensorError) as error:
        reason = disk_reason(error, path) or (isinstance(error, OSError) and error.strerror) or str(error)
        raise RunError(f"cannot write {path}: {reason}; {advice}") from None


def disk_reason(error: BaseException, path: Path) -> str | None:
    """Why a disk refuses to take ``path``, and what to do, if an error's number or message says so; else None."""
    number = error.errno if isinstance(error, OSError) else None
    # safetensors and pip have it only in their messages.
    if match := re.search(r"(?:os error |\[Errno )(\d+)", str(error)):
        number = number or int(match[1])
    match number:
        case errno.ENOSPC:
            return f"the disk is full ({_free(path)}): make room there, then give the same command again"
        case errno.EDQUOT:
            return (
                "your quota on this disk is used up: make room in it or ask for more, then give the same command again"
            )
        case errno.EROFS:
            return "this disk is read-only: have it mounted for writing, or name a folder elsewhere"
        case errno.EACCES | errno.EPERM:
            return (
                "you have no permission to write there: change the folder's owner or mode, or name a folder elsewhere"
            )
        case errno.ENOENT if not path.parent.is_dir():
            return f"there is no folder {path.parent}: make it, or name another"
        case errno.ENOTDIR | errno.EEXIST:
            return "a file is in the way where a folder is expected: name another"
        case errno.ENAMETOOLONG:
            return "the name is too long for this disk: choose a shorter one"
        case errno.ELOOP:
            return "symbolic links lead in a circle there: name another, or mend them"
    return None


def _free(path: Path) -> str:
    nearest = next(folder for folder in path.absolute().parents if folder.is_dir())
    return f"{shutil.disk_usage(nearest).free / 1e6:.1f} MB free without it"


def _real(path: Path) -> Path:
    """The path without symbolic links: beside it is the same disk, and a rename to it leaves the links."""
    real = Path(os.path.realpath(path))
    if real.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return real


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
