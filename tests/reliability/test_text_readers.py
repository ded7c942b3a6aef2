"""Whatever stands in a text file from outside: records, a counted skip, or one line; never a crash, never long.

Each reader gets files that are mutated at random: 200 in a quick run, 10,000 in a slow one.
"""

import gzip
import json
import os
import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from seq2seq.config import DataConfig, SubwordConfig
from seq2seq.corpus.cleaning import clean
from seq2seq.corpus.sources import read_pairs
from seq2seq.errors import Seq2SeqError
from seq2seq.evaluation.record import is_evaluated, read_evaluation, summary
from seq2seq.files.manifest import MANIFEST, check_manifest, digest, write_manifest
from seq2seq.recipe import load_recipe, recipe_text
from seq2seq.runs.layout import CONFIG, EVALUATION, LOG
from seq2seq.training.checkpoint import load_checkpoint
from seq2seq.training.log import cut_log
from seq2seq.training.status import status

# What files hold that nobody expects: between them they break JSON, TOML, numbers, UTF-8, lines and the stack.
PIECES = [b"null", b"NaN", b"-Infinity", b"1e999", b"inf", b"0", b"-1", b"true", b"[]", b"{}", b'""', b"9" * 400]
PIECES += [b"9" * 5000, b"[" * 1200, b'{"a":' * 600, b"[" * 400 + b"]" * 400, b'"\\ud800"', b"\\udcff", b"\\u0000"]
PIECES += [
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\x7f",
    b"\r",
    b"\r\n",
    b"\n",
    b"\n\n",
    b"\t",
    b"\t\t",
]
PIECES += [
    b'"',
    b"'''",
    b"\\",
    b",",
    b":",
    b"=",
    b"#",
    b"[x]",
    b"a.b.c = 1\n",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"x" * 3000,
]
PIECES += [b"\x1f\x8b\x08\x00", b"\xf4\x8f\xbf\xbf", b"\xcc\x81" * 500, b"{", b"}", b"1979-05-27", b"0x10", b"1e-400"]


