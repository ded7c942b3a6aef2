"""Where the decoder looked: attention over some sentences."""

from collections.abc import Sequence

from markupsafe import Markup

from seq2seq.corpus.subword import EOS
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.scoring import alignments
from seq2seq.decoding.translator import Translator
from seq2seq.reports.heatmap import Panel, draw, draw_scale
from seq2seq.reports.section import Section, Table
from seq2seq.reports.selection import evenly

_SENTENCES = 6
# Most tokens on a side: a larger picture cannot be read.
_MOST_TOKENS = 24
_NOTE = (
    "Each row is a token that the decoder wrote, each column a source token, in the order of the text. "
    "A darker cell is a larger attention weight; each row sums to 1."
)


def attention_section(translator: Translator, sources: Sequence[str], outputs: Sequence[Translation]) -> Section | None:
    """Attention of some outputs over their sources, at even distances; None if the model has no attention.

    Args:
        translator: with one model or several.
        sources: sentences.
        outputs: one for each.
    """
    if translator.model.decoder.attention is None or translator.config.model.encoder == "convolutional":
        return None
    src, tgt = translator.vocabularies.src, translator.vocabularies.tgt
    fitting = [
        (source, output)
        for source, output in zip(sources, outputs, strict=True)
        if 2 < len(output.ids) <= _MOST_TOKENS and 2 < len(src.encode(source)) <= _MOST_TOKENS
    ]
    shown = evenly(fitting, _SENTENCES)
    if not shown:
        return None
    weights = alignments(translator, [source for source, _ in shown], [output.ids for _, output in shown])
    figures, rows = [], []
    for (source, output), matrix in zip(shown, weights, strict=True):
        columns = tuple(src.pieces([*src.encode(source), EOS]))
        written = (*output.tokens, *tgt.pieces([EOS]))
        panel = Panel(source, written, columns, matrix.tolist(), 0.0, 1.0)
        drawing = Markup(draw(panel, cell=(20, 18), tooltips=True))
        figures.append(Markup("<figure>{}</figure>").format(drawing))
        looked = [columns[place] for place in matrix.argmax(1).tolist()]
        rows.append([source, " ".join(f"{token} ← {most}" for token, most in zip(written, looked, strict=True))])
    html = Markup('<p class="note">{}</p>\n<p>{}</p>\n<div class="maps">{}</div>').format(
        _NOTE, Markup(draw_scale(0.0, 1.0)), Markup("\n").join(figures)
    )
    table = Table(["source", "each token and the source token that it attended to most"], rows)
    return Section("Attention", "attention", html, f"{_NOTE}\n\n{table.markdown()}")
