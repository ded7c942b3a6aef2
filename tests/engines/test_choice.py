"""Which engine runs a model, and that whole searches do not depend on it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import seq2seq
from seq2seq.cli import main
from seq2seq.config import ModelConfig
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.engines.choice import pick_engine
from seq2seq.engines.onnx_engine import OnnxEngine
from seq2seq.errors import ConfigError
from seq2seq.model.build import build_model

SOURCES = ["123", "9", "55555", "8675309", "", "42", "31415926"]


def make(**settings: object) -> torch.nn.Module:
    return build_model(ModelConfig(hidden_size=8, embedding_size=8, layers=1, dropout=0.0, **settings), 20, 20).eval()


@pytest.mark.parametrize(
    ("name", "precision", "cell", "found"),
    [
        ("auto", "fp32", "lstm", OnnxEngine),
        ("auto", "int8", "lstm", OnnxEngine),
        ("auto", "bf16", "lstm", None),
        ("auto", "int8", "peephole", None),
        ("torch", "int8", "lstm", None),
        ("onnx", "fp32", "lstm", OnnxEngine),
    ],
)
def test_the_choice(name: str, precision: str, cell: str, found: type | None) -> None:
    engine = pick_engine(name, make(cell=cell), DeviceSpec.pick("cpu", precision))
    assert (engine and type(engine)) is found


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="no engine 'tensorrt': expected auto, torch, onnx"):
        pick_engine("tensorrt", make(), DeviceSpec.pick("cpu", "fp32"))
    with pytest.raises(ConfigError, match=r"fp32 or int8 on a CPU, found bf16 on cpu: use --engine torch"):
        pick_engine("onnx", make(), DeviceSpec.pick("cpu", "bf16"))


def test_a_model_that_onnx_has_no_operators_for_falls_back_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert pick_engine("onnx", make(cell="layernorm"), DeviceSpec.pick("cpu", "fp32")) is None
    assert "torch runs the model" in capsys.readouterr().err


@pytest.fixture(scope="module")
def engines(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Translator, Translator]:
    """The same ensemble of two on both engines."""
    by_torch, by_onnx = (
        seq2seq.load([digits_run, digits_run], device="cpu", engine=name) for name in ("torch", "onnx")
    )
    assert by_torch.members[0].engine is None
    assert by_onnx.members[1].engine is not None
    return by_torch, by_onnx


@pytest.mark.parametrize(
    "settings",
    [
        {"beam": 1},
        {"beam": 5},
        {"beam": 4, "diverse_groups": 2, "diversity": 0.5},
        {"sample": True, "top_k": 5},
        {"beam": 3, "combination": "log-linear", "no_repeat_ngram": 2, "min_length": 3},
        {"beam": 4, "mbr": 4},
    ],
    ids=str,
)
def test_searches_find_the_same_on_both(engines: tuple[Translator, Translator], settings: dict[str, object]) -> None:
    options = replace(engines[0].config.decoding, **settings)
    one, two = (translator.translate(SOURCES, options) for translator in engines)
    assert [output.text for output in one] == [output.text for output in two]
    assert [output.score for output in one] == pytest.approx([output.score for output in two], abs=1e-4)


def test_constraints_hold_on_both(engines: tuple[Translator, Translator]) -> None:
    constraints = Constraints(prefixes=["9"] * len(SOURCES), required=[["55"]] * len(SOURCES), blocked=["1"])
    one, two = (translator.translate(SOURCES, constraints=constraints) for translator in engines)
    assert [output.text for output in one] == [output.text for output in two]
    assert all("55" in output.text for output in two if output.text)


def test_scores_of_search_are_those_that_torch_gives_the_same_outputs(digits_run: Path) -> None:
    translator = seq2seq.load(digits_run, device="cpu", engine="onnx")
    outputs = [output for output in translator.translate(SOURCES) if output.text]
    from seq2seq.decoding.scoring import log_probs

    totals = log_probs(translator, [source for source in SOURCES if source], [one.ids for one in outputs])
    assert totals == pytest.approx([one.log_prob for one in outputs], abs=1e-4)


def test_models_in_training_run_in_torch(digits_run: Path) -> None:
    translator = seq2seq.load(digits_run, device="cpu")
    assert translator.members[0].engine is not None
    assert translator.snapshot().members[0].engine is None


def test_the_command_refuses_in_one_line(
    digits_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["translate", "--model", str(digits_run), "--engine", "onnx", "--precision", "bf16", "--device", "cpu"]
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("seq2seq: engine onnx computes in fp32 or int8")
