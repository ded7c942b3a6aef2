"""A translation without torch gives what one with torch gives, or leaves it to torch."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

import seq2seq
from seq2seq.cli import main
from seq2seq.config import Config, DecodingConfig
from seq2seq.decoding.quick import QuickTranslator, keep_graphs
from seq2seq.decoding.translator import Translator
from seq2seq.engines.kept import KeptGraphs
from seq2seq.files.manifest import stage_file
from seq2seq.model.build import build_model
from seq2seq.runs.folder import create_run, load_run, save_model, unique_tensors
from seq2seq.runs.layout import MODEL

LINES = b"123\n\n9\n\xff 7\n \xe2\x80\x8b \n8675309\n" + b"12345 " * 60 + b"\n1\r\n42"
MODELS = [
    {},
    {"encoder": "bidirectional", "attention": "general", "bridge": "project"},
    {"attention": "additive", "bridge": "mean", "decoder_cell": "gru", "input_feeding": True},
    {"attention": "dot", "bridge": "every-step", "residual_from": 2},
]

Translate = Callable[..., "tuple[str, str]"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "lines").write_bytes(LINES)


def command(run: Path, tmp_path: Path) -> list[str]:
    return ["translate", "--model", str(run), "--device", "cpu", "--src", str(tmp_path / "lines")]


@pytest.fixture
def translate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Translate:
    """What the command says on stdout and stderr; with ``torch=False`` torch's way is barred."""

    def call(run: Path, *options: str, torch: bool = True) -> tuple[str, str]:
        with monkeypatch.context() as patch:
            if not torch:
                patch.delattr(Translator, "load")
            assert main([*command(run, tmp_path), *options]) == 0
        said = capsys.readouterr()
        return said.out, said.err

    return call


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "seq2seq" / "graphs").iterdir())


def find(run: Path, options: DecodingConfig) -> QuickTranslator | None:
    graphs = KeptGraphs.of(run, "fp32")
    return graphs and QuickTranslator.find(graphs, lambda _: options, threads=1)


def random_run(like: Path, folder: Path, **settings: object) -> Path:
    """A run with the vocabulary of another and a random model that has much to say."""
    first = load_run(like)
    config = replace(first.config, model=replace(first.config.model, hidden_size=24, **settings))
    model = build_model(config.model, len(first.vocabularies.src), len(first.vocabularies.tgt))
    for parameter in model.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    create_run(folder, config, first.vocabularies)
    save_model(folder, unique_tensors(model), {"corpus": first.manifest["corpus"]})
    return folder


def test_the_second_translation_never_imports_torch(digits_run: Path, tmp_path: Path, translate: Translate) -> None:
    """With all that goes on around it: warnings, limits, the end of the input."""
    expected = translate(digits_run)
    arguments = command(digits_run, tmp_path)
    script = f"import sys, seq2seq.cli as c; code = c.main({arguments!r}); sys.exit(code or 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.stdout.decode(), done.stderr.decode()) == expected
    assert done.returncode == 0


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("settings", MODELS, ids=str)
def test_both_ways_give_the_same_bytes(
    settings: dict[str, object], precision: str, digits_run: Path, tmp_path: Path, translate: Translate
) -> None:
    run = random_run(digits_run, tmp_path / "run", **settings)
    for options in (
        ["--beam", "1", "--max-ratio", "2"],
        ["--beam", "4", "--length-penalty", "0.3", "--min-length", "3"],
    ):
        expected = translate(run, "--precision", precision, *options)
        assert translate(run, "--precision", precision, *options, torch=False) == expected
        assert len(set(expected[0].splitlines())) > 4


