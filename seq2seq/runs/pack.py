"""A run as one file, to be given away."""

import gzip
import os
import tarfile
from pathlib import Path

from seq2seq.errors import RunError
from seq2seq.files.atomic import atomic_replace, scratch_file
from seq2seq.files.manifest import MANIFEST, check_manifest
from seq2seq.runs.layout import CARD, EVALUATION, LOG, REPORT, require_folder, run_name

_SUFFIX = ".tar.gz"


def pack(run: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Packs a run into a ``.tar.gz`` file, without its checkpoints and whatever else is in the folder.

    The file holds plain files in one folder of the run's name, without owners and times, so that it is safe to unpack
    and the same run gives the same bytes.

    >>> seq2seq.pack(run, folder / "mine.tar.gz").name
    'mine.tar.gz'

    Args:
        run: a trained run.
        out: a file that does not exist; None: the folder's name with ``.tar.gz``, beside the folder.

    Returns:
        The file's path.

    Raises:
        RunError: the run is incomplete or damaged, or the file exists or cannot be written.
    """
    folder = Path(run)
    path = Path(out) if out is not None else folder.resolve().with_name(run_name(folder) + _SUFFIX)
    require_folder(folder)
    manifest = check_manifest(folder)
    if os.path.lexists(path):
        raise RunError(f"{path} exists already: remove it, or name another file with --out")
    extras = [CARD, EVALUATION, LOG, REPORT, *sorted(table.name for table in folder.glob("outputs.*.tsv"))]
    names = [*manifest["files"], MANIFEST, *(name for name in extras if (folder / name).is_file())]
    with scratch_file(path) as scratch:
        # A gzip file has a name and a time of its own, which tarfile would set.
        with (
            scratch.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            for name in names:
                _add(archive, folder / name, f"{run_name(folder)}/{name}")
        atomic_replace(scratch, path)
    return path


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    with path.open("rb") as content:
        entry = tarfile.TarInfo(name)
        entry.size = os.fstat(content.fileno()).st_size
        archive.addfile(entry, content)
