"""Whether the model's probabilities can be believed."""

from collections.abc import Sequence

import torch

from seq2seq.decoding.scoring import guesses
from seq2seq.decoding.translator import Translator
from seq2seq.evaluation.calibration import Calibration, calibration
from seq2seq.reports.chart import Chart, Point, Series
from seq2seq.reports.parts import Figures, Note, make_section
from seq2seq.reports.section import Section, Table

_NOTE = (
    "After the words of the reference so far, how often is the model's most probable next token right, among tokens of "
    "about the same probability? On the line “perfect” it is right as often as it says. The mean distance from it over "
    "all tokens, the expected calibration error (Guo et al. 2017), is {error:.1%}."
)


def calibration_of(translator: Translator, sources: Sequence[str], references: Sequence[Sequence[str]]) -> Calibration:
    """Calibration over the first reference of each source that is not empty; at least one must not be."""
    tgt = translator.vocabularies.tgt
    pairs = [(source, texts[0]) for source, texts in zip(sources, references, strict=True)]
    pairs = [pair for pair in pairs if not translator.is_empty(pair[0])]
    tokens = torch.cat(guesses(translator, [source for source, _ in pairs], [tgt.encode(text) for _, text in pairs]))
    return calibration(tokens[:, 0].tolist(), tokens[:, 1].bool().tolist())


def calibration_section(found: Calibration) -> Section:
    """Accuracy over probability."""
    note = _NOTE.format(error=found.error)
    model = [
        Point(
            one.confidence,
            one.accuracy,
            f"{one.tokens:,} tokens of mean probability {one.confidence:.2f}: {one.accuracy:.0%} right",
        )
        for one in found.bins
    ]
    series = [Series("model", model), Series("perfect", [Point(0.0, 0.0), Point(1.0, 1.0)])]
    chart = Chart("calibration", series, "probability of the most probable token", "share that is right")
    rows = [
        [f"{one.low:.1f} – {one.high:.1f}", f"{one.tokens:,}", f"{one.confidence:.1%}", f"{one.accuracy:.1%}"]
        for one in found.bins
    ]
    table = Table(["probability", "tokens", "mean probability", "right"], rows, numbers=(1, 2, 3))
    return make_section("Calibration", "calibration", [Note(note), Figures([chart], [table])])
