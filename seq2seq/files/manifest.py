"""``manifest.json``: SHA-256 and size of the files beside it, and facts about them.

safetensors notices a cut file but not a flipped bit; the manifest notices both, and by its own digest also in itself.

**Replacing a listed file.** A file and its manifest cannot be renamed in one atomic step, so a reader could meet a new
file that an old manifest does not list. :func:`stage_file` therefore first writes a manifest that lists two hashes of
the file, the current one under ``files`` and the next one under ``next``, and only then renames the new file into
place: a reader accepts either. When all new files are in place, :func:`commit_files` or :func:`write_manifest` lists
their hashes under ``files`` and drops those under ``next``. A crash at any point leaves files that are all listed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seq2seq.errors import RunError
from seq2seq.files.atomic import atomic_replace, write_atomic
from seq2seq.files.hashing import file_sha256

MANIFEST = "manifest.json"


def write_manifest(folder: Path, names: list[str], facts: Mapping[str, Any]) -> None:
    """Writes a new manifest that lists the named files and holds ``facts``."""
    _write(folder, {"files": {name: _file_facts(folder / name) for name in names}, **facts})


def stage_file(scratch: Path, path: Path) -> None:
    """Renames ``scratch`` to ``path`` after adding its hash to the manifest under ``next`` (see the module)."""
    try:
        manifest = read_manifest(path.parent)
    except RunError:
        pass  # no manifest yet, or a damaged one: nobody can read this folder before it is written anew
    else:
        files, staged = dict(manifest["files"]), dict(manifest.get("next", {}))
        # After a crash the current file may be one that was staged but never committed: it stays listed.
        if path.is_file() and path.name in staged and _file_facts(path) == staged[path.name]:
            files[path.name] = staged[path.name]
        staged[path.name] = _file_facts(scratch)
        _write(path.parent, {**manifest, "files": files, "next": staged})
    atomic_replace(scratch, path)


def commit_files(folder: Path, names: Iterable[str]) -> None:
    """Lists the named files as they are now, in a manifest if there is one, and forgets their staged hashes."""
    if (folder / MANIFEST).is_file():
        manifest = read_manifest(folder)
        committed = {name: _file_facts(folder / name) for name in names}
        staged = {name: facts for name, facts in manifest.get("next", {}).items() if name not in committed}
        _write(folder, {**manifest, "files": manifest["files"] | committed, "next": staged})


def check_manifest(folder: Path) -> dict[str, Any]:
    """Reads the manifest and checks every file that it lists.

    Raises:
        RunError: naming the first file that is missing or not what was written.
    """
    while True:
        manifest = read_manifest(folder)
        fault = _first_fault(folder, manifest)
        if fault is None:
            return manifest
        # Training may have replaced the model and its manifest meanwhile: then we look again.
        if read_manifest(folder) == manifest:
            raise RunError(fault)


def _first_fault(folder: Path, manifest: dict[str, Any]) -> str | None:
    staged = manifest.get("next", {})
    for name, facts in manifest["files"].items():
        path = folder / name
        if Path(name).name != name:
            return f"{folder / MANIFEST} names {name!r}, which is not a file of this folder: it is forged"
        if not path.is_file():
            return f"{path} is missing: this is not a complete run"
        try:
            current = _file_facts(path)
        except OSError as error:  # a bad sector, say
            return f"{path} cannot be read ({error.strerror}): restore it from a copy"
        if current not in (facts, staged.get(name)):
            return f"{path} is damaged or was edited: its SHA-256 is not the one in {MANIFEST}; restore it from a copy"
    return None


def _write(folder: Path, content: dict[str, Any]) -> None:
    content = {**content, "digest": digest(content)}
    write_atomic(folder / MANIFEST, json.dumps(content, indent=2, ensure_ascii=False).encode())


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads a manifest, and checks it but not the files that it lists.

    Raises:
        RunError: there is none, or it is damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise RunError(f"{folder / MANIFEST} is missing: this is not a complete run") from None
    except (OSError, ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict) or not all(_lists_files(manifest.get(key, {})) for key in ("files", "next")):
        raise RunError(f"{folder / MANIFEST} is not a manifest: it is damaged")
    if "files" in manifest and "digest" not in manifest:
        raise RunError(f"{folder / MANIFEST} has no digest: it is of an earlier version of seq2seq, or damaged")
    if "files" not in manifest or manifest["digest"] != digest(manifest):
        raise RunError(f"{folder / MANIFEST} is not a manifest as it was written: it is damaged")
    return manifest


def _lists_files(files: object) -> bool:
    return isinstance(files, dict) and all(
        isinstance(facts, dict) and facts.keys() == {"sha256", "bytes"} for facts in files.values()
    )


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest, or of another record, without its entry ``digest``."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _file_facts(path: Path) -> dict[str, Any]:
    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}
