"""What children do: functions that return an exit status, and the small disk that one may fill."""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from itertools import count
from pathlib import Path

import torch
from reference import ending

from seq2seq.cli import main
from seq2seq.corpus.batching import Batch
from seq2seq.errors import Seq2SeqError
from seq2seq.files.lock import locked
from seq2seq.files.manifest import check_manifest
from seq2seq.runs.folder import load_run, save_model
from seq2seq.training.checkpoint import Checkpoint, checkpoint_folders, save_checkpoint
from seq2seq.training.trainer import Trainer

# Bytes on the small disk: enough for the first checkpoints of the training in ``reference``, not for three at once.
_ROOM = 120_000


def seq2seq(*arguments: str) -> int:
    """The command, as a child's work."""
    return main(arguments)


def command_killed_at(event: int, folder: str, *arguments: str) -> int:
    """The command, killed just before it touches a file for the ``event``-th time; the last line it says is how often.

    Touched is what the interpreter's audit hooks show: files of ``folder`` opened, anything made, renamed, removed.
    """
    touches = 0

    def watch(name: str, args: tuple[object, ...]) -> None:
        nonlocal touches
        if name in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate") or (
            name == "open" and str(args[0]).startswith(folder)
        ):
            touches += 1
            if touches == event:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    status = seq2seq(*arguments)
    print(touches)
    return status


def save_without_end(run: Path) -> int:
    """Models and checkpoints, each filled with its number."""
    facts = {"corpus": check_manifest(run)["corpus"]}
    shapes = {name: tuple(tensor.shape) for name, tensor in load_run(run).model.named_parameters()}
    for number in count(1):
        weights = {name: torch.full(shape, float(number)) for name, shape in shapes.items()}
        save_model(run, weights, facts)
        save_checkpoint(run, Checkpoint(weights, {"updates": number}), keep=2)
    return 0


def mount_small_disk(folder: Path, megabytes: int) -> str | None:
    """Gives this process alone a real small file system at ``folder``; else says what is missing."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group, clone_user, clone_mounts, private = os.getuid(), os.getgid(), 0x10000000, 0x20000, 0x40000 | 0x4000
    if libc.unshare(clone_user | clone_mounts):
        return (
            f"no user and mount namespaces ({os.strerror(ctypes.get_errno())}): allow them (user.max_user_namespaces)"
        )
    for name, content in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path("/proc/self", name).write_text(content, encoding="ascii")
    if libc.mount(b"none", b"/", None, private, None) or libc.mount(
        b"none", bytes(folder), b"tmpfs", 0, f"size={megabytes}m".encode()
    ):
        return f"no mount of a tmpfs within a namespace ({os.strerror(ctypes.get_errno())})"
    return None


def make_read_only(folder: Path, yes: bool) -> None:
    """Mounts what :func:`mount_small_disk` mounted anew, for reading only or for writing too."""
    remount = 0x20
    if ctypes.CDLL(None, use_errno=True).mount(None, bytes(folder), None, remount | yes, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def on_small_disk(folder: Path, run: str, *arguments: str) -> int:
    """The command on a disk that becomes full, then is read-only, then has room; prints the statuses and the ending."""
    if missing := mount_small_disk(folder, megabytes=4):
        print(f"missing: {missing}")
        return 1
    filler = folder / "filler"
    filler.write_bytes(bytes((4 << 20) - _ROOM))
    statuses = [main(arguments)]
    whole = [path.name for path in checkpoint_folders(Path(run)) if check_manifest(path)]
    filler.unlink()
    make_read_only(folder, True)
    statuses.append(main(arguments))
    make_read_only(folder, False)
    statuses.append(main(arguments))
    print(json.dumps({"statuses": statuses, "whole": whole, "ending": ending(Path(run))}))
    return 0


def save_without_permission(run: Path) -> int:
    """Saves where only reading is allowed; root may write anywhere, so that one becomes nobody."""
    run.chmod(0o555)
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        save_checkpoint(run, Checkpoint({}, {"updates": 1}), keep=2)
    except Seq2SeqError as error:
        print(error)
    return 2


def hold_lock(run: Path) -> int:
    """Takes a run's lock, says so and waits to be killed."""
    with locked(run):
        print("held")
        time.sleep(600)
    return 0


def train_at_leisure(*arguments: str) -> int:
    """The command with a pause after every update, so that a signal finds it in the middle."""
    update = Trainer._update

    def slowly(trainer: Trainer, batches: list[Batch]) -> None:
        update(trainer, batches)
        time.sleep(0.1)

    Trainer._update = slowly  # type: ignore[method-assign]
    return main(arguments)


def load_with_little_memory(run: Path) -> int:
    """Loads a run, with 1 GiB beyond what the process has taken for itself; one line, as the command would say it."""
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30), resource.RLIM_INFINITY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        load_run(run)
    except Seq2SeqError as error:
        print(error)
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if taken > 300:
        print(f"took {taken:.0f} MB")
    return 2
