"""The decoder: what enters which step, and what each part adds, against the formulas written out."""

from collections.abc import Callable
from dataclasses import astuple, replace

import pytest
import torch
from torch import Tensor

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import Batch, collate
from seq2seq.model.build import build_model
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.seq2seq import Seq2Seq

BATCH = collate([[5, 6, 7], [8, 9]], [[10, 11], [12]], reverse=True)


def make(**settings: object) -> Seq2Seq:
    defaults = {"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0, "tie_embeddings": "none"}
    return build_model(ModelConfig(**(defaults | settings)), 20, 20).double().eval()


def test_attention_enters_the_upper_layer_and_the_output() -> None:
    """GNMT's arrangement: bottom layer → attention → upper layer and tanh(W [upper; context])."""
    model = make(attention="general")
    decoder = model.decoder
    encoded, state = model.encode(BATCH)
    bottom, _ = decoder.bottom.layers[0](decoder.embedding(BATCH.tgt_in), state.layers.layer(0))
    scores = bottom @ (encoded.memory @ decoder.attention.key.weight.T).mT
    weights = torch.softmax(scores.masked_fill(~encoded.mask.unsqueeze(1), -torch.inf), dim=-1)
    context = weights @ encoded.memory
    upper, _ = decoder.upper.layers[0](torch.cat([bottom, context], dim=-1), state.layers.layer(1))
    features = torch.tanh(torch.cat([upper, context], dim=-1) @ decoder.readout.map.weight.T)
    torch.testing.assert_close(decoder(BATCH.tgt_in, state), features)
    torch.testing.assert_close(decoder.align(BATCH.tgt_in, state), weights)


def test_the_source_vector_enters_every_step_and_output() -> None:
    """Cho et al. 2014: h_t = f(h_{t-1}, [y_{t-1}; s]), output from [h_t; s; y_{t-1}]."""
    model = make(bridge="every-step", layers=1)
    decoder = model.decoder
    _, state = model.encode(BATCH)
    embedded = decoder.embedding(BATCH.tgt_in)
    source_vector = state.source_vector.unsqueeze(1).expand(-1, embedded.shape[1], -1)
    outputs, _ = decoder.bottom.layers[0](torch.cat([embedded, source_vector], dim=-1), state.layers.layer(0))
    features = torch.tanh(torch.cat([outputs, source_vector, embedded], dim=-1) @ decoder.readout.map.weight.T)
    torch.testing.assert_close(decoder(BATCH.tgt_in, state), features)


def test_without_extras_a_readout_of_another_width_is_linear() -> None:
    model = make(tie_embeddings="target")
    _, state = model.encode(BATCH)
    bottom, upper = state.layers.split(1)
    outputs, _ = model.decoder.bottom(model.decoder.embedding(BATCH.tgt_in), bottom)
    outputs, _ = model.decoder.upper(outputs, upper)
    torch.testing.assert_close(model.decoder(BATCH.tgt_in, state), outputs @ model.decoder.readout.map.weight.T)


def test_without_attention_the_top_layer_is_read_as_it_is() -> None:
    model = make()
    _, state = model.encode(BATCH)
    outputs, _ = model.decoder.bottom(model.decoder.embedding(BATCH.tgt_in), state.layers.split(1)[0])
    outputs, _ = model.decoder.upper(outputs, state.layers.split(1)[1])
    torch.testing.assert_close(model.decoder(BATCH.tgt_in, state), outputs)


def test_input_feeding_reads_the_features_of_the_step_before() -> None:
    model = make(attention="dot", input_feeding=True)
    _, state = model.encode(BATCH)
    token = torch.tensor([2, 2])
    first, after = model.decoder.step(token, state)
    changed, _ = model.decoder.step(token, replace(state, prev_features=state.prev_features + 1))
    assert not torch.allclose(first, changed)
    features = model.decoder(BATCH.tgt_in[:, :1], state)
    torch.testing.assert_close(after.prev_features, features[:, 0])


def test_the_first_input_is_read_once_before_the_first_token() -> None:
    model = make(bridge="first-input")
    decoder = model.decoder
    encoded, state = model.encode(BATCH)
    vector = decoder.bridge(encoded).first_input
    sequence = torch.cat([vector.unsqueeze(1), decoder.embedding(BATCH.tgt_in)], dim=1)
    outputs, _ = decoder.bottom(sequence)
    outputs, _ = decoder.upper(outputs)
    torch.testing.assert_close(decoder(BATCH.tgt_in, state), outputs[:, 1:])
    _, after = decoder.step(torch.tensor([2, 2]), state)
    assert after.first_input is None


def zeros_in_inputs(model: Seq2Seq, stack: RecurrentStack) -> Tensor:
    """Where the inputs of a stack's bottom layer are zero while training."""
    bottom_inputs: list[Tensor] = []
    handle = stack.layers[0].register_forward_pre_hook(lambda _, inputs: bottom_inputs.append(inputs[0].detach()))
    model.train()(fifty(BATCH))
    handle.remove()
    return bottom_inputs[0] == 0


def fifty(batch: Batch) -> Batch:
    """The batch fifty times over, so that shares mean something."""
    repeated = (tensor.repeat(50, *(1,) * (tensor.dim() - 1)) for tensor in astuple(batch)[:-1])
    return Batch(*repeated)


SIDES: dict[str, Callable[[Seq2Seq], RecurrentStack]] = {
    "source": lambda model: model.encoder.stack,
    "target": lambda model: model.decoder.bottom,
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("encoder", ["stacked", "convolutional"])
def test_dropout_reaches_what_the_bottom_layers_read(side: str, encoder: str) -> None:
    model = make(dropout=0.4, encoder=encoder, filter_width=1, pool=1)
    if encoder == "convolutional":  # so that rectified units are zero by dropout alone
        model.encoder.convolution.bias.data.fill_(100.0)
    share = zeros_in_inputs(model, SIDES[side](model))[: len(BATCH.src) * 50 : 2, :2].double().mean()
    assert 0.3 < share < 0.5


@pytest.mark.parametrize("side", SIDES)
def test_word_dropout_reaches_both_sides(side: str) -> None:
    model = make(word_dropout=0.4)
    zeros = zeros_in_inputs(model, SIDES[side](model))
    assert torch.equal(zeros, zeros[..., :1].expand_as(zeros))
    assert 0.3 < zeros.double().mean() < 0.5


def test_dropout_reaches_the_top_output() -> None:
    model = make(dropout=0.4)
    assert 0.3 < (model.train()(fifty(BATCH)) == 0).double().mean() < 0.5


def test_a_first_input_and_the_tokens_have_one_variational_mask() -> None:
    model = make(bridge="first-input", dropout=0.3, variational=True)
    zeros = zeros_in_inputs(model, model.decoder.bottom)
    assert zeros.shape[1] == 1 + BATCH.tgt_in.shape[1]
    assert torch.equal(zeros, zeros[:, :1].expand_as(zeros))
    assert 0.2 < zeros.double().mean() < 0.4
