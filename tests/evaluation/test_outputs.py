"""The table of outputs: whatever the texts are, it is read back as it was, a line for each source."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from seq2seq.config import EvaluationConfig
from seq2seq.decoding.outputs import Translation
from seq2seq.errors import RunError
from seq2seq.evaluation.outputs import OutputRow, output_rows, read_outputs, to_tsv

texts = st.text(st.sampled_from("ab\\\t\n\rtnr\x00\x85\u2028é "), max_size=8)
rows = st.builds(
    OutputRow,
    source=texts,
    references=st.lists(texts.filter(bool), min_size=1, max_size=3).map(tuple),
    output=texts,
    chrf=st.floats(0, 100).map(lambda score: round(score, 2)),
    log_prob=st.floats(-900, 0).map(lambda score: round(score, 4)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(rows, max_size=5))
def test_rows_come_back_as_they_went(tmp_path: Path, written: list[OutputRow]) -> None:
    path = tmp_path / "outputs.test.tsv"
    path.write_bytes(to_tsv(written))
    assert read_outputs(path) == written
    lines = path.read_bytes().split(b"\n")
    assert len(lines) == len(written) + 2
    assert len({line.count(b"\t") for line in lines[:-1]}) == 1
    assert b"\r" not in path.read_bytes()


def test_scores_are_those_of_the_sentences() -> None:
    outputs = [Translation("a cat", -0.5, (), (), -1.5), Translation("", 0.0, (), ())]
    references = [["the cat", "a dog"], ["x"]]
    found = output_rows(["s", "t"], references, outputs, EvaluationConfig())
    assert [row.chrf for row in found] == [CHRF().sentence_score("a cat", references[0]).score, 0.0]
    assert [row.log_prob for row in found] == [-1.5, 0.0]


@pytest.mark.parametrize("content", [b"", b"no\ttable\n", to_tsv([])[:-1] + b"\na\tb\n", b"\xff\xfe"])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(RunError, match=r"x: expected a table of outputs .*: evaluate again"):
        read_outputs(tmp_path / "x")
    with pytest.raises(RunError, match="evaluate again"):
        read_outputs(tmp_path / "nothing")
