"""Initialisation of weights before training."""

import math

from torch import nn

from seq2seq.config import ModelConfig
from seq2seq.model.cells import FusedCell
from seq2seq.model.embedding import Embedding
from seq2seq.model.step_cells import StepCell


def initialise(model: nn.Module, config: ModelConfig) -> None:
    """Draws every weight in place, by the scheme ``model.initialisation``.

    ``scaled``: Xavier input weights and linear layers, orthogonal recurrences, embeddings of variance 1/E, zero biases
    except those of forget gates. ``uniform``: see below.
    """
    for module in model.modules():
        if isinstance(module, FusedCell | StepCell):
            module.initialise(config.forget_bias)
        elif isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # Last, because a tied output layer shares its weight with an embedding.
    for module in model.modules():
        if isinstance(module, Embedding) and not module.weight.is_meta:
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.embedding_dim))
    if config.initialisation == "uniform":
        _initialise_uniform(model)


def _initialise_uniform(model: nn.Module) -> None:
    """Every weight from U(-0.08, 0.08), as Sutskever et al. 2014, §3.4; gains of layer normalisation stay 1."""
    for name, parameter in model.named_parameters():
        if not name.rpartition(".")[2].startswith("gain"):
            nn.init.uniform_(parameter, -0.08, 0.08)
