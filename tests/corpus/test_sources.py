"""Sources: what is read from each format, and what is said of files that do not fit."""

import gzip
import hashlib
import io
import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from seq2seq.config import DataConfig
from seq2seq.corpus import package_index
from seq2seq.corpus.digits import digit_pairs
from seq2seq.corpus.pairs import Pair, with_references
from seq2seq.corpus.prepared import prepare
from seq2seq.corpus.sources import fingerprint, read_pairs
from seq2seq.errors import CorpusError
from seq2seq.recipe import load_recipe

PAIRS = [Pair("one", "uno"), Pair("two\u2028 2", "dos\x85"), Pair("", "tres\x0b\r")]


def write(path: Path, lines: list[str]) -> None:
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_aligned_files(tmp_path: Path) -> None:
    write(tmp_path / "train.en", [pair.src for pair in PAIRS])
    write(tmp_path / "train.es", [pair.tgt for pair in PAIRS])
    assert list(read_pairs(DataConfig(path=str(tmp_path), src="en", tgt="es"), "train")) == PAIRS


@pytest.mark.parametrize("name", ["train.tsv", "train.tsv.gz"])
def test_tsv_by_number_and_by_name(name: str, tmp_path: Path) -> None:
    rows = [f"x\t{pair.tgt}\t{pair.src}" for pair in PAIRS]
    write(tmp_path / name, rows)
    numbered = DataConfig(format="tsv", path=str(tmp_path), train=name, src="3", tgt="2")
    assert list(read_pairs(numbered, "train")) == PAIRS
    write(tmp_path / name, ["id\tes\ten", *rows])
    named = DataConfig(format="tsv", path=str(tmp_path / name), train=name, src="en", tgt="es")
    assert list(read_pairs(named, "train")) == PAIRS


def test_jsonl_with_nested_keys(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl", [json.dumps({"translation": {"en": pair.src, "es": pair.tgt}}) for pair in PAIRS])
    data = DataConfig(format="jsonl", path=str(tmp_path), train="t.jsonl", src="translation.en", tgt="translation.es")
    assert list(read_pairs(data, "train")) == PAIRS


def hub_shards(folder: Path) -> DataConfig:
    """Two parquet shards as the hub keeps them."""
    for shard, pairs in enumerate((PAIRS[:1], PAIRS[1:])):
        rows = [{"translation": {"en": pair.src, "es": pair.tgt}} for pair in pairs]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"train-0000{shard}-of-00002.parquet")
    return DataConfig(format="hub", path=str(folder), src="translation.en", tgt="translation.es")


def test_hub_format_from_a_local_folder(tmp_path: Path) -> None:
    rows = [json.dumps({"translation": {"en": pair.src, "es": pair.tgt}}) for pair in PAIRS]
    write(tmp_path / "train.jsonl", rows)
    data = DataConfig(format="hub", path=str(tmp_path), src="translation.en", tgt="translation.es")
    assert list(read_pairs(data, "train")) == PAIRS


def test_hub_shards_are_streamed_and_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shards").mkdir()
    assert list(read_pairs(hub_shards(tmp_path / "shards"), "train")) == PAIRS
    assert not list(tmp_path.rglob("*.arrow"))


def test_a_hub_that_breaks_off_is_one_error(tmp_path: Path) -> None:
    data = hub_shards(tmp_path)
    last = tmp_path / "train-00001-of-00002.parquet"
    last.write_bytes(last.read_bytes()[:-20])
    pairs = read_pairs(data, "train")
    assert next(pairs) == PAIRS[0]
    with pytest.raises(CorpusError, match="split 'train' breaks off at row 2"):
        next(pairs)


SHARDED = {
    "files": {"format": "files", "src": "en", "tgt": "es"},
    "tsv": {"format": "tsv", "src": "en", "tgt": "es"},
    "jsonl": {"format": "jsonl", "src": "t.en", "tgt": "t.es"},
}


def write_shard(folder: Path, kind: str, name: str, pairs: list[Pair], packed: str = "") -> None:
    if kind == "files":
        write(folder / f"{name}.en{packed}", [pair.src for pair in pairs])
        write(folder / f"{name}.es", [pair.tgt for pair in pairs])
    elif kind == "tsv":
        write(folder / f"{name}{packed}", ["en\tes", *(f"{pair.src}\t{pair.tgt}" for pair in pairs)])
    else:
        write(folder / f"{name}{packed}", [json.dumps({"t": {"en": pair.src, "es": pair.tgt}}) for pair in pairs])


