"""Lists of another system, ranked again: read as they are, weighed as asked, tuned by what means something."""

import io
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

import seq2seq
from seq2seq.cli import main
from seq2seq.config import Config, TrainingConfig
from seq2seq.decoding.translator import Translator
from seq2seq.errors import CorpusError
from seq2seq.filters.rescore import ScoredCandidate, ranked, read_lists, rescored, tune_weight
from seq2seq.training.average import average
from seq2seq.training.checkpoint import checkpoint_folders


@pytest.fixture(scope="module")
def translator(digits_run: Path) -> Translator:
    return seq2seq.load(digits_run, device="cpu")


def test_rescoring_ranks_by_the_weighted_sum(translator: Translator) -> None:
    lines = ["0 ||| 321 ||| a= 1 ||| -9.5", "0 ||| 123 ||| a= 2 ||| -1.5", "1 ||| 54 ||| -2"]
    lists = list(rescored(translator, ["123", "45"], read_lists(lines, "list")))
    assert [[one.text for one in found] for found in lists] == [["321", "123"], ["54"]]
    assert [one.text for one in ranked(lists[0], 0.0)] == ["123", "321"]
    assert ranked(lists[0], 1.0)[0].ours == max(one.ours for one in lists[0])
    assert lists[0][0].combined(0.25) == pytest.approx(0.75 * -9.5 + 0.25 * lists[0][0].ours)
    assert lists[0][0].line(0.5).startswith("0 ||| 321 ||| a= 1 Seq2Seq= ")
    again = list(read_lists([one.line(0.5) for found in lists for one in found], "again"))
    assert [[one.text for one in found] for found in again] == [["321", "123"], ["54"]]


def judged(metric: str) -> Config:
    return Config(training=TrainingConfig(max_updates=1, validation_metric=metric))


def test_a_tuned_weight_is_the_best_of_all() -> None:
    good, bad = "a b c d e f", "x y z u v w"
    lists = [[ScoredCandidate(0, good, "", -3.0, -1.0), ScoredCandidate(0, bad, "", -2.0, -9.0)]]
    for metric in ("auto", "bleu", "chrf", "exact-match", "cer", "wer", "perplexity"):
        config = judged(metric)
        assert 0 < tune_weight(lists, [[good]], config).weight <= 0.15
        assert tune_weight(lists, [[bad]], config).weight == 0.0
        assert tune_weight(lists, [[good], [bad]], config).weight == 0.0  # either is right
    for some, references in ((lists, [[good, bad]]), ([], [[]]), (lists, [[]]), (lists, [[good], []])):
        with pytest.raises(CorpusError, match="a reference for each list"):
            tune_weight(some, references, judged("auto"))


def test_a_script_without_spaces_and_single_words_are_tuned_for() -> None:
    """BLEU of 13a is 0 for all of these, whatever the weight."""
    for right, wrong, judge in (("三千二百一十", "三千二百一", "bleu"), ("walked", "walkt", "chrf")):
        lists = [[ScoredCandidate(0, wrong, "", -1.0, -9.0), ScoredCandidate(0, right, "", -2.0, -1.0)]]
        tuned = tune_weight(lists, [[right]], judged("auto"))
        assert tuned.criterion.metric == judge
        assert tuned.score == pytest.approx(100)
        assert ranked(lists[0], tuned.weight)[0].text == right


def test_references_are_normalised() -> None:
    lists = [[ScoredCandidate(0, "où est le garçon", "", -2.0, -1.0), ScoredCandidate(0, "non", "", -1.0, -9.0)]]
    odd = unicodedata.normalize("NFD", "où  est le garçon\r")
    assert tune_weight(lists, [[odd]], judged("exact-match")).score == 1.0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0 | 321"], "list, line 1: expected 'number"),
        (["0 ||| 321 ||| x"], "list, line 1"),
        (["0 ||| 321 ||| nan"], "list, line 1"),
        (["0 ||| 321"], "list, line 1"),
        (["0 ||| 321 ||| -1", "2 ||| 321 ||| -1"], "expected the list of sentence 1 next, found that of 2"),
    ],
)
def test_broken_lists_are_refused_with_their_line(lines: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        list(read_lists(lines, "list"))


def test_lists_and_sources_must_be_as_many(translator: Translator) -> None:
    for sources in (["1"], ["1", "2", "3"]):
        with pytest.raises(CorpusError, match="as many lists as lines"):
            list(rescored(translator, sources, read_lists(["0 ||| 1 ||| -1", "1 ||| 2 ||| -1"], "list")))


def test_the_list_of_an_empty_source_stays_as_it_is(translator: Translator) -> None:
    lines = ["0 ||| 321 ||| a= 1 ||| -2", "0 ||| ||| a= 2 ||| -1", "1 ||| 54 ||| -2"]
    lists = list(read_lists(lines, "list"))
    found = list(rescored(translator, [" ", "45"], lists))
    assert found[0] == lists[0]
    assert found[1][0].ours < 0


def test_lists_are_rescored_the_way_they_are_asked_to_be(
    translator: Translator, digits_run: Path, tmp_path: Path, capsysbinary, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").write_text("123\n")
    other = average(digits_run, checkpoint_folders(digits_run), tmp_path / "other")
    said = []
    for combination in ("average", "log-linear"):
        lists = io.TextIOWrapper(io.BytesIO(b"0 ||| 99321 ||| -1\n0 ||| 321 ||| -2\n"))
        monkeypatch.setattr("sys.stdin", lists)
        models = ["--model", str(digits_run), str(other), "--src", str(tmp_path / "s")]
        assert main(["rescore", *models, "--combination", combination]) == 0
        said.append(capsysbinary.readouterr().out)
    assert said[0].count(b"\n") == 2
    assert said[0] != said[1]


def test_rescore_command(digits_run: Path, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("123\n")
    (tmp_path / "r").write_text("321\n")
    line = [sys.executable, "-m", "seq2seq", "rescore", "--model", str(digits_run), "--src", str(tmp_path / "s")]
    lists = b"0 ||| 99999 ||| -1\n0 ||| 321 ||| -2\n"
    result = subprocess.run([*line, "--tune", str(tmp_path / "r")], input=lists, capture_output=True, check=True)
    assert result.stdout.count(b"\n") == 2
    assert b"--weight" in result.stderr
