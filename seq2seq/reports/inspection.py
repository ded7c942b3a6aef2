"""Looking inside: gates, states and attention of one sentence, as a page.

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
from seq2seq.corpus.subword import EOS, normalise
from seq2seq.decoding.translator import Translator
from seq2seq.errors import Seq2SeqError
from seq2seq.files.atomic import write_atomic
from seq2seq.model.cells import FusedCell
from seq2seq.model.recurrent import BidirectionalLayer, Cell
from seq2seq.model.step_cells import StepCell
from seq2seq.model.vision.encoder import ImageEncoder
from seq2seq.reports.heatmap import Panel, draw, draw_scale, round_limit
from seq2seq.reports.page import render

PAGE = "inspect.html"
# Rows of a heat map that is read at a glance.
_MOST_UNITS = 32


@dataclass(frozen=True, slots=True)
class LayerTrace:
    """What went on in one cell."""

    name: str
    values: dict[str, Tensor]
    """Gates and states by name, (T, H) each on the CPU, in the order of the columns."""


@dataclass(frozen=True, slots=True)
class SideTrace:
    """What went on in the encoder, or in the decoder."""

    columns: tuple[str, ...]
    """What was read at each step, (T,)."""
    layers: tuple[LayerTrace, ...]
    """Bottom first; a layer that reads both ways counts as two."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything the page shows."""

    text: str
    """What was read."""
    cut: bool
    """Whether the text went on: it was too long to be read to its end."""
    translation: str
    model: ModelConfig
    source: SideTrace
    target: SideTrace
    written: tuple[str, ...]
    """What the decoder wrote, end mark included: the last ``len(written)`` steps of ``target``."""
    attention: Tensor | None
    """Weights (len(written), S)."""


def inspect(run: str | Path, text: str, *, out: str | Path | None = None, device: str = "auto") -> Path:
    """Translates a text and draws what went on in the model while it did, as one HTML page.

    Args:
        run: a trained run.
        text: one sentence.
        out: the page; None: ``inspect.html`` in the run's folder.
        device: ``auto``, ``cpu``, ``cuda``.

    Returns:
        Where the page is.

    Raises:
        RunError: no run, or a damaged one, or the page cannot be written.
        Seq2SeqError: the text is empty, or there is no folder for the page.
    """
    path = Path(run) / PAGE if out is None else Path(out)
    if path.is_dir() or (out is not None and not path.parent.is_dir()):
        raise Seq2SeqError(f"cannot write {path}: expected a file in a folder that is there; name another with --out")
    translator = Translator.load(run, device=device)
    write_atomic(path, page(look_inside(translator, text), Path(run).resolve().name).encode())
    return path


def look_inside(translator: Translator, text: str) -> Inspection:
    """Translates a text with the run's own settings, then goes through it again and notes what happens.

    Raises:
        Seq2SeqError: the text is empty.
    """
    config, vocabularies = translator.config, translator.vocabularies
    source = vocabularies.src.encode(text)[: config.data.max_tokens]
    if not source:
        raise Seq2SeqError(
            "no text to look at: expected a sentence, found nothing but white space; give it with --text"
        )
    translation = translator.translate([text])[0]
    batch = collate([source], [translation.ids], reverse=config.model.reverse_source)
    encoder, decoder, attention = _run(translator, batch)
    cut = translator.is_cut(text)
    first = ("(source)",) if config.model.bridge == "first-input" else ()
    return Inspection(
        text=vocabularies.src.decode(source) if cut else normalise(text),
        cut=cut,
        translation=translation.text,
        model=config.model,
        source=SideTrace(_positions(translator, batch), encoder),
        target=SideTrace((*first, *vocabularies.tgt.pieces(batch.tgt_in[0].tolist())), decoder),
        written=(*translation.tokens, *vocabularies.tgt.pieces([EOS])),
        attention=attention,
    )


def page(inspection: Inspection, name: str) -> str:
    """The inspection of the model ``name`` as an HTML page that needs neither scripts nor network."""
    source, target = inspection.source, inspection.target
    ranges = _ranges([*source.layers, *target.layers])
    # The first step of the bridge "first-input" writes nothing.
    feet = ("",) * (len(target.columns) - len(inspection.written)) + inspection.written
    alignment = None
    if inspection.attention is not None:
        weights = inspection.attention.tolist()
        panel = Panel("attention", inspection.written, source.columns, weights, 0.0, 1.0)
        alignment = draw(panel, cell=(24, 20), tooltips=True)
    return render(
        PAGE,
        name=name,
        inspection=inspection,
        scales={name: draw_scale(*bounds) for name, bounds in ranges.items()},
        encoder=[_drawings(layer, source.columns, (), ranges) for layer in source.layers],
        decoder=[_drawings(layer, target.columns, feet, ranges) for layer in target.layers],
        alignment=alignment,
        weight_scale=draw_scale(0.0, 1.0),
    )


