"""The prepared corpus: what goes in comes out, once, and is made anew when anything changes."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from seq2seq.config import SubwordConfig
from seq2seq.corpus import build as making
from seq2seq.corpus import prepared
from seq2seq.corpus.prepared import corpus_summary, prepare
from seq2seq.corpus.subword import Subword
from seq2seq.errors import CorpusError
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


def test_a_changed_file_is_prepared_anew(corpus: Path) -> None:
    first = prepare(config(corpus)).report
    with (corpus / "c.tsv").open("a", encoding="utf-8") as stream:
        stream.write("one more\tnoch eins\n")
    assert prepare(config(corpus)).report["fingerprint"] != first["fingerprint"]


def test_what_fails_leaves_nothing_behind(corpus: Path) -> None:
    with pytest.raises(CorpusError, match="every pair was dropped"):
        prepare(config(corpus, max_tokens=3))
    assert [path.suffix for path in (corpus / "cache" / "prepared").iterdir()] == [".lock"]


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

    monkeypatch.setattr(making.Subword, "train", spy)
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


def test_leaks_are_seen_in_the_file_itself(corpus: Path) -> None:
    found = prepare(config(corpus))
    assert found.src.count([found.src[0], [99999]]) == 2  # two targets for that source


def test_given_parts_are_taken_whole_and_their_sources_left_out(corpus: Path) -> None:
    (corpus / "test.tsv").write_text("source 1\tx\nsource 1\ty\n\t\n", encoding="utf-8")
    (corpus / "valid.tsv").write_text("source 2\tx\n", encoding="utf-8")
    found = prepare(config(corpus, path=str(corpus), validation="valid.tsv", test="test.tsv"))
    assert [pair.tgt for pair in found.test] == ["x", "y", ""]
    assert found.report["dropped"] == {"source held out": 4}
