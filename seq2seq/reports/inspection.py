"""Inspection: the gates, states and attention of one translation, as an HTML page.

Shapes: ``T`` steps of a layer (source positions or target tokens), ``S`` source positions, ``H`` width of a layer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import Batch, collate
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.subword import EOS
from seq2seq.decoding.translator import Translator
from seq2seq.errors import Seq2SeqError
from seq2seq.files.atomic import check_writable, write_atomic
from seq2seq.model.cells import FusedCell
from seq2seq.model.recurrent import BidirectionalLayer, Cell
from seq2seq.model.step_cells import StepCell
from seq2seq.reports.heatmap import Panel, draw, draw_scale, round_limit
from seq2seq.reports.page import render
from seq2seq.runs.layout import run_name

PAGE = "inspect.html"
# Most rows of a heat map.
_MAX_UNITS = 32


@dataclass(frozen=True, slots=True)
class LayerTrace:
    """Gates and states of one recurrent cell."""

    name: str
    values: dict[str, Tensor]
    """By name, (T, H) each on the CPU; row t belongs to column t of the side."""

    def rearranged(self, order: Sequence[int]) -> "LayerTrace":
        """With the rows ``order``."""
        return LayerTrace(self.name, {name: values[order] for name, values in self.values.items()})


Layers = tuple[LayerTrace, ...]


@dataclass(frozen=True, slots=True)
class SideTrace:
    """The traces of the encoder, or of the decoder."""

    columns: tuple[str, ...]
    """The token read at each step, (T,); of the encoder in the order of the text, even where it reads back to front."""
    layers: Layers
    """Bottom first; a bidirectional layer has two."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything the page shows."""

    text: str
    """The text as the model read it."""
    cut: bool
    """The given text was longer than ``data.max_tokens``, so its end was not read."""
    translation: str
    model: ModelConfig
    source: SideTrace
    target: SideTrace
    written: tuple[str, ...]
    """The decoder's output with its end mark: one token for each of the last ``len(written)`` steps of ``target``."""
    attention: Tensor | None
    """Weights (len(written), S)."""


def inspect(run: str | Path, text: str, *, out: str | Path | None = None, device: str = "auto") -> Path:
    """Translates a text and draws the model's gates, states and attention, as one HTML page.

    Args:
        run: a trained run.
        text: one sentence.
        out: path of the page; None: ``inspect.html`` in the run's folder.
        device: ``auto``, ``cpu``, ``cuda``.

    Returns:
        The page's path.

    Raises:
        RunError: no run, or a damaged one, or the page cannot be written.
        Seq2SeqError: the text is empty.
    """
    path = Path(run) / PAGE if out is None else Path(out)
    translator = Translator.load(run, device=device)
    check_writable(path)
    write_atomic(path, page(trace_translation(translator, text), run_name(Path(run))).encode())
    return path


def trace_translation(translator: Translator, text: str) -> Inspection:
    """Translates a text with the run's own settings, then runs the model over the pair again and records its traces.

    Raises:
        Seq2SeqError: the text is empty.
    """
    config, vocabularies = translator.config, translator.vocabularies
    source = vocabularies.src.encode(text)[: config.data.max_tokens]
    if not source:
        raise Seq2SeqError("no text to inspect: expected a sentence, found only white space; give it with --text")
    translation = translator.translate([text])[0]
    batch = collate([source], [translation.ids], reverse=config.model.reverse_source)
    encoder, decoder, attention = _trace_model(translator, batch)
    positions = _positions(translator, batch)
    order = _order_of_text(len(positions), config.model)
    cut = translator.is_cut(text)
    first_input = ("(source)",) if config.model.bridge == "first-input" else ()
    return Inspection(
        text=vocabularies.src.decode(source) if cut else normalise(text),
        cut=cut,
        translation=translation.text,
        model=config.model,
        source=SideTrace(tuple(positions[place] for place in order), tuple(one.rearranged(order) for one in encoder)),
        target=SideTrace((*first_input, *vocabularies.tgt.pieces(batch.tgt_in[0].tolist())), decoder),
        written=(*translation.tokens, *vocabularies.tgt.pieces([EOS])),
        attention=None if attention is None else attention[:, order],
    )


def page(inspection: Inspection, name: str) -> str:
    """The inspection of the run ``name`` as an HTML page without scripts or network."""
    source, target = inspection.source, inspection.target
    ranges = _ranges([*source.layers, *target.layers])
    # With the bridge "first-input" the first step writes nothing.
    written = ("",) * (len(target.columns) - len(inspection.written)) + inspection.written
    alignment = None
    if inspection.attention is not None:
        weights = inspection.attention.tolist()
        panel = Panel("attention", inspection.written, source.columns, weights, 0.0, 1.0)
        alignment = draw(panel, cell=(24, 20), tooltips=True)
    return render(
        PAGE,
        name=name,
        inspection=inspection,
        scales={quantity: draw_scale(*bounds) for quantity, bounds in ranges.items()},
        encoder=[_heat_maps(layer, source.columns, (), ranges) for layer in source.layers],
        decoder=[_heat_maps(layer, target.columns, written, ranges) for layer in target.layers],
        alignment=alignment,
        weight_scale=draw_scale(0.0, 1.0),
    )