def _run(translator: Translator, batch: Batch) -> tuple[tuple[LayerTrace, ...], tuple[LayerTrace, ...], Tensor | None]:
    """Traces of encoder and decoder on one sentence pair, and attention weights (T, S) if there are any."""
    model = translator.model
    assert not isinstance(model.encoder, ImageEncoder), "a translator reads text"
    encoder = list(_cells(model.encoder.stack.layers))
    decoder = list(_cells([*model.decoder.bottom.layers, *model.decoder.upper.layers]))
    batch, training, weights = batch.to(translator.device_spec.device), model.training, None
    model.eval()
    with torch.inference_mode(), translator.device_spec.autocast(), _caught(encoder + decoder) as calls:
        _, state = model.encode(batch)
        if model.decoder.attention is None:
            model.decoder(batch.tgt_in, state)
        else:
            weights = model.decoder.align(batch.tgt_in, state)[0].cpu()
    model.train(training)

    def traced(one: _NamedCell) -> LayerTrace:
        # With input feeding, and before the first token, a cell is called for one step at a time.
        values = {name: torch.cat([call[name] for call in calls[one.cell]]) for name in calls[one.cell][0]}
        return LayerTrace(one.name, {name: value.flip(0) if one.mirrored else value for name, value in values.items()})

    return tuple(map(traced, encoder)), tuple(map(traced, decoder)), weights


@dataclass(frozen=True, slots=True)
class _NamedCell:
    name: str
    cell: Cell
    mirrored: bool = False
    """It reads the sequence from its end."""


def _cells(layers: Iterable[nn.Module]) -> Iterator[_NamedCell]:
    """The cells of a stack, bottom first."""
    for number, layer in enumerate(layers, start=1):
        if isinstance(layer, BidirectionalLayer):
            yield _NamedCell(f"Layer {number}, reading left to right", layer.forward_cell)
            yield _NamedCell(f"Layer {number}, reading right to left", layer.backward_cell, mirrored=True)
        elif isinstance(layer, FusedCell | StepCell):
            yield _NamedCell(f"Layer {number}", layer)


@contextmanager
def _caught(cells: Sequence[_NamedCell]) -> Iterator[dict[nn.Module, list[dict[str, Tensor]]]]:
    """Within it every call of a cell leaves its trace of the only sentence, (T, H) a name."""
    calls: dict[nn.Module, list[dict[str, Tensor]]] = {one.cell: [] for one in cells}

    def trace(cell: Cell, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        called = dict(zip(("inputs", "start"), args, strict=False)) | kwargs
        values = cell.trace(called["inputs"], called.get("start"))
        calls[cell].append({name: value[0].cpu() for name, value in values.items()})

    handles = [one.cell.register_forward_pre_hook(trace, with_kwargs=True) for one in cells]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _positions(translator: Translator, batch: Batch) -> tuple[str, ...]:
    """What stands at each position of the memory: a token, or as many as the convolution makes one."""
    pieces = translator.vocabularies.src.pieces(batch.src[0].tolist())
    model = translator.config.model
    size = model.pool if model.encoder == "convolutional" else 1
    between = "" if translator.config.subword.type == "char" else " "
    return tuple(between.join(pieces[start : start + size]) for start in range(0, len(pieces), size))


def _ranges(layers: Sequence[LayerTrace]) -> dict[str, tuple[float, float]]:
    """The range of colours of each quantity, the same on the whole page so that layers can be compared."""
    ranges = {}
    for name in dict.fromkeys(name for layer in layers for name in layer.values):
        limit = round_limit(torch.cat([layer.values[name].flatten() for layer in layers if name in layer.values]))
        ranges[name] = (0.0, 1.0) if name.endswith("gate") else (-limit, limit)
    return ranges


def _drawings(
    layer: LayerTrace, columns: tuple[str, ...], feet: tuple[str, ...], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    """One layer's heat maps, the same units in the same rows of each, and what to say of them."""
    hidden = layer.values["hidden"]
    units = hidden.var(0, correction=0).topk(min(_MOST_UNITS, hidden.shape[1])).indices.sort().values
    maps = []
    for name, values in layer.values.items():
        low, high = ranges[name]
        # Of numbers with a sign the mean would say nothing: one half of the units cancels the other.
        mean = (values.abs() if low < 0 else values).mean(1).tolist()
        rows, table = tuple(map(str, units.tolist())), values[:, units].T.tolist()
        panel = Panel(f"{layer.name}: {name}", rows, columns, table, low, high, ("mean", mean), feet)
        maps.append({"title": name, "low": low, "high": high, "drawing": draw(panel, cell=(15, 8))})
    return {"name": layer.name, "width": hidden.shape[1], "shown": len(units), "maps": maps}
