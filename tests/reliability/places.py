"""Odd places to write to, every command that writes, and what must hold of each command in each place."""

import codecs
import contextlib
import ctypes
import io
import json
import os
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from work import mount_small_disk

from seq2seq.cli import main

OLD = b"what was there before"
FOLDERS = ("train", "prepare", "export", "average")
FILES = ("evaluate", "inspect", "encode", "lr-find")
# Where the work of each command begins that must not begin if its result cannot be written. The corpus is written
# while it is built.
_WORK = {
    "train": "seq2seq.training.trainer.Trainer._update",
    "export": "seq2seq.onnx.export._write_files",
    "average": "seq2seq.training.average._mean",
    "evaluate": "seq2seq.evaluation.evaluate._decode",
    "inspect": "seq2seq.reports.inspection.trace_translation",
    "encode": "seq2seq.filters.encode.sentence_vectors",
    "lr-find": "seq2seq.training.lr_find._losses",
}
_SIZES = ("data.train=300", "data.validation_size=8", "data.test_size=8", "training.batch_tokens=200")
_NOBODY = 65534


def arguments(writer: str, run: Path, out: Path) -> list[str]:
    """Of the command that writes to ``out``; ``evaluate`` writes to ``evaluation.json`` in ``run`` instead."""
    sets = [f"data.directory={out if writer == 'prepare' else run.parent / 'data'}", *_SIZES]
    sets += ["model.hidden_size=16", "model.embedding_size=8", "training.max_updates=2"]
    settings = [part for setting in sets for part in ("--set", setting)]
    return {
        "train": ["train", "reverse-digits", "--device", "cpu", "--run", str(out), *settings],
        "prepare": ["prepare", "reverse-digits", *settings],
        "export": ["export", "--model", str(run), "--out", str(out)],
        "average": ["average", str(run), str(run), "--out", str(out)],
        "evaluate": ["evaluate", "--model", str(out.parent), "--beam", "1", "--device", "cpu"],
        "inspect": ["inspect", "--model", str(run), "--text", "12", "--out", str(out), "--device", "cpu"],
        "encode": ["encode", "--model", str(run), "--out", str(out), "--device", "cpu"],
        "lr-find": ["lr-find", "reverse-digits", "--out", str(out), "--device", "cpu", *settings],
    }[writer]


def name_of(writer: str) -> str:
    """What the result is called."""
    return {"evaluate": "evaluation.json", "lr-find": "plot.svg"}.get(writer, "result")


def under_a_file(base: Path, name: str, is_folder: bool) -> Path:
    (base / "file").write_bytes(OLD)
    return base / "file" / name


def link_to_a_file(base: Path, name: str, is_folder: bool) -> Path:
    (base / "elsewhere").mkdir()
    (base / "elsewhere" / "target").write_bytes(OLD)
    (base / name).symlink_to(base / "elsewhere" / "target")
    return base / name


def link_to_a_folder(base: Path, name: str, is_folder: bool) -> Path:
    (base / "elsewhere").mkdir()
    (base / ("link" if not is_folder else name)).symlink_to("elsewhere")
    return base / name if is_folder else base / "link" / name


def dangling_link(base: Path, name: str, is_folder: bool) -> Path:
    (base / "elsewhere").mkdir()
    (base / name).symlink_to(Path("elsewhere") / "nothing yet")
    return base / name


def link_in_a_circle(base: Path, name: str, is_folder: bool) -> Path:
    (base / name).symlink_to(name)
    return base / name


def mount_point(base: Path, name: str, is_folder: bool) -> Path:
    out = base / name
    if is_folder:
        out.mkdir()
        _mount(None, out, b"tmpfs", 0, b"size=8m")
    else:
        (base / "mounted").write_bytes(OLD)
        out.write_bytes(OLD)
        _mount(base / "mounted", out, None, 0x1000, None)
    return out


def full_disk(base: Path, name: str, is_folder: bool) -> Path:
    disk = base / "disk"
    disk.mkdir()
    _mount(None, disk, b"tmpfs", 0, b"size=1m")
    if not is_folder:
        (disk / name).write_bytes(OLD)
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    return disk / name


def read_only_folder(base: Path, name: str, is_folder: bool) -> Path:
    (base / "closed").mkdir(mode=0o555)
    _give(base / "closed")
    return base / "closed" / name


def folder_of_another(base: Path, name: str, is_folder: bool) -> Path:
    (base / "another's").mkdir(mode=0o755)
    if not is_folder:
        (base / "another's" / name).write_bytes(OLD)
    return base / "another's" / name


def read_only_file(base: Path, name: str, is_folder: bool) -> Path:
    _give(base)
    (base / name).write_bytes(OLD)
    _give(base / name)
    (base / name).chmod(0o444)
    return base / name


def long_name(base: Path, name: str, is_folder: bool) -> Path:
    return base / ("n" * 300 + name)


def wrong_kind(base: Path, name: str, is_folder: bool) -> Path:
    if is_folder:
        (base / name).write_bytes(OLD)
    else:
        (base / name).mkdir()
        (base / name / "kept").write_bytes(OLD)
    return base / name


def full_folder(base: Path, name: str, is_folder: bool) -> Path:
    folder = base / name if is_folder else base
    folder.mkdir(exist_ok=True)
    (folder / "kept").write_bytes(OLD)
    return base / name


def device(base: Path, name: str, is_folder: bool) -> Path:
    (base / name).symlink_to("/dev/full")
    return base / name


def pipe(base: Path, name: str, is_folder: bool) -> Path:
    os.mkfifo(base / name)
    return base / name


