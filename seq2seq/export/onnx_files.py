"""The graphs of a model as ONNX files, for any batch and any source length."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from seq2seq.corpus.batching import Batch, collate, collate_images
from seq2seq.corpus.images import SIZE
from seq2seq.export.graphs import EncoderGraph, PictureGraph, StepGraph, parts
from seq2seq.model.encoders import ConvolutionalEncoder
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.vision.encoder import ImageEncoder


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph."""

    name: str
    type: str
    """As numpy calls it."""
    shape: tuple[int | str, ...]
    """A word for a size that is free: ``batch``, ``length``, ``positions``."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A file and how to call it."""

    file: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def write_graphs(model: Seq2Seq, folder: Path, *, reverse_source: bool) -> tuple[Graph, Graph]:
    """Writes ``encoder.onnx`` and ``decoder_step.onnx``.

    Args:
        model: on the CPU, in evaluation mode.
        folder: an existing one.
        reverse_source: the model reads sources back to front.

    Raises:
        Exception: of many kinds, from torch: the graph of this model would not be for every batch and length.
    """
    batch, sources = example(model, [2 * _shortest(model) + 3, 1, 2 * _shortest(model) + 2])
    graph = EncoderGraph(model, reverse_source=reverse_source)
    if isinstance(model.encoder, ImageEncoder):
        graph = PictureGraph(model)
    token = {"token": torch.zeros(len(batch.src), dtype=torch.long)}
    with torch.no_grad(), _quiet():
        start = parts(model.decoder.begin(model.encode(batch)[1]))
        encoder = _write(graph, sources, start, folder / "encoder.onnx", {"length": _shortest(model)})
        step = _write(
            StepGraph(model), token | start, StepGraph(model)(token | start), folder / "decoder_step.onnx", {}
        )
    return encoder, step


def example(model: Seq2Seq, lengths: Sequence[int], *, reverse_source: bool = False) -> tuple[Batch, dict[str, Tensor]]:
    """Made-up sources of these lengths, for torch and for the graph; of pictures as many as there are lengths."""
    chance = torch.Generator().manual_seed(sum(lengths))
    if isinstance(model.encoder, ImageEncoder):
        pixels = torch.rand(len(lengths), 3, SIZE, SIZE, generator=chance) * 2 - 1
        return collate_images(pixels), {"pixels": pixels}
    vocab = model.encoder.embedding.num_embeddings
    src = torch.randint(vocab, (len(lengths), max(lengths)), generator=chance)
    rows = [row[:length].tolist() for row, length in zip(src, lengths, strict=True)]
    return collate(rows, reverse=reverse_source), {"src": src, "lengths": torch.tensor(lengths)}


def _shortest(model: Seq2Seq) -> int:
    """Fewest tokens of a source while torch looks on; the file itself works with one.

    Of a convolutional encoder it must see more than one window, or it takes "one" for granted.
    """
    return model.encoder.pool + 1 if isinstance(model.encoder, ConvolutionalEncoder) else 1


def _write(
    graph: nn.Module, inputs: dict[str, Tensor], outputs: dict[str, Tensor], path: Path, least: Mapping[str, int]
) -> Graph:
    """Writes one file.

    Args:
        graph: takes and gives tensors by name.
        inputs: an example.
        outputs: what comes of it; only names, types and shapes matter.
        path: of the file.
        least: smallest values of free sizes, 1 if they are not here.
    """
    takes, gives = ([_port(name, tensor) for name, tensor in tensors.items()] for tensors in (inputs, outputs))
    words = {size for port in takes for size in port.shape if isinstance(size, str)}
    free = {word: Dim(word, min=least.get(word, 1)) for word in sorted(words)}
    axes = {
        port.name: {axis: free[size] for axis, size in enumerate(port.shape) if isinstance(size, str)} for port in takes
    }
    program = torch.export.export(graph.eval(), (inputs,), dynamic_shapes=(axes,), strict=False)
    names = [[port.name for port in ports] for ports in (takes, gives)]
    exported = torch.onnx.export(program, input_names=names[0], output_names=names[1], dynamo=True, verbose=False)
    assert exported is not None  # None is for exports straight to a file
    _forget_origin(exported.model)
    exported.save(path)
    return Graph(path.name, tuple(takes), tuple(gives))


def _port(name: str, tensor: Tensor) -> Port:
    words = {0: "batch"}
    if name == "src" or name.startswith("memory_"):
        words[1] = "length" if name == "src" else "positions"
    shape = tuple(words.get(axis, size) for axis, size in enumerate(tensor.shape))
    return Port(name, str(tensor.dtype).removeprefix("torch."), shape)


def _forget_origin(model: Any) -> None:
    """Takes out what torch notes at every node: lines of source with the folders of this machine."""
    import onnx_ir

    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        for node in onnx_ir.traversal.RecursiveGraphIterator(graph):
            node.metadata_props.clear()
            for value in node.outputs:
                value.metadata_props.clear()
        graph.metadata_props.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter speaks of packages that it does without, and of what it will do otherwise some day."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.__trace")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
