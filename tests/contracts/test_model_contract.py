"""What every model must keep, over all the settings there are."""

from collections.abc import Callable

import pytest
import torch

from seq2seq.corpus.batching import collate
from seq2seq.model.run_folder import load_tensors, restore_weights, save_tensors, untied_weights
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.training.objective import cross_entropy

SOURCES = [[5, 6, 7, 8, 9], [4], [10, 11, 12]]
TARGETS = [[5, 6], [7, 8, 9, 10], []]

SETTINGS = [
    {"layers": layers, "bridge": bridge, "tie_embeddings": tie, "residual_from": residual}
    for layers in (1, 3)
    for bridge in ("copy", "project")
    for tie in ("none", "target", "all")
    for residual in (0, 2)
] + [
    {"layers": 2, "hidden_size": (8, 12), "tie_embeddings": "target"},
    {"layers": 2, "hidden_size": (8, 12), "decoder_layers": 1, "decoder_hidden_size": 6, "bridge": "project"},
    {"initialisation": "uniform"},
]


@pytest.fixture(params=SETTINGS, ids=lambda settings: " ".join(map(str, settings.values())))
def model(request: pytest.FixtureRequest, tiny_model: Callable[..., Seq2Seq]) -> Seq2Seq:
    return tiny_model(**request.param)


def test_forward_equals_repeated_step(model: Seq2Seq) -> None:
    batch = collate(SOURCES, TARGETS, reverse=True)
    logits = model.decoder.output(model(batch))
    _, state = model.encode(batch)
    for time in range(batch.tgt_in.shape[1]):
        step, state = model.decoder.step(batch.tgt_in[:, time], state)
        torch.testing.assert_close(step, logits[:, time])


def test_a_sentence_does_not_notice_its_batch(model: Seq2Seq) -> None:
    together = model(collate(SOURCES, TARGETS, reverse=True))
    for row, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        alone = model(collate([source], [target], reverse=True))
        torch.testing.assert_close(together[row : row + 1, : alone.shape[1]], alone)


def test_gradients_reach_every_parameter(model: Seq2Seq) -> None:
    batch = collate(SOURCES, TARGETS, reverse=True)
    cross_entropy(model(batch), model.decoder.output, batch.tgt_out, smoothing=0.1).smoothed.backward()
    assert [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ] == []


def test_saved_weights_give_the_same_outputs(
    model: Seq2Seq, tiny_model: Callable[..., Seq2Seq], request: pytest.FixtureRequest, tmp_path
) -> None:
    batch = collate(SOURCES, TARGETS, reverse=True)
    expected = model.decoder.output(model(batch))
    save_tensors(tmp_path / "w.safetensors", untied_weights(model))
    with torch.device("meta"):
        other = tiny_model(**request.node.callspec.params["model"])
    restore_weights(other, load_tensors(tmp_path / "w.safetensors"), tmp_path)
    assert torch.equal(other.decoder.output(other(batch)), expected)
    # Tied tables are still one table.
    assert len(list(other.parameters())) == len(list(model.parameters()))


def test_shapes(model: Seq2Seq) -> None:
    batch = collate(SOURCES, TARGETS, reverse=True)
    encoded, state = model.encode(batch)
    assert encoded.memory.shape == (3, 6, model.encoder.output_size)
    assert encoded.mask.sum(1).tolist() == [6, 2, 4]
    assert len(state.hidden) == len(state.cell) == len(model.decoder.stack.layers)
    assert model.decoder.output(model(batch)).shape == (3, 5, 20)
