"""The graphs of a model as ONNX files, for any batch and any source length."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from seq2seq.corpus.batching import Batch, collate, collate_images
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.onnx.graphs import EncoderGraph, StepGraph, state_to_tensors


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph."""

    name: str
    type: str
    """numpy's name of it."""
    shape: tuple[int | str, ...]
    """Fixed sizes as numbers, free ones by name: ``batch``, ``length``, ``positions``."""


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX file and its ports."""

    file: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def write_graphs(model: Seq2Seq, folder: Path, *, reverse_source: bool) -> tuple[Graph, Graph]:
    """Writes ``encoder.onnx`` and ``decoder_step.onnx``.

    Args:
        model: on the CPU, in evaluation mode.
        folder: where the files go.
        reverse_source: the model reads sources back to front.

    Raises:
        Exception: of many kinds, from torch: it cannot export this model for every batch and length.
    """
    shortest = model.encoder.min_export_length
    inputs, batch = example(model, [2 * shortest + 3, 1, 2 * shortest + 2], reverse_source=reverse_source)
    encoder, step = EncoderGraph(model, reverse_source=reverse_source), StepGraph(model)
    with torch.no_grad(), _quiet():
        state = state_to_tensors(model.decoder.read_first_input(model.encode(batch)[1]))
        step_inputs = {"token": torch.zeros(len(batch.src), dtype=torch.long), **state}
        return (
            _write(encoder, inputs, state, folder / "encoder.onnx", shortest),
            _write(step, step_inputs, step(step_inputs), folder / "decoder_step.onnx", shortest),
        )


def example(model: Seq2Seq, lengths: Sequence[int], *, reverse_source: bool) -> tuple[dict[str, Tensor], Batch]:
    """Random sources of these lengths, as inputs of an encoder graph and as a batch for the model itself."""
    inputs = model.encoder.example_inputs(lengths, torch.Generator().manual_seed(sum(lengths)))
    if "pixels" in inputs:
        return inputs, collate_images(inputs["pixels"])
    sources = [row[:length].tolist() for row, length in zip(inputs["src"], lengths, strict=True)]
    return inputs, collate(sources, reverse=reverse_source)


def _write(graph: nn.Module, inputs: dict[str, Tensor], outputs: dict[str, Tensor], path: Path, shortest: int) -> Graph:
    """Writes one file.

    Args:
        graph: takes and returns tensors by name.
        inputs: an example.
        outputs: of the example; only names, types and shapes matter.
        path: of the file.
        shortest: smallest ``length`` of an example; the other free sizes can be 1.
    """
    takes, gives = ([_port(name, tensor) for name, tensor in tensors.items()] for tensors in (inputs, outputs))
    free = {size for port in takes for size in port.shape if isinstance(size, str)}
    dims = {size: Dim(size, min=shortest if size == "length" else 1) for size in sorted(free)}
    axes = {
        port.name: {axis: dims[size] for axis, size in enumerate(port.shape) if isinstance(size, str)} for port in takes
    }
    program = torch.export.export(graph.eval(), (inputs,), dynamic_shapes=(axes,), strict=False)
    names = [[port.name for port in ports] for ports in (takes, gives)]
    exported = torch.onnx.export(program, input_names=names[0], output_names=names[1], dynamo=True, verbose=False)
    assert exported is not None  # it is None only if torch.onnx.export gets a path
    _remove_metadata(exported.model)
    exported.save(path)
    return Graph(path.name, tuple(takes), tuple(gives))


def _port(name: str, tensor: Tensor) -> Port:
    free = {0: "batch"}
    if name == "src" or name.startswith("memory_"):
        free[1] = "length" if name == "src" else "positions"
    shape = tuple(free.get(axis, size) for axis, size in enumerate(tensor.shape))
    return Port(name, str(tensor.dtype).removeprefix("torch."), shape)


def _remove_metadata(model: Any) -> None:
    """Removes what torch records at every node: source lines with the paths of this machine."""
    import onnx_ir

    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        for node in onnx_ir.traversal.RecursiveGraphIterator(graph):
            node.metadata_props.clear()
            for value in node.outputs:
                value.metadata_props.clear()
        graph.metadata_props.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's warnings about optional packages and future changes."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(disabled)