def mutated(rng: random.Random, content: bytes) -> bytes:
    """The content after one to four changes at random places."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(content))
        end = min(len(content), start + rng.choice([0, 1, 1, 2, 8, 40]))
        match rng.randrange(6):
            case 0:
                content = content[:start] + rng.randbytes(end - start) + content[end:]
            case 1:
                content = content[:start] + content[end:]
            case 2:
                content = content[:end] + content[start:end] * rng.randint(1, 3) + content[end:]
            case 3:
                content = content[:start]
            case _:
                content = content[:start] + rng.choice(PIECES) + content[end:]
    return content


VALUES = [
    None,
    True,
    0,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    "",
    "a",
    "\ud800",
    "\n\t",
    [],
    ["a"],
    {},
    {"a": 1},
]


def with_other_values(rng: random.Random, content: bytes) -> bytes:
    """JSON with one value replaced by another kind of value."""
    record = json.loads(content)
    place, key = record, rng.choice(list(record))
    while isinstance(place[key], dict) and place[key] and rng.random() < 0.7:
        place, key = place[key], rng.choice(list(place[key]))
    if rng.random() < 0.2:
        del place[key]
    else:
        place[key] = rng.choice(VALUES)
    return json.dumps(record).encode()


def mutated_lines(rng: random.Random, content: bytes) -> bytes:
    """JSON lines, some of which have other values."""
    if rng.random() < 0.5:
        return mutated(rng, content)
    lines = content.splitlines()
    return b"\n".join(with_other_values(rng, line) if rng.random() < 0.3 else line for line in lines) + b"\n"


SENTENCES = ["Tom is here.", "¿Dónde está?", "猫が好き。", "a", "😀 e\u0301"]
PAIRS = list(zip(SENTENCES, reversed(SENTENCES), strict=True))
JSON_LINES = "".join(json.dumps({"t": {"a": a, "b": b}, "n": 3}) + "\n" for a, b in PAIRS).encode()
LINES = {
    "files": "".join(f"{a}\n" for a, _ in PAIRS).encode(),
    "tsv": "".join(f"{a}\t{b}\n" for a, b in [("a", "b"), *PAIRS]).encode(),
    "csv": "".join(f'"{a}",{b}\n' for a, b in [("a", "b"), *PAIRS]).encode(),
    "jsonl": JSON_LINES,
}
SIDES = {"files": ("a", "b"), "tsv": ("a", "b"), "csv": ("a", "b"), "jsonl": ("t.a", "t.b")}


def read_corpus(kind: str, packing: str, folder: Path, rng: random.Random) -> Callable[[], object]:
    """Writes a mutated corpus; returns what reads it."""
    content = LINES[kind]
    pack: Callable[[bytes], bytes] = gzip.compress if packing else lambda data: data
    if packing == "packed, then mutated":
        content = mutated(rng, pack(content))
    else:
        content = pack(mutated_lines(rng, content) if kind == "jsonl" else mutated(rng, content))
    suffix = ".gz" if packing else ""
    if kind == "files":
        (folder / "train.b").write_bytes(LINES[kind])
    (folder / f"train{'.a' if kind == 'files' else ''}{suffix}").write_bytes(content)
    src, tgt = rng.choice([("1", "2"), SIDES[kind]]) if kind in ("tsv", "csv") else SIDES[kind]
    data = DataConfig(format=kind, path=str(folder), src=src, tgt=tgt)
    return lambda: check_pairs(data)


def check_pairs(data: DataConfig) -> None:
    dropped: Counter[str] = Counter()
    pairs = list(read_pairs(data, "train", dropped))
    for pair in clean(pairs, data, SubwordConfig(), dropped):
        assert "\n" not in f"{pair.src}{pair.tgt}".encode().decode()


def check(seed: int, make: Callable[[random.Random], Callable[[], object]], capsys: pytest.CaptureFixture[str]) -> bool:
    """Reads one mutated file; true if it was read, false if it was refused in one line."""
    read = make(random.Random(seed))
    started = time.process_time()
    refusal = ""
    try:
        read()
    except Seq2SeqError as error:
        refusal = str(error)
    except BaseException as error:
        raise AssertionError(f"seed {seed}: {error!r}") from error
    assert time.process_time() - started < 1, f"seed {seed}"
    assert "\n" not in refusal, f"seed {seed}"
    assert len(refusal) < 5000, f"seed {seed}"
    said = capsys.readouterr().err
    assert said.count("\n") <= 3, f"seed {seed}"
    return not refusal


# 10,000 with RELIABILITY=full, which takes minutes; docs/reliability.md has the counts.
FULL = os.environ.get("RELIABILITY") == "full"
COUNTS = pytest.mark.parametrize("count", [200, pytest.param(10_000 if FULL else 1_500, marks=pytest.mark.slow)])


@COUNTS
@pytest.mark.parametrize("packing", ["", "mutated, then packed", "packed, then mutated"])
@pytest.mark.parametrize("kind", LINES)
def test_corpora(kind: str, packing: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = [check(n, lambda rng: read_corpus(kind, packing, tmp_path, rng), capsys) for n in range(count)]
    assert len(set(results)) == 2  # some are read, some refused: the mutations are neither too weak nor too strong


def write_table(path: Path, rng: random.Random) -> None:
    """A table as the hub has them, mutated; in each format that the library reads."""
    match path.suffix:
        case ".jsonl":
            path.write_bytes(mutated_lines(rng, JSON_LINES))
        case ".csv":
            path.write_bytes(mutated(rng, b"a,b\n" + "".join(f'"{a}",{b}\n' for a, b in PAIRS).encode()))
        case ".parquet":
            column = rng.choice(
                [[3, None], [["x"], None], [None, None], [b"x", b"\xff"], ["x", None], [{"c": 1}, None]]
            )
            rows = pyarrow.table({"a": column, "b": ["y", "z"]})
            pyarrow.parquet.write_table(rows, path)
            if rng.random() < 0.5:
                path.write_bytes(mutated(rng, path.read_bytes()))


@pytest.mark.parametrize("count", [10, pytest.param(300 if FULL else 60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_hub_tables(
    suffix: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)

    def make(rng: random.Random) -> Callable[[], object]:
        folder = tmp_path / str(rng.random())
        folder.mkdir()
        write_table(folder / f"train{suffix}", rng)
        src, tgt = SIDES["jsonl"] if suffix == ".jsonl" else ("a", "b")
        return lambda: check_pairs(DataConfig(format="hub", path=str(folder), src=src, tgt=tgt))

    for seed in range(count):
        check(seed, make, capsys)


RECIPE = recipe_text("multi30k-en-de").encode()


@COUNTS
def test_recipes(count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.toml"

    def make(rng: random.Random) -> Callable[[], object]:
        path.write_bytes(mutated(rng, RECIPE))
        return lambda: load_recipe(str(path))

    assert len({check(seed, make, capsys) for seed in range(count)}) == 2


LOG_LINES = b"".join(
    json.dumps({"type": kind, "time": 1e9 + n, "updates": n, "epochs": n / 9, "minutes": n / 7} | numbers).encode()
    + b"\n"
    for n, (kind, numbers) in enumerate(
        [("start", {"device": "cpu"})]
        + [("training", {"loss": 2.0, "tokens_per_second": 9.0, "learning_rate": 0.1, "skipped": 0})] * 3
        + [("validation", {"perplexity": 9.0, "bleu": 1.0, "exact_match": 0.5, "best": True})]
    )
)


@COUNTS
def test_logs(count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CONFIG).write_bytes(RECIPE)

    def make(rng: random.Random) -> Callable[[], object]:
        (tmp_path / LOG).write_bytes(mutated_lines(rng, LOG_LINES))
        return lambda: (status(tmp_path), cut_log(tmp_path, 3))

    assert all(check(seed, make, capsys) for seed in range(count))


SCORE = {"score": 1.0, "low": 0.0, "high": 2.0, "signature": "x", "note": ""}
SCORES = {"split": "test", "sentences": 3, "beam": 5, "exact_match": 0.5, "bleu": SCORE, "chrf": SCORE, "ter": SCORE}


@COUNTS
@pytest.mark.parametrize("name", [EVALUATION, MANIFEST])
def test_records_of_a_run(name: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_manifest(tmp_path, ["model.safetensors"], {"versions": {"seq2seq": "1"}})
    scores = SCORES | {"weights": check_manifest(tmp_path)["files"]["model.safetensors"]["sha256"], "captions": None}
    (tmp_path / EVALUATION).write_text(json.dumps(scores | {"digest": digest(scores)}))
    whole = (tmp_path / name).read_bytes()

    def make(rng: random.Random) -> Callable[[], object]:
        (tmp_path / name).write_bytes(mutated(rng, whole) if rng.random() < 0.7 else with_other_values(rng, whole))
        return lambda: (check_manifest(tmp_path), is_evaluated(tmp_path), summary(read_evaluation(tmp_path)))

    results = [check(seed, make, capsys) for seed in range(count)]
    assert not all(results)


@COUNTS
@pytest.mark.parametrize("name", ["state.json", MANIFEST])
def test_checkpoints(name: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from seq2seq.training.checkpoint import Checkpoint, save_checkpoint

    save_checkpoint(tmp_path, Checkpoint({"a": torch.zeros(1)}, {"updates": 3, "epoch": 1}), keep=1)
    path = tmp_path / "checkpoints" / "00000003" / name
    whole = path.read_bytes()

    def make(rng: random.Random) -> Callable[[], object]:
        path.write_bytes(mutated(rng, whole) if rng.random() < 0.7 else with_other_values(rng, whole))
        return lambda: load_checkpoint(tmp_path)

    results = [check(seed, make, capsys) for seed in range(count)]
    assert not all(results)


BOMBS = {
    "a line": (b"x" * 1_000_000, 300),
    "four bytes a character": (("😀" * 250_000).encode(), 3),
    "lists": (b"[]," * 300_000, 4),
    "tabs": (b"\t" * 1_000_000, 3),
    "columns": (b"x\t" * 500_000, 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("kind", LINES)
def test_no_line_takes_more_than_100_megabytes(kind: str, bomb: str, tmp_path: Path) -> None:
    piece, count = BOMBS[bomb]
    suffix = ".a.gz" if kind == "files" else ".gz"
    with gzip.open(tmp_path / f"train{suffix}", "wb", compresslevel=1) as stream:
        stream.write(b'{"t":[' if kind == "jsonl" else b"")
        for _ in range(count):
            stream.write(piece)
        stream.write(b"0]}\n" if kind == "jsonl" else b"\n")
    (tmp_path / "train.b").write_bytes(b"\n")
    data = DataConfig(
        format=kind, path=str(tmp_path), src="1" if kind == "tsv" else "a", tgt="2" if kind == "tsv" else "b"
    )
    tracemalloc.start()
    refusal = ""
    try:
        check_pairs(data)
    except Seq2SeqError as error:
        refusal = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refusal == "" or "line 1" in refusal or "do not align" in refusal
    assert len(refusal) < 2000
    assert peak < 100e6
