"""An evaluated run, read from its files again: nothing is decoded twice."""

from hashlib import sha256
from pathlib import Path

from seq2seq.corpus.pairs import Pair
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.scoring import as_read
from seq2seq.decoding.translator import Translator
from seq2seq.evaluation.evaluate import EvaluatedRun, evaluate
from seq2seq.evaluation.outputs import read_outputs
from seq2seq.evaluation.record import is_evaluated, read_evaluation
from seq2seq.runs.layout import outputs_name, read_config


def evaluated_run(run: Path, *, device: str = "auto") -> EvaluatedRun:
    """A run with the outputs of its last evaluation; it is evaluated on its test part if they are not there and intact.

    A run that reads pictures is always evaluated again, since its pictures are in its corpus.

    Args:
        run: a trained run.
        device: ``auto``, ``cpu``, ``cuda``.

    Raises:
        RunError: no run, or a damaged one.
        CorpusError: it must be evaluated, and its corpus is not there.
    """
    config = read_config(run)
    if config.data.reads_images or not is_evaluated(run):
        return evaluate(run, device=device)
    scores = read_evaluation(run)
    table = run / outputs_name(scores["split"])
    if not table.is_file() or sha256(table.read_bytes()).hexdigest() != scores["outputs"]:
        return evaluate(run, device=device)
    translator = Translator.load(run, device=device)
    tgt, rows, outputs = translator.vocabularies.tgt, read_outputs(table), []
    for row in rows:
        ids = tuple(tgt.encode(as_read(translator, Pair(row.source, row.output)).tgt))
        outputs.append(Translation(row.output, row.log_prob, tuple(tgt.pieces(ids)), ids, row.log_prob))
    sources, references = [row.source for row in rows], [row.references for row in rows]
    return EvaluatedRun(run, config, scores, translator, None, sources, references, outputs, run)