PLACES: dict[str, tuple[Callable[[Path, str, bool], Path], str]] = {
    place.__name__: (place, mode)
    for mode, places in {
        "": (under_a_file, link_to_a_file, link_to_a_folder, dangling_link, link_in_a_circle, long_name),
        " ": (wrong_kind, full_folder, device, pipe),
        "mounts": (mount_point, full_disk),
        "nobody": (read_only_folder, folder_of_another, read_only_file),
    }.items()
    for place in places
}


def write_everywhere(place: str, base: Path, run: Path) -> int:
    """Every command in one place; prints the faults, as JSON, or what this machine lacks for that place."""
    make, mode = PLACES[place]
    if mode == "mounts" and (missing := mount_small_disk(base, megabytes=16)):
        print(json.dumps({"missing": missing}))
        return 0
    writers: dict[str, Path] = {}
    for writer in (*FOLDERS, *FILES):
        if (writer, place) == ("evaluate", "long_name"):  # its file's name is its own
            continue
        (base / writer).mkdir()
        out = make(base / writer, name_of(writer), writer in FOLDERS)
        if writer == "evaluate":
            _put_run(run, out)
        writers[writer] = out
    os.chdir(base)
    if mode == "nobody":
        for codec in ("raw_unicode_escape", "unicode_escape"):
            codecs.lookup(codec)  # loaded on first use, from where nobody may not read
        os.setuid(_NOBODY)
    lines = run.parent / "lines"
    faults = {writer: _faults(writer, run, base / writer, out, lines) for writer, out in writers.items()}
    print(json.dumps({"faults": {writer: found for writer, found in faults.items() if found}, "tried": len(faults)}))
    return 0


def _faults(writer: str, run: Path, base: Path, out: Path, lines: Path) -> list[str]:
    """The law: refused in a line before the work with nothing changed, or done with nothing else changed."""
    before = _snapshot(base)
    said, worked = io.StringIO(), []
    status, trouble = -1, ""
    with (
        lines.open("rb") as stdin,
        patch.object(sys, "stdin", io.TextIOWrapper(stdin)),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
        _recording(writer, worked),
    ):
        try:
            status = main(arguments(writer, run, out))
        except Exception as error:
            trouble = f"{type(error).__name__}: {error}"
    after = _snapshot(base)
    refusals = [line for line in said.getvalue().splitlines() if line.startswith("seq2seq: ")]
    found = [f"raised {trouble}"] if trouble else []
    found += [f"left {path}" for path in after if path.endswith((".part", ".making"))]
    kept = {path for path in after.keys() - before.keys() if path.endswith(".new") and path in refusals[-1]}
    target = os.path.relpath(os.path.realpath(out), base)
    if status == 0:
        if writer in FOLDERS:
            found += [] if any(path.startswith(f"{target}/") for path in after) else ["wrote nothing"]
        elif after.get(target) in (None, before.get(target), OLD.hex()):
            found.append("did not write through")
        inside = {path for path in after if path.startswith(f"{target}/")} - before.keys()
        may_change = {target, *inside}
        while (target := os.path.dirname(target)) not in before and target:
            may_change.add(target)
        if writer == "evaluate":
            beside = ("README.md", "report.html", "outputs.test.tsv")
            may_change |= {os.path.relpath(f"{os.path.realpath(out.parent)}/{name}", base) for name in beside}
        found += [f"changed {path}" for path in before if path not in may_change and after.get(path) != before[path]]
        found += [f"made {path}" for path in after.keys() - before.keys() - may_change]
    elif status == 2:
        found += [] if len(refusals) == 1 and "[Errno" not in refusals[0] else [f"said {said.getvalue()[-500:]!r}"]
        if worked and not kept:
            found.append(f"worked in vain: {refusals}")
        found += [f"lost {path}" for path in before if after.get(path) != before[path]]
        left = after.keys() - before.keys() - kept
        found += [
            f"left {path}" for path in left if writer != "prepare" or not path.endswith((".lock", "prepared", "result"))
        ]
    else:
        found.append(f"ended with {status}")
    return found


@contextlib.contextmanager
def _recording(writer: str, worked: list[str]) -> Iterator[None]:
    if writer not in _WORK:
        yield
        return
    work = pkgutil.resolve_name(_WORK[writer])

    def recorded(*args: Any, **kwargs: Any) -> Any:
        worked.append(writer)
        return work(*args, **kwargs)

    with patch(_WORK[writer], recorded):
        yield


def _snapshot(base: Path) -> dict[str, str]:
    """What each path is: where a link leads, the content of a file."""
    found = {}
    for folder, folders, files in os.walk(base):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink():
                content = f"-> {os.readlink(path)}"
            elif path.is_file():
                content = path.read_bytes().hex()
            else:
                content = "folder" if path.is_dir() else "special"
            found[os.path.relpath(path, base)] = content
    return found


def _put_run(run: Path, out: Path) -> None:
    """The run around its ``evaluation.json``, as far as that place can hold one."""
    with contextlib.suppress(OSError):
        for path in run.iterdir():
            if path.is_file() and path.name not in ("evaluation.json", "README.md", "outputs.test.tsv"):
                if shutil.disk_usage(out.parent).free > path.stat().st_size:
                    shutil.copy(path, out.parent)
                else:
                    (out.parent / path.name).symlink_to(path)


def _mount(source: Path | None, target: Path, kind: bytes | None, flags: int, options: bytes | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(bytes(source) if source else b"none", bytes(target), kind, flags, options):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def _give(path: Path) -> None:
    os.chown(path, _NOBODY, _NOBODY)