def _trace_model(translator: Translator, batch: Batch) -> tuple[Layers, Layers, Tensor | None]:
    """Traces of encoder and decoder over one sentence pair, and attention weights (T, S) if there are any."""
    model = translator.model
    encoder = list(_named_cells(model.encoder.stack.layers, reverse=translator.config.model.reverse_source))
    decoder = list(_named_cells([*model.decoder.bottom.layers, *model.decoder.upper.layers]))
    batch, weights = batch.to(translator.device_spec.device), None
    with translator.ready(), _recorded_calls(encoder + decoder) as calls:
        _, state = model.encode(batch)
        if model.decoder.attention is None:
            model.decoder(batch.tgt_in, state)
        else:
            weights = model.decoder.align(batch.tgt_in, state)[0].cpu()

    def trace(named: _NamedCell) -> LayerTrace:
        # With input feeding, and before the first token, a cell is called for one step at a time.
        steps = calls[named.cell]
        values = {name: torch.cat([step[name] for step in steps]) for name in steps[0]}
        return LayerTrace(named.name, {k: v.flip(0) for k, v in values.items()} if named.is_backward else values)

    return tuple(map(trace, encoder)), tuple(map(trace, decoder)), weights


@dataclass(frozen=True, slots=True)
class _NamedCell:
    name: str
    cell: Cell
    is_backward: bool = False
    """It reads the sequence from its end."""


def _named_cells(layers: Iterable[nn.Module], *, reverse: bool = False) -> Iterator[_NamedCell]:
    """The cells of a stack, bottom first.

    Args:
        layers: of the stack.
        reverse: the stack is given texts back to front.
    """
    first, second = ("right to left", "left to right") if reverse else ("left to right", "right to left")
    for number, layer in enumerate(layers, start=1):
        if isinstance(layer, BidirectionalLayer):
            yield _NamedCell(f"Layer {number}, reading {first}", layer.forward_cell)
            yield _NamedCell(f"Layer {number}, reading {second}", layer.backward_cell, is_backward=True)
        elif isinstance(layer, FusedCell | StepCell):
            yield _NamedCell(f"Layer {number}", layer)


@contextmanager
def _recorded_calls(cells: Sequence[_NamedCell]) -> Iterator[dict[nn.Module, list[dict[str, Tensor]]]]:
    """Records, for each call of a cell within the block, the gates and states of the only sentence, (T, H) each."""
    calls: dict[nn.Module, list[dict[str, Tensor]]] = {named.cell: [] for named in cells}

    def record(cell: Cell, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        arguments = dict(zip(("inputs", "start"), args, strict=False)) | kwargs
        values = cell.trace(arguments["inputs"], arguments.get("start"))
        calls[cell].append({name: value[0].cpu() for name, value in values.items()})

    handles = [named.cell.register_forward_pre_hook(record, with_kwargs=True) for named in cells]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _positions(translator: Translator, batch: Batch) -> tuple[str, ...]:
    """A label for each source position: its token, or the tokens that the convolution pooled."""
    pieces = translator.vocabularies.src.pieces(batch.src[0].tolist())
    model = translator.config.model
    size = model.pool if model.encoder == "convolutional" else 1
    separator = "" if translator.config.subword.type == "char" else " "
    groups = [pieces[start : start + size] for start in range(0, len(pieces), size)]
    return tuple(separator.join(group[::-1] if model.reverse_source else group) for group in groups)


def _order_of_text(count: int, model: ModelConfig) -> list[int]:
    """The source positions in the order of the text; where each is a token, the end mark stays at the end."""
    if not model.reverse_source:
        return list(range(count))
    if model.encoder == "convolutional":
        return list(range(count))[::-1]
    return [*range(count - 2, -1, -1), count - 1]


def _ranges(layers: Sequence[LayerTrace]) -> dict[str, tuple[float, float]]:
    """The colour range of each quantity, the same on the whole page so that layers can be compared."""
    ranges = {}
    for name in dict.fromkeys(name for layer in layers for name in layer.values):
        limit = round_limit(torch.cat([layer.values[name].flatten() for layer in layers if name in layer.values]))
        ranges[name] = (0.0, 1.0) if name.endswith("gate") else (-limit, limit)
    return ranges


def _heat_maps(
    layer: LayerTrace, columns: tuple[str, ...], written: tuple[str, ...], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    """One layer's heat maps, with the same units in the same rows of each, and the template's values for them."""
    hidden = layer.values["hidden"]
    units = hidden.var(0, correction=0).topk(min(_MAX_UNITS, hidden.shape[1])).indices.sort().values
    maps = []
    for name, values in layer.values.items():
        low, high = ranges[name]
        # Signed values would cancel out in the mean.
        mean = (values.abs() if low < 0 else values).mean(1).tolist()
        rows, table = tuple(map(str, units.tolist())), values[:, units].T.tolist()
        panel = Panel(f"{layer.name}: {name}", rows, columns, table, low, high, ("mean", mean), written)
        maps.append({"title": name, "low": low, "high": high, "drawing": draw(panel, cell=(15, 8))})
    return {"name": layer.name, "width": hidden.shape[1], "shown": len(units), "maps": maps}
