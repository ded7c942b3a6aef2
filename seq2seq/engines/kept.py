"""Graphs of runs that were decoded with before, in the user's cache; without importing torch.

Writing a model's graphs down needs torch, which takes a second to import. Running them does not.
"""

import hashlib
import json
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import onnxruntime

from seq2seq.engines.onnx_model import GraphName
from seq2seq.errors import RunError, Seq2SeqError
from seq2seq.files.atomic import folder_made, write_atomic
from seq2seq.files.manifest import read_manifest
from seq2seq.version import __version__

# Bytes of all that is kept; what was not used for longest goes first.
_ROOM = 1 << 29
# Each file begins with the SHA-256 of the rest.
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class KeptGraphs:
    """The graphs of one run in one precision."""

    run: Path
    precision: str
    folder: Path
    """The cache."""
    key: str
    """A hash of all that the graphs depend on."""

    @classmethod
    def of(cls, run: Path, precision: str) -> Self | None:
        """Those of a run as it is now; None if it is no whole run, or being trained, or there is no place for them."""
        given = Path(os.environ.get("XDG_CACHE_HOME", ""))
        try:
            manifest = read_manifest(run)
            folder = (given if given.is_absolute() else Path.home() / ".cache") / "seq2seq" / "graphs"
        except (Seq2SeqError, RuntimeError):  # no home
            return None
        if manifest.get("next"):
            return None
        sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
        versions = __version__, onnxruntime.__version__, hashlib.sha256(sources).hexdigest()
        facts = json.dumps([manifest["digest"], precision, versions, _cpu()])
        return cls(run, precision, folder, hashlib.sha256(facts.encode()).hexdigest()[:32])

    def is_current(self) -> bool:
        """Whether the run is still the same, and so is what was read of it meanwhile."""
        return KeptGraphs.of(self.run, self.precision) == self

    def read(self, name: GraphName) -> bytes | None:
        """A graph; None if it is not kept, or not as it was written."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        graph = content[_DIGEST:]
        if hashlib.sha256(graph).digest() != content[:_DIGEST]:
            return None
        with suppress(OSError):
            os.utime(path)  # used last
        return graph

    def keep(self, name: GraphName, graph: bytes) -> None:
        """Keeps a graph, if there is room and the folder can be written: nothing but time depends on it."""
        if len(graph) > _ROOM:
            return
        with suppress(RunError, OSError), folder_made(self.folder):
            self.folder.chmod(0o700)  # the weights may be nobody else's business
            write_atomic(self._path(name), hashlib.sha256(graph).digest() + graph)
            _make_room(self.folder)

    def _path(self, name: GraphName) -> Path:
        return self.folder / f"{self.key}.{name}"


def _make_room(folder: Path) -> None:
    """Removes the files that were not used for longest, until the others fit."""
    size = 0
    for path, facts in sorted(((path, path.stat()) for path in folder.iterdir()), key=lambda one: -one[1].st_mtime_ns):
        size += facts.st_size
        if size > _ROOM:
            path.unlink()


def _cpu() -> str:
    """The machine, and what its CPU can do: weights of 8 bits depend on it."""
    flags = ""
    with suppress(OSError, StopIteration), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as facts:
        flags = next(line for line in facts if line.startswith(("flags", "Features")))
    return f"{platform.node()} {platform.machine()} {flags}"
