"""The prepared corpus: what goes in comes out, once, and is made anew when anything changes."""

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest

from seq2seq.config import ModelConfig, SubwordConfig
from seq2seq.corpus import build as making
from seq2seq.corpus import prepared
from seq2seq.corpus.pairs import Pair, with_references
from seq2seq.corpus.prepared import corpus_summary, prepare
from seq2seq.corpus.subword import UNK, Subword
from seq2seq.errors import CorpusError, RunError
from seq2seq.recipe import build_config


def config(tmp_path: Path, **data: object):
    tables = {
        "data": {"format": "tsv", "path": str(tmp_path / "c.tsv"), "train": "c.tsv", "src": "1", "tgt": "2"}
        | {"validation_size": 3, "test_size": 4, "directory": str(tmp_path / "cache")}
        | data,
        "subword": {"type": "char", "vocab_size": 400},
        "training": {"max_updates": 1},
    }
    return build_config(tables)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    lines = [f"source {number}\tziel {number} {variant}\n" for number in range(40) for variant in "ab"]
    (tmp_path / "c.tsv").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def test_ids_decode_to_the_pairs_and_nothing_leaks(corpus: Path) -> None:
    found = prepare(config(corpus))
    vocabularies = found.vocabularies
    count = len(found.src.lengths())
    sources = [vocabularies.src.decode(found.src[row]) for row in range(count)]
    targets = [vocabularies.tgt.decode(found.tgt[row]) for row in range(count)]
    assert len(found.validation) == 3
    assert len(found.test) == 4
    held_out = {pair.src for pair in (*found.validation, *found.test)}
    assert count == (40 - 7) * 2
    assert not held_out & set(sources)
    assert all(src.split()[1] == tgt.split()[1] for src, tgt in zip(sources, targets, strict=True))
    assert [len(found.src[row]) for row in range(count)] == found.src.lengths().tolist()
    assert found.report["dropped"] == {"source held out": 14}
    assert found.report["test sources in training"] == 0
    assert "66 training pairs" in corpus_summary(found)


