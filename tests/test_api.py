"""The package as a program imports it: ``import seq2seq``."""

import doctest
import importlib
import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import seq2seq
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.scoring import log_probs
from seq2seq.decoding.trained_model import TrainedModel
from seq2seq.errors import ConfigError, RunError, Seq2SeqError
from seq2seq.model.build import build_model
from seq2seq.runs.folder import create_run, load_run, save_model, unique_tensors

FUNCTIONS = sorted(name for name in seq2seq.__all__ if inspect.isfunction(getattr(seq2seq, name)))


@pytest.fixture(scope="module")
def attentive_run(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same vocabulary and an untrained model with attention."""
    first, folder = load_run(digits_run), tmp_path_factory.mktemp("attentive") / "run"
    config = replace(first.config, model=replace(first.config.model, attention="dot"))
    model = build_model(config.model, len(first.vocabularies.src), len(first.vocabularies.tgt))
    create_run(folder, config, first.vocabularies)
    save_model(folder, unique_tensors(model), {"corpus": first.manifest["corpus"]})
    return folder


@pytest.fixture(scope="module")
def model(digits_run: Path) -> TrainedModel:
    return seq2seq.load(digits_run, device="cpu")


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import sys, seq2seq; print([name for name in sys.modules if name in ('torch', 'datasets', 'numpy')])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"[]\n"


def test_every_public_name_is_there_whatever_was_imported_before() -> None:
    script = (
        "import seq2seq.cli, seq2seq.onnx.export as _\n"
        "for name in seq2seq.__all__:\n"
        "    if callable(getattr(seq2seq, name)): print(name)"
    )
    listed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.decode()
    assert listed.split() == [name for name in dir(seq2seq) if name != "__version__"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_what_it_takes_and_what_it_raises(name: str) -> None:
    function = getattr(seq2seq, name)
    text = inspect.getdoc(function)
    parameters = set(inspect.signature(function).parameters)
    assert "Raises:" in text
    assert all(f"\n    {parameter}: " in text for parameter in parameters)


@pytest.mark.parametrize("name", ["load", "new", "pack", "TrainedModel"])
def test_the_examples_are_true(name: str, digits_run: Path, attentive_run: Path, tmp_path: Path) -> None:
    thing = getattr(seq2seq, name)
    names = {
        "seq2seq": seq2seq,
        "run": digits_run,
        "folder": tmp_path,
        "model": seq2seq.load(digits_run, device="cpu"),
        "attentive": seq2seq.load(attentive_run, device="cpu"),
    }
    runner = doctest.DocTestRunner()
    tests = doctest.DocTestFinder().find(thing, name, globs=names, module=importlib.import_module(thing.__module__))
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > 0


def test_one_in_one_out_and_a_list_for_a_list(model: TrainedModel) -> None:
    several = model.translate(["123", "", "45"], beam=4)
    assert [one.text for one in several] == [model.translate(source, beam=4).text for source in ("123", "", "45")]
    lists = model.translate(["123", "45"], beam=4, nbest=3)
    assert [[one.text for one in found] for found in lists] == [
        [one.text for one in model.translate(source, beam=4, nbest=3)] for source in ("123", "45")
    ]
    assert model.translate([]) == []


def test_settings_by_name_are_those_of_the_command_line(model: TrainedModel) -> None:
    options = replace(model.config.decoding, beam=1, min_length=7)
    assert model.translate(["123", "9"], beam=1, min_length=7) == model.best(["123", "9"], options)
    assert model.translate("123", options) == model.translate("123", beam=1, min_length=7)
    assert len(model.translate("123", beam=1, min_length=7).ids) >= 7
    blocked = model.translate("123", constraints=Constraints(blocked=["3"]))
    assert "3" not in blocked.text.split()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"beams": 3}, "unknown key decoding.beams (did you mean beam?)"),
        ({"beam": "3"}, 'decoding.beam = "3" must be a whole number'),
        ({"beam": 0}, "decoding.beam = 0 must be at least 1"),
        ({"temperature": 0.5}, "add --sample"),
        ({"beam": 2, "nbest": 3}, "nbest = 3 is more than beam = 2"),
        ({"nbest": 0}, "nbest = 0: expected at least 1"),
        ({"alignments": True}, "this needs attention"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], said: str, model: TrainedModel) -> None:
    with pytest.raises(Seq2SeqError) as caught:
        model.translate("123", **settings)
    assert said in str(caught.value)


@pytest.mark.parametrize(("given", "found"), [(None, "NoneType"), (b"12", "int"), (["12", 3], "int")])
def test_what_is_no_text_is_refused(given: Any, found: str, model: TrainedModel) -> None:
    for method in (model.translate, model.encode):
        with pytest.raises(Seq2SeqError, match=f"expected a text or a list of texts, found {found}"):
            method(given)


def test_a_recipe_may_be_named_by_a_path(tmp_path: Path) -> None:
    with pytest.raises(Seq2SeqError, match="no recipe or file named"):
        seq2seq.train(tmp_path / "none.toml", run=tmp_path / "run")
    (tmp_path / "mine.toml").write_text('data.format = "digits"\ndata.path = "reverse"\ndata.train = "300"\n')
    prepared = seq2seq.prepare(tmp_path / "mine.toml", overrides=[f"data.directory={tmp_path}"])
    assert 200 < prepared.report["kept"] < 300


def test_programs_that_use_it_can_be_checked() -> None:
    assert (Path(seq2seq.__file__).parent / "py.typed").is_file()


def test_what_a_model_does_not_read_is_refused(model: TrainedModel) -> None:
    with pytest.raises(Seq2SeqError, match="this model reads text: use its method translate"):
        model.caption("picture.png")
    for targets in (["1"], "1"):
        with pytest.raises(Seq2SeqError, match="as many targets as sources"):
            model.score(["1", "2"], targets)
    with pytest.raises(ConfigError, match="this needs attention"):
        model.align("123", "321")
    with pytest.raises(RunError, match="expected a run to load, found an empty list"):
        seq2seq.load([])


def test_scores_are_the_models_log_probabilities(model: TrainedModel) -> None:
    scores = model.score(["123", "45", ""], ["321", "9", "x"])
    tgt = model.vocabularies.tgt
    expected = log_probs(model, ["123", "45"], [tgt.encode("321"), tgt.encode("9")])
    assert [one.log_prob for one in scores[:2]] == pytest.approx(expected)
    assert scores[2].log_prob == float("-inf")
    assert scores[0].tokens[-1] == "</s>"
    assert len(scores[0].tokens) == len(scores[0].log_probs)


def test_alignments_come_with_the_outputs(attentive_run: Path) -> None:
    attentive = seq2seq.load(attentive_run, device="cpu")
    outputs = attentive.translate(["1 2 3", "", "45"], alignments=True)
    assert [output.alignment for output in outputs] == attentive.align(
        ["1 2 3", "", "45"], [output.text for output in outputs]
    )
    assert outputs[1].alignment == ()
    assert {link.tgt for link in outputs[0].alignment} == set(range(len(outputs[0].text.split())))
