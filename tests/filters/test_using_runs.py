"""The commands that use runs: translate and its constraints, score, encode, average."""

import io
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentencepiece.sentencepiece_model_pb2 import ModelProto

import seq2seq
from seq2seq.cli import main
from seq2seq.config import SubwordConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.subword import Subword, Vocabularies
from seq2seq.decoding.constraints import contains
from seq2seq.decoding.translator import Translator
from seq2seq.decoding.vectors import sentence_vectors
from seq2seq.errors import ConfigError, CorpusError, RunError
from seq2seq.filters.constraint_files import ConstraintFiles
from seq2seq.filters.encode import encode_stream
from seq2seq.filters.score import score_stream
from seq2seq.filters.translate import OutputFormat, translate_stream
from seq2seq.model.build import build_model
from seq2seq.runs.folder import create_run, load_run, save_model, unique_tensors
from seq2seq.training.average import average
from seq2seq.training.checkpoint import checkpoint_folders

LINES = [b"123\n", b"\n", b"9\n", b"55555\n", b"8675309\n", b"42"]


@pytest.fixture(scope="module")
def translator(digits_run: Path) -> Translator:
    return seq2seq.load(digits_run, device="cpu")


def test_scores_are_those_of_the_list(translator: Translator) -> None:
    found = translator.nbest(["123", "42"], 3)
    pairs = [Pair(source, one.text) for source, outputs in zip(["123", "42"], found, strict=True) for one in outputs]
    target = io.BytesIO()
    total = score_stream(translator, pairs, target, translator.config.decoding, with_tokens=True)
    rows = [line.split("\t") for line in target.getvalue().decode().splitlines()]
    outputs = [one for outputs in found for one in outputs]
    assert [float(row[0]) for row in rows] == pytest.approx([one.log_prob for one in outputs], abs=2e-4)
    assert [float(row[1]) for row in rows] == pytest.approx([one.per_token for one in outputs], abs=2e-4)
    for row, one in zip(rows, outputs, strict=True):
        each = [float(entry.rpartition(":")[2]) for entry in row[3].split(" ")]
        assert len(each) == int(row[2]) == len(one.ids) + 1
        assert sum(each) == pytest.approx(float(row[0]), abs=1e-3)
    assert total.log_prob == pytest.approx(sum(one.log_prob for one in outputs), abs=1e-3)
    assert f"perplexity {math.exp(-total.log_prob / total.tokens):.3f}" in total.summary()


def test_an_empty_source_can_only_be_nothing(translator: Translator) -> None:
    target = io.BytesIO()
    score_stream(translator, [Pair("", ""), Pair(" ", "1")], target, translator.config.decoding)
    assert target.getvalue() == b"0.0000\t0.0000\t1\n-inf\t-inf\t1\n"


