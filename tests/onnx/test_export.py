"""Exported models in onnxruntime, against torch."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
import torch

from seq2seq.cli import main
from seq2seq.config import Config, ModelConfig, SubwordConfig, TrainingConfig
from seq2seq.corpus.batching import collate, collate_images
from seq2seq.corpus.subword import Subword, Vocabularies
from seq2seq.decoding.translator import Translator
from seq2seq.engines.engine import TorchEngine
from seq2seq.errors import Seq2SeqError
from seq2seq.model.build import build_model
from seq2seq.onnx import graphs
from seq2seq.onnx.export import export
from seq2seq.onnx.graphs import is_recurrent, state_to_tensors, with_end_marks
from seq2seq.onnx.onnx_files import write_graphs
from seq2seq.onnx.verify import OnnxSession, largest_difference
from seq2seq.runs.folder import create_run, load_run, save_model, unique_tensors
from seq2seq.search.beam import beam_search
from seq2seq.search.problem import SearchProblem
from seq2seq.search.rules import Banned, Rules

SENTENCES = ["a bad cab", "dab", "a cab faced a bead", "beef"]

# Between them and the run of digits (LSTM, stacked, copied, no attention) every cell, encoder, bridge and attention.
MODELS: list[dict[str, object]] = [
    {
        **{"cell": "gru", "encoder": "bidirectional", "bridge": "project", "attention": "additive"},
        **{"layers": 1, "decoder_cell": "lstm"},
    },
    {
        **{"cell": "rnn", "nonlinearity": "relu", "encoder": "convolutional", "pool": 2, "filter_width": 3},
        **{"bridge": "first-input", "attention": "dot", "input_feeding": True, "layers": 1},
    },
    {
        **{"cell": "peephole", "encoder": "bidirectional"},
        **{"layers": 1, "bridge": "every-step", "reverse_source": False, "zoneout": 0.2},
    },
    {"cell": "layernorm", "bridge": "mean", "attention": "general", "layers": 1, "dropout": 0.3},
]


def make_run(folder: Path, settings: dict[str, object]) -> Path:
    """A run as training leaves it, with weights drawn at random."""
    subword = Subword.train(SENTENCES, SubwordConfig(type="char", byte_fallback=False), vocab_size=20)
    defaults = {"layers": 2, "hidden_size": 12, "embedding_size": 12, "tie_embeddings": "none", "dropout": 0.0}
    model_config = ModelConfig(**(defaults | settings))
    config = Config(
        model=model_config,
        subword=SubwordConfig(type="char", joint=True, byte_fallback=False),
        training=TrainingConfig(max_updates=1),
    )
    create_run(folder, config, Vocabularies(subword, subword))
    model = build_model(model_config, len(subword), len(subword))
    save_model(folder, unique_tensors(model), {"corpus": {"target lengths": [[4, 12], [30, 40]]}})
    return folder


def load_script(folder: Path) -> ModuleType:
    """The exported ``translate.py``, as if another program imported it."""
    spec = importlib.util.spec_from_file_location("exported_translate", folder / "translate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The smallest model is always exported; the others, 3 to 5 seconds each, are slow tests.
PARAMS = [
    pytest.param({"layers": 1}, id="smallest"),
    *(pytest.param(s, id=s.get("cell", "digits"), marks=pytest.mark.slow) for s in [{}, *MODELS]),
]


@pytest.fixture(scope="module", params=PARAMS)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, digits_run: Path
) -> tuple[Path, Path]:
    """A run and what was exported of it."""
    torch.manual_seed(20140910)
    folder = tmp_path_factory.mktemp("an export")
    run = make_run(folder / "run", request.param) if request.param else digits_run
    return run, export(run, folder / "out")


def batches(vocab: int) -> Iterator[list[list[int]]]:
    """Sources unlike the exporter's example in number and length; one batch without padding, the others with it."""
    chance = np.random.default_rng(1)
    for lengths in ((1,), (8,), (3, 3), (2, 19, 1, 18, 5, 6), (40, 1)):
        yield [chance.integers(4, vocab, length).tolist() for length in lengths]