@pytest.mark.parametrize("kind", SHARDED)
def test_shards_are_one_corpus_in_the_order_of_their_names(kind: str, tmp_path: Path) -> None:
    for place, packed in ((1, ""), (0, ".gz"), (2, "")):
        write_shard(tmp_path, kind, f"train-{place}", PAIRS[place : place + 1], packed)
    data = DataConfig(path=str(tmp_path), train="train-*", **SHARDED[kind])
    assert list(read_pairs(data, "train")) == PAIRS
    before = fingerprint(data)
    write_shard(tmp_path, kind, "train-2", [Pair("other", "otro")])
    assert fingerprint(data) != before
    write_shard(tmp_path, kind, "train-3", PAIRS)
    assert len(fingerprint(data)) == len(before) * 4 // 3


def test_a_shard_that_does_not_fit_is_named(tmp_path: Path) -> None:
    for place in range(3):
        write_shard(tmp_path, "files", f"train-{place}", PAIRS)
    data = DataConfig(path=str(tmp_path), train="train-*", **SHARDED["files"])
    write(tmp_path / "train-1.es", ["x"])
    with pytest.raises(CorpusError, match=r"train-1\.en and train-1\.es do not align"):
        list(read_pairs(data, "train"))
    (tmp_path / "train-1.es").write_bytes(b"x\n\xff\n")
    with pytest.raises(CorpusError, match=r"train-1\.es, line 2: expected UTF-8"):
        list(read_pairs(data, "train"))
    (tmp_path / "train-1.es").unlink()
    with pytest.raises(CorpusError, match=r"train-1\.es is missing"):
        list(read_pairs(data, "train"))


def test_no_shard_at_all_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"train-\*\.en is missing"):
        list(read_pairs(DataConfig(path=str(tmp_path), train="train-*", **SHARDED["files"]), "train"))


def test_a_packed_file_needs_no_other_name(tmp_path: Path) -> None:
    write_shard(tmp_path, "files", "train", PAIRS, ".gz")
    assert list(read_pairs(DataConfig(path=str(tmp_path), **SHARDED["files"]), "train")) == PAIRS


def test_a_hub_out_of_reach_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    data = DataConfig(format="hub", path="wmt/wmt14", subset="fr-en", src="translation.en", tgt="translation.fr")
    with pytest.raises(CorpusError, match="cannot load hub data set wmt/wmt14"):
        list(read_pairs(data, "train"))


@pytest.mark.parametrize(("src", "tgt"), [(["a", "b", "c"], ["x"]), (["a"], ["x", "y", "z"])])
def test_misaligned_files_are_refused_with_both_counts(src: list[str], tgt: list[str], tmp_path: Path) -> None:
    write(tmp_path / "train.en", src)
    write(tmp_path / "train.es", tgt)
    with pytest.raises(CorpusError, match=r"one has 1 lines, .* has 3"):
        list(read_pairs(DataConfig(path=str(tmp_path), src="en", tgt="es"), "train"))


def test_bad_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "train.es", ["x", "y"])
    (tmp_path / "train.en").write_bytes(b"fine\nb\xe9t\n")
    with pytest.raises(CorpusError, match=r"train\.en, line 2: expected UTF-8"):
        list(read_pairs(DataConfig(path=str(tmp_path), src="en", tgt="es"), "train"))


@pytest.mark.parametrize(
    ("settings", "content", "expected"),
    [
        ({"format": "tsv", "src": "1", "tgt": "2"}, b"c\n", r"line 1: expected text under '2', found None"),
        ({"format": "tsv", "src": "en", "tgt": "es"}, b"en\tfr\n", r"expected a column named 'es'"),
        ({"format": "jsonl", "src": "en", "tgt": "es"}, b"{}\n", r"line 1: expected text under 'en', found None"),
        ({"format": "jsonl", "src": "en", "tgt": "es"}, b'{"en": 3}\n', r"found 3; the record has \['en'\]"),
        ({"format": "jsonl", "src": "en", "tgt": "es"}, b"nope\n", r"expected one JSON object, found 'nope'"),
        ({"format": "jsonl", "src": "en", "tgt": "es"}, b"[1]\n", r"the record has list"),
    ],
)
def test_records_that_do_not_fit_are_named(
    settings: dict[str, str], content: bytes, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "part").write_bytes(content)
    with pytest.raises(CorpusError, match=expected):
        list(read_pairs(DataConfig(path=str(tmp_path), train="part", **settings), "train"))