def test_score_reads_two_files_or_lines_with_tabs(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").write_text("123\n45\n")
    (tmp_path / "t").write_text("321\n54\n")
    files = ["--src", str(tmp_path / "s"), "--tgt", str(tmp_path / "t")]
    assert main(["score", "--model", str(digits_run), *files]) == 0
    from_files = capsys.readouterr().out
    line = [sys.executable, "-m", "seq2seq", "score", "--model", str(digits_run)]
    piped = subprocess.run(line, input=b"123\t321\n45\t54\n", capture_output=True, check=True)
    assert piped.stdout.decode() == from_files
    refused = subprocess.run(line, input=b"123\t321\nno tab\n", capture_output=True, check=False)
    assert refused.returncode == 2
    assert b"line 2: expected 'source<TAB>target'" in refused.stderr
    (tmp_path / "t").write_text("321\n")
    assert main(["score", "--model", str(digits_run), *files]) == 2
    assert "ends before line 2" in capsys.readouterr().err


def test_vectors_are_the_encoders_final_states(translator: Translator, tmp_path: Path) -> None:
    sentences = ["123", "", "8675309"]
    whole = sentence_vectors(translator, sentences)
    layers = [sentence_vectors(translator, sentences, layer=layer) for layer in (1, 2)]
    assert np.array_equal(whole, np.concatenate(layers, axis=1))
    assert not whole[1].any()
    with torch.inference_mode():
        final = translator.model.encoder(translator.reader.batches(["8675309"])[0]).final
    assert np.allclose(layers[1][2], final.hidden[1][0].numpy(), atol=1e-6)
    count = encode_stream(translator, [b"123\n", b"\n", b"8675309"], tmp_path / "v.npy")
    assert count == 3
    assert np.allclose(np.load(tmp_path / "v.npy"), whole, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["v.npy"]
    with pytest.raises(ConfigError, match="expected 1 to 2"):
        sentence_vectors(translator, sentences, layer=3)
    assert encode_stream(translator, [], tmp_path / "none.npy") == 0
    assert np.load(tmp_path / "none.npy").shape == (0, whole.shape[1])


def test_vectors_that_cannot_be_written_leave_nothing(translator: Translator, tmp_path: Path) -> None:
    for out, message in ((tmp_path, f"cannot write {tmp_path}: it is a folder"), (tmp_path / "a" / "v", "no folder")):
        with pytest.raises(RunError, match=message) as caught:
            encode_stream(translator, [b"123\n"], out)
        assert str(out) in str(caught.value)
        assert ".part" not in str(caught.value)
        assert not list(tmp_path.iterdir())
        assert [path for path in tmp_path.parent.iterdir() if path.name.startswith(tmp_path.name)] == [tmp_path]


def test_averaging_with_itself_changes_nothing(digits_run: Path, tmp_path: Path) -> None:
    out = average(digits_run, [digits_run, digits_run], tmp_path / "mean")
    before, after = unique_tensors(load_run(digits_run).model), unique_tensors(load_run(out).model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_mean_of_checkpoints_is_their_mean(digits_run: Path, tmp_path: Path) -> None:
    folders = checkpoint_folders(digits_run)
    assert len(folders) == 2
    whole = unique_tensors(load_run(average(digits_run, [], tmp_path / "all")).model)
    named = unique_tensors(load_run(average(digits_run, folders, tmp_path / "named")).model)
    own = unique_tensors(load_run(digits_run).model)
    for name in whole:
        assert torch.allclose(named[name] * 3, whole[name] * 2 + own[name], atol=1e-5)
    facts = json.loads((tmp_path / "all" / "manifest.json").read_text())
    assert facts["average_of"] == [str(folder) for folder in folders]
    assert facts["corpus"] == load_run(digits_run).manifest["corpus"]
    assert not facts.keys() & {"updates", "validation"}
    assert len(seq2seq.load(tmp_path / "all").translate(["12"])) == 1


def test_what_cannot_be_averaged_is_refused(digits_run: Path, other_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="another vocabulary"):
        average(digits_run, [other_run], tmp_path / "mean")
    with pytest.raises(RunError, match="another vocabulary"):
        average(digits_run, checkpoint_folders(other_run), tmp_path / "mean")
    with pytest.raises(RunError, match="found files in it"):
        average(digits_run, [digits_run], digits_run)
    with pytest.raises(RunError, match="not a folder"):
        average(digits_run, [tmp_path / "nothing"], tmp_path / "mean")


@pytest.mark.parametrize("settings", [{"reverse_source": False}, {"residual_from": 2}])
def test_other_settings_are_not_averaged(settings: dict[str, object], digits_run: Path, tmp_path: Path) -> None:
    first = load_run(digits_run)
    config = replace(first.config, model=replace(first.config.model, **settings))
    other = tmp_path / "other"
    create_run(other, config, first.vocabularies)
    save_model(other, unique_tensors(first.model), {"corpus": first.manifest["corpus"]})
    shutil.copytree(checkpoint_folders(digits_run)[0], other / "checkpoints" / "00000001")
    for path in (other, *checkpoint_folders(other)):
        with pytest.raises(RunError, match=f"model.{next(iter(settings))} = "):
            average(digits_run, [path], tmp_path / "mean")


def test_runs_that_were_only_trained_otherwise_are_averaged(digits_run: Path, tmp_path: Path) -> None:
    first = load_run(digits_run)
    config = replace(first.config, model=replace(first.config.model, dropout=0.05, forget_bias=2.0))
    create_run(tmp_path / "other", config, first.vocabularies)
    save_model(tmp_path / "other", unique_tensors(first.model), {"corpus": first.manifest["corpus"]})
    mean = load_run(average(digits_run, [tmp_path / "other"], tmp_path / "mean"))
    for name, tensor in unique_tensors(mean.model).items():
        assert torch.equal(tensor, unique_tensors(first.model)[name])


def test_another_source_vocabulary_is_not_averaged(digits_run: Path, tmp_path: Path) -> None:
    first = load_run(digits_run)
    tgt, network = first.vocabularies.tgt, replace(first.config.model, tie_embeddings="target")
    config = replace(first.config, model=network, subword=replace(first.config.subword, joint=False))
    weights = unique_tensors(build_model(network, len(tgt), len(tgt)))
    # The same pieces in another order: of the same size, and wrong.
    model = ModelProto()
    model.ParseFromString(tgt.model)
    pieces = [(piece.piece, piece.score) for piece in model.pieces[-2:]]
    for piece, (text, score) in zip(model.pieces[-2:], reversed(pieces), strict=True):
        piece.piece, piece.score = text, score
    runs = [tmp_path / "one", tmp_path / "two"]
    for run, src in zip(runs, (tgt.model, model.SerializeToString()), strict=True):
        create_run(run, config, Vocabularies(Subword(src, SubwordConfig()), tgt))
        save_model(run, weights, {"corpus": first.manifest["corpus"]})
    with pytest.raises(RunError, match="another vocabulary"):
        average(runs[0], [runs[1]], tmp_path / "mean")


def answers(translators: list[Translator], constraint_files: ConstraintFiles | None = None, **options: object) -> bytes:
    target = io.BytesIO()
    output_format = OutputFormat(options=translators[0].config.decoding, nbest=int(options.get("nbest", 0)))
    translate_stream(
        translators,
        io.BytesIO(b"".join(LINES)),
        target,
        output_format,
        constraint_files,
        line_by_line="line" in options,
    )
    return target.getvalue()


def test_several_devices_and_single_lines_answer_the_same(translator: Translator, digits_run: Path) -> None:
    expected = answers([translator])
    assert answers([translator], line=True) == expected
    assert answers([translator, seq2seq.load(digits_run, device="cpu")], line=True) == expected


def test_demands_come_line_by_line(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("9\n\n\n12\n\n\n")
    (tmp_path / "r").write_text("5\n\n1\t2\n\n77\n\n")
    constraint_files = ConstraintFiles(prefixes=tmp_path / "p", required=tmp_path / "r", blocked=["3"])
    outputs = answers([translator], constraint_files).decode().split("\n")
    assert outputs[0].startswith("9")
    assert "5" in outputs[0]
    assert outputs[1] == ""
    assert outputs[3].startswith("12")
    assert "77" in outputs[4]
    assert not any(contains(output, "3") for output in outputs)
    (tmp_path / "p").write_text("9\n")
    with pytest.raises(CorpusError, match="ends after line 1"):
        answers([translator], constraint_files)


def test_demands_beyond_the_last_line_are_refused_when_all_is_answered(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, others in (("--prefix", "9\n\n\n"), ("--require", "\n\n5\n")):
        (tmp_path / "constraints").write_text(others)
        (tmp_path / "src").write_text("12\n34\n")
        files = ["--src", str(tmp_path / "src"), option, str(tmp_path / "constraints")]
        assert main(["translate", "--model", str(digits_run), *files]) == 2
        captured = capsys.readouterr()
        assert captured.out.count("\n") == 2
        assert "constraints goes on after line 2" in captured.err


def test_processes_share_a_file_and_keep_its_order(translator: Translator, digits_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"".join(b"%d\n" % (number * 7919) for number in range(40)))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m", "seq2seq"]
    line = ["translate", "--model", str(digits_run), "--beam", "1", "--threads", "1", "--stream", "--src", str(source)]
    result = subprocess.run([*torchrun, *line], capture_output=True, check=True, timeout=300)
    target = io.BytesIO()
    output_format = OutputFormat(options=replace(translator.config.decoding, beam=1))
    with source.open("rb") as stream:
        translate_stream([translator], stream, target, output_format)
    assert result.stdout == target.getvalue()