def close(output: np.ndarray, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(output.astype(np.float64), expected.double().numpy(), rtol=1e-5, atol=1e-5)


def test_the_graphs_compute_what_torch_computes(exported: tuple[Path, Path]) -> None:
    run, out = exported
    loaded, model = load_run(run), load_script(out).ExportedModel(out)
    chance = torch.Generator().manual_seed(1)
    for sources in batches(len(loaded.vocabularies.src)):
        batch = collate(sources, reverse=loaded.config.model.reverse_source)
        with torch.inference_mode():
            network = loaded.model.eval()
            state, onnx_state = network.decoder.read_first_input(network.encode(batch)[1]), model.start(sources)
            assert onnx_state.keys() == state_to_tensors(state).keys()
            for _ in range(5):
                token = torch.randint(len(loaded.vocabularies.tgt), (len(onnx_state["hidden_0"]),), generator=chance)
                logits, state = network.decoder.step(token, state)
                log_probs, onnx_state = model.advance(token.numpy(), onnx_state)
                close(log_probs, logits.log_softmax(-1))
                for name, tensor in state_to_tensors(state).items():
                    if is_recurrent(name):
                        close(onnx_state[name], tensor)
                # As in beam search, rows are reordered, repeated and dropped.
                rows = torch.randint(len(token), (len(token) + 1,), generator=chance)
                state = state.select(rows, sources=rows)
                onnx_state = {name: tensor[rows.numpy()] for name, tensor in onnx_state.items()}


def test_greedy_translations_equal_those_of_seq2seq(exported: tuple[Path, Path]) -> None:
    run, out = exported
    loaded, model = load_run(run), load_script(out).ExportedModel(out)
    seen = set()
    for sources in batches(len(loaded.vocabularies.src)):
        batch = collate(sources, reverse=loaded.config.model.reverse_source)
        limits = torch.tensor([loaded.target_lengths.most(len(source)) for source in sources])
        with torch.inference_mode():
            _, state = loaded.model.eval().encode(batch)
            rules = Rules(eos=3, strikes=[Banned(torch.tensor([0, 1, 2]))], longest=limits)
            expected = beam_search(SearchProblem(TorchEngine(loaded.model).step, state, 2, rules), width=1)
        found = model.greedy(sources)
        assert found == [list(hypothesis.tokens) for (hypothesis,) in expected]
        seen |= {tuple(tokens) for tokens in found}
    assert len(seen) > 2  # else the sources would not have mattered


def test_the_folder_works_without_torch_and_seq2seq(exported: tuple[Path, Path]) -> None:
    run, out = exported
    lines = ["12345", "", "  9 8", "a bad\u2581cab", "\ufeff31"]
    program = "import runpy, sys; sys.modules['torch'] = sys.modules['seq2seq'] = None"
    program += "; runpy.run_path(sys.argv[1], run_name='__main__')"
    text = "\n".join(lines) + "\n"
    done = subprocess.run(
        [sys.executable, "-c", program, out / "translate.py"], input=text.encode(), capture_output=True, check=True
    )
    translator = Translator.load(run, device="cpu")
    greedy = replace(translator.config.decoding, beam=1)
    assert done.stdout.decode().split("\n")[:-1] == [output.text for output in translator.translate(lines, greedy)]
    assert done.stderr == b""


def test_the_folder_is_complete_and_contains_no_paths_of_this_machine(exported: tuple[Path, Path]) -> None:
    _, out = exported
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert {*manifest["files"], "manifest.json"} == {path.name for path in out.iterdir()}
    for path in out.glob("*.onnx"):
        for place in (Path(torch.__file__).parents[1], Path(__file__).parents[2]):
            assert str(place).encode() not in path.read_bytes()
    for key in ("encoder", "decoder_step"):
        session = onnxruntime.InferenceSession(out / manifest[key]["file"])
        for kind, ports in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            assert [port["name"] for port in manifest[key][kind]] == [port.name for port in ports]
            for port, onnx_port in zip(manifest[key][kind], ports, strict=True):
                # A free size has a name in both, a fixed one its number.
                assert [size if isinstance(size, int) else None for size in port["shape"]] == [
                    size if isinstance(size, int) else None for size in onnx_port.shape
                ]


def test_the_example_of_the_documentation_runs(exported: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run, out = exported
    sentences = ["12", "dab", "77"]
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    example = text.split("```python\n")[1].split("```")[0]
    loaded = load_run(run)
    for line, instead in (
        ('folder = "exported"', f"folder = {str(out)!r}"),
        (example.split("\n")[8], f"sentences = {sentences}"),
        ("subword.{side}.model", "subword.joint.model" if loaded.vocabularies.joint else "subword.{side}.model"),
    ):
        assert example.count(line) == 1
        example = example.replace(line, instead)
    exec(compile(example, "docs/export.md", "exec"), {})
    ids = [loaded.vocabularies.src.encode(sentence) for sentence in sentences]
    # The example stops all rows at the limit of the longest of all.
    longest = loaded.target_lengths.limits[-1][1]
    with torch.inference_mode():
        _, state = loaded.model.eval().encode(collate(ids, reverse=loaded.config.model.reverse_source))
        rules = Rules(eos=3, strikes=[Banned(torch.tensor([0, 1, 2]))], longest=torch.full((len(ids),), longest))
        found = beam_search(SearchProblem(TorchEngine(loaded.model).step, state, 2, rules), width=1)
    expected = [loaded.vocabularies.tgt.decode(hypothesis.tokens) for (hypothesis,) in found]
    assert capsys.readouterr().out.split("\n")[:-1] == expected


def test_sources_get_the_end_marks_of_batches() -> None:
    rows = [[5, 6, 7], [8], [9, 4]]
    src = torch.tensor([[5, 6, 7], [8, -1, 99], [9, 4, -5]])
    for back in (False, True):
        marked = with_end_marks(src, torch.tensor([3, 1, 2]), reverse_source=back)
        assert torch.equal(marked, collate(rows, reverse=back).src)


@pytest.mark.slow
def test_pictures(tmp_path: Path) -> None:
    config = ModelConfig(
        **{"encoder": "image", "bridge": "first-input", "attention": "general", "tie_embeddings": "target"},
        **{"layers": 1, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0},
    )
    model = build_model(config, 20, 20).eval()
    write_graphs(model, tmp_path, reverse_source=False)
    encoder, step = OnnxSession(tmp_path / "encoder.onnx"), OnnxSession(tmp_path / "decoder_step.onnx")
    for count in (1, 2):
        pixels, token = torch.rand(count, 3, 224, 224) * 2 - 1, torch.arange(count) + 4
        with torch.inference_mode():
            state = model.decoder.read_first_input(model.encode(collate_images(pixels))[1])
            logits, _ = model.decoder.step(token, state)
        start = encoder({"pixels": pixels.numpy()})
        assert start.keys() == state_to_tensors(state).keys()
        for name, tensor in state_to_tensors(state).items():
            close(start[name], tensor)
        close(step({"token": token.numpy(), **start})["log_probs"], logits.log_softmax(-1))


def test_a_frozen_length_is_refused(digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # torch's own cells, which its exporter writes out as many steps long as its example.
    monkeypatch.setattr(graphs, "for_onnx", lambda encoder: encoder)
    with pytest.raises(Seq2SeqError, match=r"cannot be exported: expected graphs for every batch and length") as caught:
        export(digits_run, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_files_that_compute_something_else_are_refused(exported: tuple[Path, Path]) -> None:
    run, out = exported
    loaded = load_run(run)
    with torch.no_grad():
        loaded.model.decoder.output.bias[5] += 0.01
    with pytest.raises(Seq2SeqError, match=r"do not compute what the model computes: expected log_probs for 1 sources"):
        largest_difference(loaded.model.eval(), out, reverse_source=loaded.config.model.reverse_source)


def test_mistakes_are_one_line(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "something").touch()

    def refused(model: Path | str, out: Path) -> str:
        assert main(["export", "--model", str(model), "--out", str(out)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    assert "no-such-run is not a folder" in refused("no-such-run", tmp_path / "out")
    assert "full: expected a new or empty folder, found files in it" in refused(digits_run, full)
    assert "something: expected a new or empty folder, found a file" in refused(digits_run, full / "something")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert "onnxscript cannot be imported" in refused(digits_run, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"full"}
