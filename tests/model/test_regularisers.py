"""Dropout of every kind: what is dropped, for how long, and never in evaluation."""

import pytest
import torch
from torch import nn

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import collate
from seq2seq.model.build import build_model
from seq2seq.model.embedding import Embedding
from seq2seq.model.recurrent import VariationalDropout


def test_a_variational_mask_is_constant_over_time() -> None:
    dropped = VariationalDropout(0.4).train()(torch.ones(50, 7, 30))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 1 / 0.6]))
    assert not torch.equal(dropped[0], dropped[1])
    assert abs(float(dropped.mean()) - 1) < 0.1


def test_word_dropout_takes_whole_words() -> None:
    embedding = Embedding(4, 7, scale=1.0, word_dropout=0.4).train()
    embedding.weight.data.fill_(1.0)
    dropped = embedding(torch.zeros(50, 30, dtype=torch.long)).detach()
    assert torch.equal(dropped, dropped[..., :1].expand_as(dropped))
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 1 / 0.6]))


@pytest.mark.parametrize("regulariser", [VariationalDropout(0.4), nn.Dropout1d(0.4)])
def test_evaluation_drops_nothing(regulariser: nn.Module) -> None:
    inputs = torch.randn(2, 3, 4)
    assert torch.equal(regulariser.eval()(inputs), inputs)


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.3},
        {"dropout": 0.3, "variational": True},
        {"weight_dropout": 0.3},
        {"word_dropout": 0.3},
        {"zoneout": 0.3, "cell": "peephole"},
    ],
    ids=str,
)
def test_each_regulariser_makes_training_noisy_and_evaluation_not(settings: dict[str, object]) -> None:
    defaults = {"dropout": 0.0, "layers": 2, "hidden_size": 12, "embedding_size": 8, "attention": "general"}
    model = build_model(ModelConfig(**(defaults | settings)), 20, 20)
    batch = collate([[5, 6, 7]], [[8, 9]], reverse=True)
    with torch.no_grad():
        assert not torch.equal(model.train()(batch), model(batch))
        assert torch.equal(model.eval()(batch), model(batch))
