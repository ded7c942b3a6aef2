"""``manifest.json``: SHA-256 and size of the files beside it, and facts worth knowing of them.

safetensors notices a cut file but not a flipped bit; this notices both, and by its own digest also in itself.
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
    """Writes ``manifest.json`` over the named files."""
    _write(folder, {"files": {name: _file_facts(folder / name) for name in names}, **facts})


def stage_file(scratch: Path, path: Path) -> None:
    """Puts a new file in place of one that the manifest lists, which names both until it is written anew.

    So whoever reads between the two, or after a crash there, finds a file that the manifest knows.
    """
    try:
        manifest = _read(path.parent)
    except RunError:
        pass  # none yet, or damaged: nobody can use these files before it is written anew
    else:
        files, coming = dict(manifest["files"]), dict(manifest.get("next", {}))
        # What is there now may itself have been the next one when a crash came; it stays known until it is replaced.
        if path.is_file() and path.name in coming and _file_facts(path) == coming[path.name]:
            files[path.name] = coming[path.name]
        _write(path.parent, {**manifest, "files": files, "next": {**coming, path.name: _file_facts(scratch)}})
    atomic_replace(scratch, path)


def commit_files(folder: Path, names: Iterable[str]) -> None:
    """Lets the manifest, if there is one, know that these files are others now."""
    if (folder / MANIFEST).is_file():
        manifest = _read(folder)
        new = {name: _file_facts(folder / name) for name in names}
        coming = {name: facts for name, facts in manifest.get("next", {}).items() if name not in new}
        _write(folder, {**manifest, "files": manifest["files"] | new, "next": coming})


def check_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after comparing every file it names with it.

    Raises:
        RunError: naming the first file that is missing or not what was written.
    """
    while True:
        manifest = _read(folder)
        fault = _first_fault(folder, manifest)
        if fault is None:
            return manifest
        # Training may have put a better model there meanwhile, and its manifest with it.
        if _read(folder) == manifest:
            raise RunError(fault)


def _first_fault(folder: Path, manifest: dict[str, Any]) -> str | None:
    coming = manifest.get("next", {})
    for name, facts in manifest["files"].items():
        path = folder / name
        if Path(name).name != name:
            return f"{folder / MANIFEST} names {name!r}, which is not a file of this folder: it is forged"
        if not path.is_file():
            return f"{path} is missing: this is not a complete run"
        try:
            found = _file_facts(path)
        except OSError as error:  # a bad sector, say
            return f"{path} cannot be read ({error.strerror}): restore it from a copy"
        if found not in (facts, coming.get(name)):
            return f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}; restore it from a copy"
    return None


def _write(folder: Path, content: dict[str, Any]) -> None:
    content = {**content, "digest": digest(content)}
    write_atomic(folder / MANIFEST, json.dumps(content, indent=2, ensure_ascii=False).encode())


def _read(folder: Path) -> dict[str, Any]:
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
        isinstance(one, dict) and one.keys() == {"sha256", "bytes"} for one in files.values()
    )


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of all that a manifest, or another record, says but this."""
    said = {key: value for key, value in content.items() if key != "digest"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _file_facts(path: Path) -> dict[str, Any]:
    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}
