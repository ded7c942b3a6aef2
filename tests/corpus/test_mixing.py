"""A mixture holds all of the new corpus, the wanted share of the old one, and nothing that is held out."""

from pathlib import Path

import pytest

from seq2seq.corpus.mixing import mixed
from seq2seq.corpus.prepared import Prepared, corpus_summary, prepare
from seq2seq.recipe import load_recipe


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Prepared]:
    """A new corpus of 90 pairs and an old one of 499, in which every held-out source of the new one occurs."""
    folder: Path = tmp_path_factory.mktemp("corpora")
    settings = [f"data.directory={folder}", "data.validation_size=5", "data.test_size=5", "subword.vocab_size=16"]
    tables = {}
    for name, rows in (("new", range(100)), ("old", range(500))):
        path = folder / f"{name}.tsv"
        path.write_text("".join(f"{row}\t{10 * row}\n" for row in rows), encoding="utf-8")
        tables[name] = ["data.format=tsv", f"data.path={path}", f"data.train={name}.tsv", "data.src=1", "data.tgt=2"]
    old_only = ["data.validation_size=1", "data.test_size=0"]
    old = prepare(load_recipe("reverse-digits", [*settings, *tables["old"], *old_only]))
    same_vocabulary = f"training.start_from={old.folder}"
    return prepare(load_recipe("reverse-digits", [*settings, *tables["new"], same_vocabulary])), old


def sources(corpus: Prepared) -> list[str]:
    decode = corpus.vocabularies.src.decode
    return [decode(corpus.src[row]) for row in range(len(corpus.src.lengths()))]


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_the_share_is_that_of_the_old_pairs_and_the_new_ones_come_first(
    corpora: tuple[Prepared, Prepared], share: float
) -> None:
    new, old = corpora
    found = mixed(new, old, share, seed=1)
    total = len(found.src.lengths())
    assert sources(found)[:90] == sources(new)
    assert (total - 90) / total == pytest.approx(share, abs=0.01)
    assert f"90 training pairs and {total - 90} of the old corpus" in corpus_summary(found)
    assert set(sources(found)[90:]) <= set(sources(old))
    decode = found.vocabularies.tgt.decode
    assert [int(decode(found.tgt[row])) for row in range(total)] == [10 * int(source) for source in sources(found)]


def test_held_out_sources_never_come_back_with_the_old_pairs(corpora: tuple[Prepared, Prepared]) -> None:
    new, old = corpora
    held_out = {pair.src for pair in (*new.validation, *new.test)}
    assert held_out & set(sources(old))
    everything = mixed(new, old, 0.99, seed=1)
    added = sources(everything)[90:]
    assert not held_out & set(added)
    assert sorted(added) == sorted(set(sources(old)) - held_out)


def test_the_sample_is_a_function_of_the_seed(corpora: tuple[Prepared, Prepared]) -> None:
    first, again, other = (sources(mixed(*corpora, 0.5, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
