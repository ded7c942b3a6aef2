"""The fingerprint of a corpus: it changes whenever a byte does that is read, through links or not, and only then."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from seq2seq.config import DataConfig
from seq2seq.corpus.sources import fingerprint


def tree(rng: random.Random, root: Path) -> list[Path]:
    """A random tree below ``root/corpus`` with links to files and folders, inside, outside, upwards; its real files."""
    folders, files = [root / "corpus", root / "elsewhere"], []
    for folder in folders:
        folder.mkdir(parents=True)
    for number in range(rng.randint(3, 12)):
        parent, name = rng.choice(folders), f"{number}"
        match rng.randrange(5):
            case 0 | 1:
                (parent / name).write_bytes(rng.randbytes(3))
                files.append(parent / name)
            case 2:
                (parent / name).mkdir()
                folders.append(parent / name)
            case 3:
                (parent / name).symlink_to(os.path.relpath(rng.choice(folders), parent))
            case 4 if files:
                (parent / name).symlink_to(rng.choice(files))
    (root / "corpus" / "captions.tsv").write_bytes(b"a\ttrain\tx\n")
    return [*files, root / "corpus" / "captions.tsv"]


def is_read(file: Path, folder: Path, above: tuple[Path, ...] = ()) -> bool:
    """Whether some way through folders and links leads from a folder to a file."""
    if folder.resolve() in above:
        return False
    above = (*above, folder.resolve())
    return any(
        is_read(file, path, above) if path.is_dir() else path.is_file() and path.resolve() == file.resolve()
        for path in folder.iterdir()
    )


def flip_a_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def keep_times(path: Path) -> None:
    """Another content of the same size with the time of modification of the old, as ``rsync -t`` may leave it."""
    before = path.stat()
    flip_a_byte(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_it(path: Path) -> None:
    shutil.copy2(path, path.with_suffix(".new"))
    flip_a_byte(path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


CHANGES = [flip_a_byte, keep_times, replace_it]


def check_tree(seed: int, format: str, root: Path) -> None:
    rng = random.Random(seed)
    files = tree(rng, root)
    corpus = root / "corpus"
    data = DataConfig(format=format, path=str(corpus), directory=str(corpus))
    for file in rng.sample(files, min(3, len(files))):
        before = fingerprint(data)
        # Nothing changes: files are read and listed, their times of access set, and what we make of them is kept there.
        for each in files:
            each.read_bytes()
        shutil.copytree(root, root.with_name("copy"), symlinks=True)
        shutil.rmtree(root.with_name("copy"))
        (corpus / "prepared").mkdir(exist_ok=True)
        (corpus / "prepared" / f"{rng.random()}").touch()
        assert fingerprint(data) == before, f"seed {seed}"
        rng.choice(CHANGES)(file)
        assert (fingerprint(data) != before) == is_read(file, corpus), f"seed {seed}, {file}"


@pytest.mark.parametrize(
    "count", [10, pytest.param(100 if os.environ.get("RELIABILITY") == "full" else 30, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("format", ["pictures", "hub", "hub-pictures"])
def test_a_folder_has_another_fingerprint_after_a_change_and_only_then(format: str, count: int, tmp_path: Path) -> None:
    for seed in range(count):
        check_tree(seed, format, tmp_path / str(seed))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("format", "names"), [("files", ["train.src", "train.tgt"]), ("tsv", ["train"]), ("jsonl", ["train"])]
)
def test_linked_files_are_followed(
    format: str, names: list[str], change: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "folder").symlink_to("real")
    for name in names:
        (tmp_path / "real" / name).write_bytes(b"text")
        (tmp_path / "corpus" / name).symlink_to(tmp_path / "folder" / name)
    data = DataConfig(format=format, path=str(tmp_path / "corpus"))
    for name in names:
        before = fingerprint(data)
        assert fingerprint(data) == before
        change(tmp_path / "real" / name)
        assert fingerprint(data) != before


def test_a_link_to_another_file_of_the_same_size_and_time_is_another_corpus(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, ns=(1, 1))
    link = tmp_path / "corpus" / "train"
    link.symlink_to(tmp_path / "a")
    data = DataConfig(format="tsv", path=str(tmp_path / "corpus"))
    before = fingerprint(data)
    link.unlink()
    link.symlink_to(tmp_path / "b")
    assert fingerprint(data) != before
