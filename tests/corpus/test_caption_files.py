"""Strangers' lists of captions, archives and tables: pairs and pictures, or a ``CorpusError``, whatever they hold."""

import io
import os
import random
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from seq2seq.config import DataConfig
from seq2seq.corpus import captions
from seq2seq.corpus.captions import image_reader, read_captions
from seq2seq.corpus.pairs import Pair
from seq2seq.errors import CorpusError

MANY = 10_000 if os.environ.get("RELIABILITY") == "full" else 2_500

SEED = 14
BLOCK = 512


def in_folder(folder: Path, lines: bytes = b"") -> DataConfig:
    (folder / "captions.tsv").write_bytes(lines)
    return DataConfig(format="pictures", path=str(folder))


def archive(*members: tuple[str, bytes | tarfile.TarInfo], kind: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of files, given by their content, and of other members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as tar:
        for name, content in members:
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.name = name
            body = content if isinstance(content, bytes) else b""
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return stream.getvalue()


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.linkname = kind, target
    return member


ODD = ("sp ace.png", "ünïcode.png", "-rf.png", "a\\b.png", "deep/er/still.png", "x" * 150 + ".png", "\udcff.png")


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_gives_files_of_any_name_and_nothing_else(kind: int, tmp_path: Path) -> None:
    files = {name: name.encode("utf-8", "surrogateescape") for name in ODD}
    links = {"hard": tarfile.LNKTYPE, "soft": tarfile.SYMTYPE, "device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}
    others = [(f"{name}.png", special(kind, "/etc/hostname")) for name, kind in links.items()]
    twin = "twin.png", special(tarfile.LNKTYPE, "-rf.png")
    outside = [("/etc/passwd", b"absolute"), ("../../up.png", b"up")]
    (tmp_path / "images.tar").write_bytes(
        archive(*files.items(), *others, twin, *outside, ("folder", special(tarfile.DIRTYPE)), kind=kind)
    )
    read = image_reader(in_folder(tmp_path))
    assert {name: read(name) for name in files} == files
    assert read("./-rf.png") == files["-rf.png"]
    for name in (*(name for name, _ in others), "folder", "none.png", "", ".", "/etc/hostname"):
        with pytest.raises(CorpusError, match="holds no picture"):
            read(name)
    assert read("twin.png") == files["-rf.png"]
    # Nothing is unpacked: such a name is only a name, of what is in the tar.
    assert read("/etc/passwd") == b"absolute"


BAD_NAMES = (
    "/etc/passwd",
    "../up.png",
    "a/../../up.png",
    "nul\0.png",
    "x" * 5000,
    "\ud800.png",
    "",
    ".",
    "folder",
    "loop",
)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_folder_gives_files_inside_it_and_nothing_else(name: str, tmp_path: Path) -> None:
    inside = tmp_path / "corpus"
    (inside / "folder").mkdir(parents=True)
    (inside / "loop").symlink_to("loop")
    (tmp_path / "up.png").write_bytes(b"up")
    with pytest.raises(CorpusError) as caught:
        image_reader(in_folder(inside))(name)
    assert "\n" not in str(caught.value)


def test_a_picture_may_be_a_link_of_the_owners(tmp_path: Path) -> None:
    """The name lies inside the folder; where the folder's owner keeps the file is the owner's choice."""
    inside = tmp_path / "corpus"
    inside.mkdir()
    (tmp_path / "elsewhere.png").write_bytes(b"a picture")
    (inside / "a.png").symlink_to(tmp_path / "elsewhere.png")
    assert image_reader(in_folder(inside))("a.png") == b"a picture"


def test_a_drawing_that_the_package_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "drawings.whl"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr(captions._DRAWINGS_FOLDER + "a.png", b"a picture")
        package.writestr(captions._DRAWINGS_FOLDER + "b.png", b"b" * 100)
    path.write_bytes(path.read_bytes().replace(b"b" * 100, b"c" * 100))
    monkeypatch.setattr(captions, "_drawings", lambda data: path)
    read = image_reader(DataConfig(format="emoji", path="en"))
    assert read("a.png") == b"a picture"
    for name in ("none.png", "b.png"):
        with pytest.raises(CorpusError, match=name):
            read(name)


@pytest.mark.parametrize("content", [b"", b"not a zip"])
def test_drawings_that_are_no_archive_are_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "drawings.whl"
    path.write_bytes(content)
    monkeypatch.setattr(captions, "_drawings", lambda data: path)
    with pytest.raises(CorpusError, match=r"drawings\.whl"):
        image_reader(DataConfig(format="emoji", path="en"))


def with_right_sums(content: bytes) -> bytes:
    """The same tar with the checksums of its headers put right, where there are headers."""
    made = bytearray(content)
    for at in range(0, len(made) - BLOCK + 1, BLOCK):
        if made[at + 257 : at + 262] == b"ustar":
            made[at + 148 : at + 156] = b" " * 8
            made[at + 148 : at + 156] = b"%06o\0 " % sum(made[at : at + BLOCK])
    return bytes(made)


def mutate_tar(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    headers = [at for at in range(0, len(made), BLOCK) if made[at + 257 : at + 262] == b"ustar"]
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.choice(headers)
        match chance.randrange(7):
            case 0:
                made[at + chance.randrange(BLOCK)] ^= 1 << chance.randrange(8)
            case 1:  # the size, as octal digits or as a binary number, which may be negative
                size = chance.choice((b"77777777777\0", b"-0000000001\0", b"\xff" * 12, b"\x80" + b"\x7f" * 11))
                made[at + 124 : at + 136] = chance.choice((size, b"\xff" * 10 + b"\xfe\0", chance.randbytes(12)))
            case 2:  # the kind of the member
                made[at + 156] = chance.choice(b"\x000123456789LKxgXSVDN")
            case 3:
                made[at : at + 100] = chance.randbytes(100)
            case 4:
                block = made[at : at + BLOCK * chance.choice((1, 2, 3))]
                made[at:at] = block
            case 5:
                del made[at : at + chance.choice((1, BLOCK, 3 * BLOCK))]
            case 6:
                end = at + BLOCK + chance.randrange(BLOCK)
                made[end : end + 20] = chance.choice(
                    (chance.randbytes(20), b"30 size=-512\n", b"20 GNU.sparse.map=1\n")
                )
        headers = [header for header in headers if header + BLOCK <= len(made)]
        if not headers:
            break
    return with_right_sums(bytes(made))


MEMBERS = [(name, name.encode("utf-8", "surrogateescape") * 30) for name in ODD]
TARS = [
    archive(*MEMBERS, ("link.png", special(tarfile.LNKTYPE, ODD[0])), kind=kind)
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
]


def fuzz_tar(folder: Path, count: int) -> Counter[str]:
    chance, counts = random.Random(SEED), Counter()
    data = in_folder(folder)
    for number in range(count):
        content = mutate_tar(chance.choice(TARS), chance)
        (folder / "images.tar").write_bytes(content)
        started = time.process_time()
        try:
            read = image_reader(data)
            counts["opened"] += 1
            for name in (*ODD, "link.png"):
                try:
                    assert len(read(name)) <= len(content)
                    counts["read"] += 1
                except CorpusError:
                    counts["no picture"] += 1
        except CorpusError as error:
            counts["refused"] += 1
            message = str(error)
        except BaseException as error:
            raise AssertionError(f"seed {SEED}, input {number}: {error!r}") from error
        else:
            message = ""
        assert "\n" not in message, number
        assert time.process_time() - started < 1, number
    print(count, dict(counts))
    return counts


def test_a_damaged_tar_is_read_or_refused(tmp_path: Path) -> None:
    counts = fuzz_tar(tmp_path, 300)
    assert min(counts["read"], counts["no picture"], counts["refused"]) > 20


@pytest.mark.slow
def test_thousands_of_damaged_tars_are_read_or_refused(tmp_path: Path) -> None:
    fuzz_tar(tmp_path, MANY)


def parts(data: DataConfig) -> Counter[str]:
    """Reads the captions of all parts, checks them and counts."""
    counts: Counter[str] = Counter()
    for part in ("train", "valid", "valid[50%:]"):
        try:
            for pair in read_captions(data, part, counts):
                counts["pairs"] += 1
                assert pair.src
                assert pair.tgt.strip()
                assert "\n" not in pair.src + pair.tgt
        except CorpusError as error:
            message = str(error)
            counts["refused"] += 1
        else:
            message = ""
        assert "\n" not in message
        assert len(message) < 600
    return counts


def mutate_captions(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2))):
        start = chance.randrange(len(made) + 1)
        stop = start + chance.choice((0, 0, 1, 5, 40))
        odd = (
            b"\t",
            b"\n",
            b"\r\n",
            b"\0",
            b"\xef\xbb\xbf",
            b"\xff",
            b"\xe2\x80\xa8",
            b"",
            b"\tvalid\t",
            b"../",
            chance.randbytes(3),
        )
        made[start:stop] = chance.choice(odd)
    return bytes(made)


LIST = b"image\tsplit\tcaption\n" + b"".join(
    b"%d.png\t%s\ta caption \xc3\xa9 of %d\n" % (number // 2, split, number)
    for number, split in enumerate((b"train",) * 6 + (b"valid",) * 6)
)


def fuzz_captions(folder: Path, count: int) -> Counter[str]:
    chance, counts = random.Random(SEED), Counter()
    for number in range(count):
        data = in_folder(folder, mutate_captions(LIST, chance))
        try:
            counts += parts(data)
        except BaseException as error:
            raise AssertionError(f"seed {SEED}, input {number}: {error!r}") from error
    print(count, dict(counts))
    return counts


def test_a_damaged_list_of_captions_is_read_or_refused(tmp_path: Path) -> None:
    counts = fuzz_captions(tmp_path, 300)
    assert min(counts["pairs"], counts["refused"]) > 100


@pytest.mark.slow
def test_thousands_of_damaged_lists_of_captions_are_read_or_refused(tmp_path: Path) -> None:
    fuzz_captions(tmp_path, MANY)


def test_blank_lines_are_no_captions_and_captions_without_text_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = b"a.png\ttrain\tone\n\n   \na.png\ttrain\t\n\ttrain\tno name\nb.png\ttrain\t \n"
    dropped: Counter[str] = Counter()
    assert list(read_captions(in_folder(tmp_path, lines), "train", dropped)) == [Pair("a.png", "one")]
    assert dropped == {"no text": 3}
    warning = capsys.readouterr().err
    assert "3 records without text" in warning
    assert "captions.tsv, line 4" in warning


def test_a_picture_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(CorpusError, match=r"a\.png.*1,099,511,627,776 bytes"):
        image_reader(in_folder(tmp_path))("a.png")