def test_whatever_is_set_it_declines_or_gives_the_same(digits_run: Path, translate: Translate) -> None:
    """Also settings that there are not yet."""
    translate(digits_run, "--beam", "1")
    translate(digits_run, "--beam", "4")
    translator = seq2seq.load(digits_run, device="cpu")
    values = {
        "beam": 1, "normalisation": "average", "diverse_groups": 2, "sample": True, "combination": "log-linear",
        "batch_tokens": 30, "mbr": 3, "no_repeat_ngram": 1, "min_length": 8, "max_length": 2, "seed": 2,
        "min_ratio": 3.0, "max_ratio": 0.6, "length_penalty": 0.1,
    }  # fmt: skip
    sentences, taken = ["123", "9", "8675309"], set()
    for name in values:
        options = replace(DecodingConfig(), beam=4) if name != "beam" else DecodingConfig()
        options = replace(options, **{name: values[name]})
        quick = find(digits_run, options)
        if quick:
            assert quick.best(sentences, options) == translator.best(sentences, options)
            taken.add(name)
    assert values.keys() - taken == {"diverse_groups", "sample", "mbr", "no_repeat_ngram"}
    unknown = {one.name for one in fields(DecodingConfig)} - values.keys()
    assert unknown == {
        "coverage_penalty", "diversity", "temperature", "top_k", "top_p", "replace_unknown"
    }, "a new setting: give it a value above"  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        ["--engine", "torch"],
        ["--precision", "bf16"],
        ["--nbest", "2"],
        ["--block", "1"],
        ["--sample"],
        ["--devices", "cpu", "cpu"],
        ["--beam", "65"],
        ["--model", "RUN", "RUN"],
    ],
    ids=lambda options: options[0],
)
def test_what_needs_torch_gets_it(
    options: list[str], digits_run: Path, translate: Translate, monkeypatch: pytest.MonkeyPatch
) -> None:
    translate(digits_run)
    monkeypatch.delattr(QuickTranslator, "_search")
    translate(digits_run, *(str(digits_run) if option == "RUN" else option for option in options))


@pytest.mark.parametrize(
    "damage", [lambda graph: graph[:-1], lambda graph: graph[:99] + b"?" + graph[100:], lambda _: b""]
)
def test_a_damaged_graph_is_no_answer_and_is_mended(
    damage: Callable[[bytes], bytes], digits_run: Path, tmp_path: Path, translate: Translate
) -> None:
    expected = translate(digits_run)
    for path in kept(tmp_path):
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        assert translate(digits_run) == expected
        assert path.read_bytes() == whole


def test_other_weights_have_other_graphs(digits_run: Path, tmp_path: Path, translate: Translate) -> None:
    run = random_run(digits_run, tmp_path / "run")
    before = translate(run)
    translate(run, torch=False)
    random_run(digits_run, run)
    assert translate(run) != before
    assert translate(run, torch=False) != before


def test_a_run_that_is_being_trained_has_none(digits_run: Path, tmp_path: Path, translate: Translate) -> None:
    """Its manifest holds for two models."""
    run = random_run(digits_run, tmp_path / "run")
    translate(run)
    (tmp_path / "next").write_bytes((random_run(digits_run, tmp_path / "other") / MODEL).read_bytes())
    stage_file(tmp_path / "next", run / MODEL)
    count = len(kept(tmp_path))
    assert find(run, DecodingConfig()) is None
    translate(run)
    assert len(kept(tmp_path)) == count


def test_what_was_loaded_before_the_run_changed_is_not_kept(digits_run: Path, tmp_path: Path) -> None:
    run = random_run(digits_run, tmp_path / "run")
    graphs, translator = KeptGraphs.of(run, "fp32"), Translator.load(run, device="cpu")
    assert graphs
    random_run(digits_run, run)
    keep_graphs(graphs, translator, translator.config.decoding)
    assert not (tmp_path / "cache").exists()


def test_a_run_that_changes_while_it_is_read_is_left_to_torch(
    digits_run: Path, tmp_path: Path, translate: Translate
) -> None:
    run = random_run(digits_run, tmp_path / "run")
    translate(run)
    graphs = KeptGraphs.of(run, "fp32")
    assert graphs

    def change(config: Config) -> DecodingConfig:
        random_run(digits_run, run)
        return config.decoding

    assert QuickTranslator.find(graphs, lambda config: config.decoding, threads=1)
    assert QuickTranslator.find(graphs, change, threads=1) is None


def test_without_a_place_for_graphs_all_is_as_ever(
    digits_run: Path, tmp_path: Path, translate: Translate, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = translate(digits_run)
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    assert translate(digits_run) == expected == translate(digits_run)


def test_a_damaged_run_is_refused_as_ever(
    digits_run: Path, tmp_path: Path, translate: Translate, capsys: pytest.CaptureFixture[str]
) -> None:
    run = random_run(digits_run, tmp_path / "run")
    translate(run)
    weights = bytearray((run / MODEL).read_bytes())
    weights[-1] ^= 1
    (run / MODEL).write_bytes(weights)
    assert main(command(run, tmp_path)) == 2
    assert "its SHA-256 is not the one" in capsys.readouterr().err
