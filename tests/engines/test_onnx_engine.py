"""onnxruntime computes what torch computes, for every model that it can run."""

import numpy as np
import pytest
import torch

import seq2seq
from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import Batch, collate, collate_images
from seq2seq.engines import onnx_graph, onnx_session, onnx_start
from seq2seq.engines.engine import TorchEngine
from seq2seq.engines.onnx_engine import OnnxEngine
from seq2seq.engines.onnx_graph import Graph
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq

# Lengths that differ, and in an order that is neither.
SOURCES = [[5, 6, 7, 8, 9], [4], [10, 11, 12, 13]]
VOCAB = 20

MODELS = [
    *({"cell": cell, "attention": attention, "encoder": "bidirectional", "layers": 3, "residual_from": 2}
      for cell in ("lstm", "gru", "rnn") for attention in ("none", "dot", "general", "additive")),
    *({"encoder": encoder, "bridge": bridge, "attention": attention}
      for encoder in ("stacked", "convolutional") for bridge in ("copy", "project", "mean", "every-step", "first-input")
      for attention in ("none", "general")),
    {"encoder": "bidirectional", "bidirectional_layers": "first", "attention": "general", "layers": 3},
    {"cell": "rnn", "nonlinearity": "relu", "layers": 1},
    {"cell": "peephole", "decoder_cell": "gru", "bridge": "project"},
    {"hidden_size": (8, 12), "decoder_layers": 1, "decoder_hidden_size": 6, "bridge": "mean", "attention": "additive"},
    {"hidden_size": (8, 12), "tie_embeddings": "target"},
    {"tie_embeddings": "all", "residual_from": 1, "hidden_size": 8},
    {"residual_from": 1, "hidden_size": 8, "bridge": "mean"},
    *({"input_feeding": True, "attention": "general", "layers": layers, "bridge": "every-step"} for layers in (1, 2)),
    {"encoder": "image", "bridge": "first-input", "attention": "none", "tie_embeddings": "target"},
    {"encoder": "image", "bridge": "mean", "attention": "additive", "tie_embeddings": "target"},
]  # fmt: skip


def make(**settings: object) -> Seq2Seq:
    defaults = {"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0}
    model = build_model(ModelConfig(**(defaults | settings)), VOCAB, VOCAB).eval()
    for parameter in model.parameters():
        # Biases start at zero and weights small: then much could be forgotten without a trace.
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def read(settings: dict[str, object]) -> Batch:
    if settings.get("encoder") == "image":
        return collate_images(torch.randn(3, 49, 1280))
    return collate(SOURCES, reverse=True)


def gaps(model: Seq2Seq, engine: OnnxEngine, batch: Batch) -> list[float]:
    """Largest differences to torch, relative to the scores, in some steps.

    Between steps rows change places, and a sentence leaves.
    """
    torch_engine, found = TorchEngine(model), []
    with torch.inference_mode():
        states = torch_engine.encode(batch), engine.encode(batch)
        rows, token = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([4, 5, 6, 7, 8, 9])
        states = tuple(state.select(rows) for state in states)
        for leaves in (False, True, False):
            (expected, first), (scores, second) = (
                one.step(token, state) for one, state in zip((torch_engine, engine), states, strict=True)
            )
            found.append(float((expected - scores).abs().max() / expected.abs().max().clamp(min=1)))
            if leaves:
                rows, sources, token = torch.tensor([1, 0, 5, 4]), torch.tensor([0, 2]), token[:4]
                first, second = first.select(rows, sources), second.select(rows, sources)
            assert first.is_loose == second.is_loose
            states = first, second
    return found


@pytest.mark.parametrize("settings", MODELS, ids=str)
def test_steps_equal_those_of_torch(settings: dict[str, object]) -> None:
    model = make(**settings)
    assert max(gaps(model, OnnxEngine(model, int8=False), read(settings))) < 1e-5


@pytest.mark.parametrize("settings", [MODELS[0], MODELS[2], MODELS[6]], ids=str)
def test_eight_bits_are_near_and_are_eight_bits(settings: dict[str, object]) -> None:
    model = make(**settings, hidden_size=64)
    batch = read(settings)
    gap = max(gaps(model, OnnxEngine(model, int8=True), batch))
    assert 1e-4 < gap < 0.5, gap


def test_the_encoder_of_lstm_layers_is_in_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(encoder="bidirectional")
    engine = OnnxEngine(model, int8=False)
    batch = collate(SOURCES, reverse=True)
    with torch.inference_mode():
        expected = TorchEngine(model).encode(batch)
        monkeypatch.delattr(type(model.encoder), "forward")  # torch's own encoder is not asked
        state = engine.encode(batch)
    hidden = torch.cat([*expected.layers.hidden, *expected.layers.cell], dim=1)
    torch.testing.assert_close(torch.from_numpy(np.array(state.packed)), hidden)
    for other in (make(cell="gru"), make(bridge="first-input")):
        assert not onnx_start.can_write(other.encoder, other.decoder)


def test_weights_get_seven_bits_where_sums_of_eight_would_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, weight = np.random.default_rng(0).normal(size=(3, 16)).astype("f4"), torch.randn(5, 16)
    errors = []
    for vnni in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda vnni=vnni: vnni)
        assert onnx_graph._levels() == (127 if vnni else 63)
        graph = Graph(int8=True)
        session = onnx_session.open_session(graph.file([graph.linear(graph.input("inputs", "R", 16), weight)]), 1)
        (outputs,) = session.run(None, {"inputs": inputs})
        errors.append(abs(outputs - inputs @ weight.numpy().T).max())
    assert 0 < errors[0] < errors[1] < 0.2


def test_a_session_has_as_many_threads_as_torch_and_they_do_not_spin(digits_run) -> None:
    translator = seq2seq.load(digits_run, device="cpu", engine="onnx")
    options = translator.members[0].engine.graphs.session("step").get_session_options()
    assert options.intra_op_num_threads == torch.get_num_threads()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_lack_of_memory_is_one() -> None:
    """So that searches go on with smaller batches, as they do in torch."""

    class Session:
        def run(self, outputs: None, feeds: dict[str, np.ndarray]) -> None:
            raise Exception(feeds["reason"])

    with pytest.raises(MemoryError, match="buffer of size 9"):
        onnx_session.run(Session(), {"reason": "BFCArena Failed to allocate memory for requested buffer of size 9\n"})
    with pytest.raises(Exception, match="Invalid rank") as caught:
        onnx_session.run(Session(), {"reason": "Invalid rank for input"})
    assert not isinstance(caught.value, MemoryError)