def test_the_second_time_nothing_is_done(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(config(corpus))
    monkeypatch.setattr(prepared, "build_corpus", lambda *_: pytest.fail("prepared again"))
    assert prepare(config(corpus)).report == first.report


def test_the_name_of_a_language_changes_no_id(corpus: Path) -> None:
    assert prepare(config(corpus, src_language="en")).folder == prepare(config(corpus)).folder


def test_format_and_columns_that_were_found_are_told(corpus: Path) -> None:
    found = prepare(config(corpus, format="auto", src="src", tgt="tgt")).report["chosen"]
    assert found == {"data.format": "tsv", "data.src": "1", "data.tgt": "2"}


def test_a_changed_file_is_prepared_anew(corpus: Path) -> None:
    first = prepare(config(corpus)).report
    with (corpus / "c.tsv").open("a", encoding="utf-8") as stream:
        stream.write("one more\tnoch eins\n")
    assert prepare(config(corpus)).report["fingerprint"] != first["fingerprint"]


def test_what_fails_leaves_nothing_behind(corpus: Path) -> None:
    with pytest.raises(CorpusError, match=r"every pair was dropped: \d+ source held out, \d+ too long; look at"):
        prepare(config(corpus, max_tokens=3))
    with pytest.raises(CorpusError, match=r"every pair was dropped: 80 identical sides; look at \[data\]"):
        prepare(config(corpus, tgt="1"))
    assert {path.suffix for path in (corpus / "cache" / "prepared").iterdir()} == {".lock"}


def test_long_sources_are_dropped_or_cut(corpus: Path) -> None:
    (corpus / "c.tsv").write_text("a b c d e f\tx\n" + "".join(f"{n}\ty\n" for n in range(20)), encoding="utf-8")
    held = {"validation_size": 1, "test_size": 1, "max_tokens": 7, "max_ratio": 99.0}
    dropped, cut = (prepare(config(corpus, long_sources=how, **held)) for how in ("drop", "cut"))
    assert dropped.report["dropped"].get("too long") == 1
    assert "too long" not in cut.report["dropped"]
    assert max(cut.src.lengths()) == 7


@pytest.mark.parametrize(("kind", "count"), [("bpe", 200), ("word", 2 * (900 - 7))])
def test_what_teaches_subwords_is_an_even_sample_and_of_words_all(
    kind: str, count: int, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample is ours: sentencepiece's own is another one in every process."""
    (corpus / "c.tsv").write_text("".join(f"w{number}\tz{number}\n" for number in range(900)), encoding="utf-8")
    seen: list[list[str]] = []
    train = Subword.train

    def spy(sentences: Iterable[str], *args: object, **settings: object) -> Subword:
        seen.append(list(sentences))
        return train(seen[-1], *args, **settings)

    monkeypatch.setattr(Subword, "train", spy)
    subword = SubwordConfig(type=kind, vocab_size=60, byte_fallback=False, train_sentences=200)
    for directory in ("one", "two"):
        prepare(replace(config(corpus, directory=str(corpus / directory)), subword=subword))
    assert seen[0] == seen[1]
    assert len(seen[0]) == len(set(seen[0])) == count


def test_pairs_are_the_same_however_many_go_at_a_time(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepare(config(corpus))
    monkeypatch.setattr(making, "_BLOCK", 7)
    blocks = prepare(config(corpus, directory=str(corpus / "other")))
    assert blocks.report == whole.report
    assert [blocks.src[row] for row in range(66)] == [whole.src[row] for row in range(66)]


def test_only_the_same_text_is_a_test_source_in_training(corpus: Path) -> None:
    """Other unknown words have the same token ids."""
    (corpus / "test.tsv").write_text("猫 1\tx\nsource  犬\ty\n", encoding="utf-8")
    lines = [f"{word} {n}\tziel {n}\n" for n in range(30) for word in ("source", "鳥" if n == 1 else "one")]
    (corpus / "c.tsv").write_text("".join(lines) + "source 犬\tv\nsource 鳥\tw\n", encoding="utf-8")
    settings = config(corpus, path=str(corpus), test="test.tsv")
    subword = SubwordConfig(type="word", vocab_size=30, byte_fallback=False)
    found = prepare(replace(settings, subword=subword))
    ids = [found.vocabularies.src.encode(text) for text in ("猫 1", "鳥 1")]
    assert ids[0] == ids[1]
    assert ids[1] in [found.src[row] for row in range(len(found.src.lengths()))]
    assert found.report["test sources in training"] == 0


def test_leaks_are_counted(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making.Gathered, "without", lambda self, *_: self)
    assert prepare(config(corpus)).report["test sources in training"] == 8  # two targets for each of four sources


PARTS = {"validation": "valid.tsv", "test": "test.tsv"}


@pytest.mark.parametrize("content", ["", "\t\n", " \tx\n\ty\n"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_without_a_sentence_is_refused_by_name(part: str, content: str, corpus: Path) -> None:
    for name in PARTS.values():
        (corpus / name).write_text("source 1\tx\n", encoding="utf-8")
    (corpus / PARTS[part]).write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=rf"the {part} part \(data\.{part} = '{PARTS[part]}'\) is empty"):
        prepare(config(corpus, path=str(corpus), **PARTS))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_whose_pictures_are_all_missing_is_refused_by_name(part: str, tmp_path: Path) -> None:
    lines = []
    for split in ("train", "validation", "test"):
        for number in range(4):
            lines.append(f"{split}{number}.png\t{split}\ta picture of {number}\n")
            if split != part:
                PIL.Image.new("RGB", (40, 40), (60 * number, 0, 0)).save(tmp_path / f"{split}{number}.png")
    (tmp_path / "captions.tsv").write_text("".join(lines), encoding="utf-8")
    data = {"format": "pictures", "path": str(tmp_path), "validation": "validation", "test": "test"}
    tables = {
        "data": data | {"directory": str(tmp_path / "cache")},
        "subword": {"type": "char", "vocab_size": 400},
        "model": {"encoder": "image", "bridge": "first-input", "tie_embeddings": "target"},
        "training": {"max_updates": 1},
    }
    with pytest.raises(CorpusError, match=rf"the {part} part .* is empty: all its pictures are missing or damaged"):
        prepare(build_config(tables))


def test_a_training_part_that_is_all_held_out_says_so(corpus: Path) -> None:
    with pytest.raises(CorpusError, match="all 80 training pairs that cleaning kept have sources of the validation"):
        prepare(config(corpus, validation="c.tsv", path=str(corpus)))


def test_records_without_text_are_left_out_counted_and_named(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = [None, 3, ["x"], {"a": "x"}, True]
    records = [{"a": f"source {n}", "b": odd[n // 10] if n % 10 == 1 else f"ziel {n} \ud800"} for n in range(50)]
    content = "".join(json.dumps(record) + "\n" for record in records)
    for name in ("c.jsonl", "valid.jsonl"):
        (corpus / name).write_text(content, encoding="utf-8")
        content = content.replace("source", "other")
    data = {"format": "jsonl", "path": str(corpus), "train": "c.jsonl", "validation": "valid.jsonl"}
    found = prepare(config(corpus, **data, src="a", tgt="b"))
    assert found.report["dropped"] == {"source held out": 4, "no text": 5}
    assert len(found.validation) == 45
    assert found.validation[0].tgt == "ziel 0 ?"
    said = capsys.readouterr().err
    assert f"5 records without text are left out, the first is {corpus / 'c.jsonl'}, line 2: expected text" in said
    assert "under 'b', found None; the record has ['a', 'b']" in said
    assert said.count("\n") == 2


def test_given_parts_are_taken_whole_and_their_sources_left_out(corpus: Path) -> None:
    (corpus / "test.tsv").write_text("source 1\tx\nsource 1\ty\n\t\n", encoding="utf-8")
    (corpus / "valid.tsv").write_text("source 2\tx\n", encoding="utf-8")
    found = prepare(config(corpus, path=str(corpus), validation="valid.tsv", test="test.tsv"))
    assert [pair.tgt for pair in found.test] == ["x", "y", ""]
    assert found.report["dropped"] == {"source held out": 4}


def test_given_parts_are_normalised_as_the_training_part_is(tmp_path: Path) -> None:
    """CRLF, NFD, double spaces and a byte order mark, in validation and test as in training."""
    plain = [("señor uno", "le garçon"), ("dos", "où ça")]
    numbered = [(f"{src} {n}", f"{tgt} {n}") for n in range(9) for src, tgt in plain]
    for name, rows in (("train", numbered), ("test", plain)):
        lines = [f"{src}\t{tgt}\n" for src, tgt in rows]
        odd = "\ufeff" + "".join(unicodedata.normalize("NFD", line).replace("\n", "\r\n") for line in lines)
        (tmp_path / f"{name}.tsv").write_bytes("".join(lines).encode())
        (tmp_path / f"{name}-odd.tsv").write_bytes(odd.replace(" ", "  ").encode())
    where = {"path": str(tmp_path), "train": "train.tsv"}
    expected = prepare(config(tmp_path, **where, validation="test.tsv", test="test.tsv"))
    found = prepare(config(tmp_path, **where, validation="test-odd.tsv", test="test-odd.tsv"))
    assert found.test == found.validation == expected.test == [Pair(*row) for row in plain]
    odd = prepare(config(tmp_path, **where | {"train": "train-odd.tsv"}, validation="test.tsv", test="test.tsv"))
    assert odd.report["fingerprint"] == found.report["fingerprint"] == expected.report["fingerprint"]


def test_all_targets_of_a_held_out_source_are_its_references(corpus: Path) -> None:
    one, all_ = (prepare(config(corpus, references=which)) for which in ("one", "all"))
    for part in ("validation", "test"):
        first = getattr(one, part)
        sources, references = with_references(getattr(all_, part), grouped=True)
        assert sources == [pair.src for pair in first]
        assert references == [[pair.tgt, f"{pair.tgt[:-1]}b"] for pair in first]
    assert one.report["kept"] == all_.report["kept"]


def test_unknown_tokens_are_counted_in_each_part_and_warned_of(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the words of the given test part occur in no training pair."""
    (corpus / "known.tsv").write_text("2 source\t2 ziel\n" * 4, encoding="utf-8")
    (corpus / "new.tsv").write_text("source nowhere\t2 ziel\n" * 4, encoding="utf-8")
    settings = config(corpus, path=str(corpus), validation="known.tsv", test="new.tsv")
    found = prepare(replace(settings, subword=SubwordConfig(type="word", vocab_size=400)))
    shares = found.report["unknown tokens"]
    assert shares["validation"] == {"src": 0.0, "tgt": 0.0}
    assert shares["test"] == {"src": 0.5, "tgt": 0.0}
    for side, column in (("src", found.src), ("tgt", found.tgt)):
        counted = sum(column[row].count(UNK) for row in range(len(column.lengths())))
        assert shares["training"][side] == counted / found.report["tokens"][side]
    warning = capsys.readouterr().err
    assert warning.count("warning: unknown tokens: 50.0% of src in test; ") == 1
    assert "unknown tokens: 50.0% of src in test" in corpus_summary(found)


def test_nothing_is_said_where_nothing_is_unknown(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown" not in corpus_summary(prepare(config(corpus)))
    assert "unknown" not in capsys.readouterr().err


def test_letters_become_words_where_the_target_has_a_type_of_its_own(corpus: Path) -> None:
    subword = SubwordConfig(type="char", tgt_type="word", vocab_size=400, joint=False)
    found = prepare(replace(config(corpus), subword=subword, model=ModelConfig(tie_embeddings="target")))
    pair = found.test[0]
    assert len(found.vocabularies.src.encode(pair.src)) >= len(pair.src)
    ids = found.vocabularies.tgt.encode(found.validation[0].tgt)
    assert len(ids) == 3
    assert found.vocabularies.tgt.pieces(ids)[0] == "ziel"


def test_a_given_vocabulary_is_used_and_told_apart(corpus: Path, tmp_path: Path) -> None:
    """A corpus of letters that the given vocabulary lacks is spelled in bytes; learned, in letters."""
    settings = config(corpus)
    prepare(settings).vocabularies.save(tmp_path)
    (corpus / "c.tsv").write_text("".join(f"w\u00f6{row}\tx\n" for row in range(40)), encoding="utf-8")
    begun = replace(settings, training=replace(settings.training, start_from=str(tmp_path)))
    learned, given = prepare(settings), prepare(begun)
    assert given.vocabularies.files() == {name: (tmp_path / name).read_bytes() for name in given.vocabularies.files()}
    assert len(learned.src[0]) < len(given.src[0])
    assert learned.report["fingerprint"] != given.report["fingerprint"]
    moved = replace(begun, training=replace(begun.training, start_from="gone"))
    assert prepare(moved, tmp_path).folder == given.folder
    with pytest.raises(RunError, match="gone"):
        prepare(moved)