@pytest.mark.parametrize("value", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 50_000, "9" * 5000])
def test_json_that_cannot_be_parsed_is_left_out_and_named_with_its_line(
    value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "part").write_text(f'{{"a": "x", "b": "y"}}\n{{"a": {value}, "b": "y"}}\n', encoding="utf-8")
    data = DataConfig(format="jsonl", path=str(tmp_path), train="part", src="a", tgt="b")
    assert list(read_pairs(data, "train")) == [Pair("x", "y")]
    assert "line 2: expected one JSON object" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train.en", "train.en.gz"])
def test_lines_that_no_sentence_can_have_are_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, ["x" * 3_999_999, "y" * 4_000_000])
    write(tmp_path / "train.es", ["x", "y"])
    pairs = read_pairs(DataConfig(path=str(tmp_path), src="en", tgt="es"), "train")
    assert len(next(pairs).src) == 3_999_999
    with pytest.raises(CorpusError, match=rf"{name}, line 2: expected a line of at most 4,000,000 bytes"):
        next(pairs)


def test_wrong_keys_are_named_before_the_whole_corpus_is_read(tmp_path: Path) -> None:
    write(tmp_path / "part", ['{"en": "x", "es": "y"}'] * 1000 + ["never read"])
    data = DataConfig(format="jsonl", path=str(tmp_path), train="part", src="en", tgt="fr")
    with pytest.raises(
        CorpusError, match=r"line 1: expected text under 'fr', found None; the record has \['en', 'es'\]"
    ):
        list(read_pairs(data, "train"))


def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path) -> None:
    for data in (DataConfig(path=str(tmp_path), train="x" * 300), DataConfig(path=f"{tmp_path}/{'y' * 300}")):
        with pytest.raises(CorpusError, match="is missing"):
            list(read_pairs(data, "train"))


def test_a_missing_file_tells_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "val.en", ["x"])
    with pytest.raises(CorpusError, match=r"train\.en is missing: that folder holds val\.en"):
        list(read_pairs(DataConfig(path=str(tmp_path), src="en", tgt="es"), "train"))
    for kind in ("auto", "files", "csv"):
        with pytest.raises(CorpusError, match=r"no\.csv is missing: that folder holds val\.en; set data\.path"):
            list(read_pairs(DataConfig(format=kind, path=str(tmp_path / "no.csv")), "train"))
    with pytest.raises(CorpusError, match=r"val\.en/train\.src is missing: .*val\.en is a file"):
        list(read_pairs(DataConfig(format="files", path=str(tmp_path / "val.en")), "train"))


def test_fingerprint_changes_with_the_file(tmp_path: Path) -> None:
    data = DataConfig(format="tsv", path=str(tmp_path), train="t", src="1", tgt="2")
    write(tmp_path / "t", ["a\tb"])
    before = fingerprint(data)
    write(tmp_path / "t", ["a\tb", "c\td"])
    assert fingerprint(data) != before


def test_a_folder_in_the_format_of_the_hub_counts_whole(tmp_path: Path) -> None:
    data = hub_shards(tmp_path)
    before = fingerprint(data)
    (tmp_path / "more.parquet").write_bytes(b"")
    after = fingerprint(data)
    assert after != before
    assert fingerprint(replace(data, path="a/name-on-the-hub")) == []
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "cache").touch()  # what is made of a corpus is no part of it
    assert fingerprint(replace(data, directory=str(tmp_path))) == after


def test_digits_are_reversed_and_the_same_each_time() -> None:
    pairs = list(digit_pairs("reverse", 100))
    assert pairs == list(digit_pairs("reverse", 100))
    assert all(pair.tgt == pair.src[::-1] for pair in pairs)
    assert all(pair.tgt == pair.src for pair in digit_pairs("copy", 100))


class FakePip:
    """Stands in for ``pip download``: puts a wheel where it was told to, or fails."""

    def __init__(self, members: dict[str, bytes], error: str = "") -> None:
        self.members, self.error, self.calls = members, error, 0

    def __call__(self, command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        self.calls += 1
        if self.error:
            return subprocess.CompletedProcess(command, 1, "", self.error)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, data in self.members.items():
                archive.writestr(name, data)
        (Path(command[command.index("--dest") + 1]) / "toy-1.0-py3-none-any.whl").write_bytes(content.getvalue())
        return subprocess.CompletedProcess(command, 0, "", "")


CONTENT = b"Go.\tVe.\tCC-BY\n"
SHA256 = "d" * 64


def fetch(tmp_path: Path, sha256: str) -> Path:
    return package_index.fetch_member("toy==1.0", "toy/data/pairs.tsv", sha256, tmp_path)


def content_hash(tmp_path: Path) -> str:
    (tmp_path / "c").write_bytes(CONTENT)
    return package_index.file_sha256(tmp_path / "c")


def test_a_member_is_fetched_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = FakePip({"toy/data/pairs.tsv": CONTENT, "../evil": b""})
    monkeypatch.setattr(package_index.subprocess, "run", pip)
    sha256 = content_hash(tmp_path)
    first, second = fetch(tmp_path, sha256), fetch(tmp_path, sha256)
    assert first == second
    assert first.read_bytes() == CONTENT
    assert pip.calls == 1
    assert [path.name for path in first.parent.iterdir()] == ["pairs.tsv"]


MEMBERS = {
    "toy.csv": (b'src,tgt\n"Two, 2","""dos"""\n', Pair("Two, 2", '"dos"')),
    "toy.csv.gz": (gzip.compress(b'src;tgt\r\n"Two; 2";dos\r\n'), Pair("Two; 2", "dos")),
    "toy.tsv": (b'src\ttgt\n"Two, 2"\t"dos"\n', Pair('"Two, 2"', '"dos"')),
    "toy": (b"src\ttgt\nTwo, 2\tdos\n", Pair("Two, 2", "dos")),
    "toy.dict": (b"two(2) T UW1\n", Pair("two", "T UW")),
}


def wheel(name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Puts a wheel with one file into the package index; returns the settings that name the file."""
    monkeypatch.setattr(package_index.subprocess, "run", FakePip({f"toy/{name}": content}))
    file = {"path": "toy==1.0", "member": f"toy/{name}", "sha256": hashlib.sha256(content).hexdigest()}
    return file | {"directory": str(tmp_path)}


@pytest.mark.parametrize("name", MEMBERS)
def test_the_name_of_a_member_tells_what_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, pair = MEMBERS[name]
    data = DataConfig(format="wheel", **wheel(name, content, tmp_path, monkeypatch))
    assert list(read_pairs(data, "train")) == [pair]


def test_german_plurals_keep_nouns_that_do_not_change_and_leave_out_those_without_a_plural(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nouns = {f"Fenster{n}": [f"Fenster{n}"] for n in range(20)} | {f"Bank{n}": ["Bänke", "Banken"] for n in range(20)}
    rows = [f'{noun},f,"{plural}"' for noun, plurals in nouns.items() for plural in plurals]
    content = "\n".join(["lemma,genus,nominativ plural", "Obst,n,", *rows]).encode()
    settings = wheel("nouns.csv", content, tmp_path, monkeypatch) | {"validation_size": 1, "test_size": 38}
    config = load_recipe("german-plurals", [f"data.{key}={value}" for key, value in settings.items()])
    found = prepare(config)
    assert found.report["dropped"]["empty side"] == 1
    held_out = with_references(found.test, grouped=config.data.several_references)
    assert list(zip(*held_out, strict=True)) == [(noun, nouns[noun]) for noun in held_out[0]]
    assert len(held_out[0]) == 38


def test_a_wheel_is_fetched_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = []

    def download(requirement: str, folder: Path) -> Path:
        downloads.append(requirement)
        (folder / "toy.whl").write_bytes(CONTENT)
        return folder / "toy.whl"

    monkeypatch.setattr(package_index, "_download", download)
    with pytest.raises(CorpusError, match=r"the wheel of toy==1\.0: expected SHA-256 dddd"):
        package_index.fetch_wheel("toy==1.0", SHA256, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    sha256 = content_hash(tmp_path)
    wheels = [package_index.fetch_wheel("toy==1.0", sha256, tmp_path / "kept") for _ in range(2)]
    assert wheels == [tmp_path / "kept" / "toy-1.0.whl"] * 2
    assert downloads == ["toy==1.0"] * 2


def test_a_damaged_download_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_index.subprocess, "run", FakePip({"toy/data/pairs.tsv": CONTENT}))
    path = fetch(tmp_path, content_hash(tmp_path))
    path.write_bytes(b"damaged")
    assert fetch(tmp_path, content_hash(tmp_path)).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("pip", "expected"),
    [
        (FakePip({"toy/data/pairs.tsv": b"other"}), "expected SHA-256 dddd"),
        (FakePip({"toy/other": CONTENT}), r"holds no file toy/data/pairs\.tsv"),
        (FakePip({}, "ERROR: No matching distribution found for toy==1.0"), "cannot download toy==1.0: No matching"),
        (FakePip({}, ""), "holds no file"),
    ],
)
def test_what_is_not_the_member_is_refused(
    pip: FakePip, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_index.subprocess, "run", pip)
    with pytest.raises(CorpusError, match=expected):
        fetch(tmp_path, SHA256)
