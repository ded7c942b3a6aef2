r"""Table 1 of Sutskever, Vinyals & Le 2014 on any corpus: forward, reversed, beams and ensembles.

Trains one model that reads the source forward and several, with different seeds, that read it reversed, then decodes
the test part in the paper's six ways. The script can be called again: interrupted trainings are resumed, and finished
ones are used as they are.

    .venv/bin/python scripts/reproduce_paper.py multi30k-sutskever --work runs/paper \
        --set data.path=../shared/data/multi30k [--models 5] [--precision int8]
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU
from tqdm import tqdm

from seq2seq.corpus.prepared import prepare
from seq2seq.decoding.translator import Translator
from seq2seq.errors import Seq2SeqError
from seq2seq.training.train import train

# Number of reversed models (0: the forward one), beam, and the paper's BLEU on WMT'14.
_ROWS = ((0, 12, 26.17), (1, 12, 30.59), (5, 1, 33.00), (2, 12, 33.27), (5, 2, 34.50), (5, 12, 34.81))
_CHUNK = 500


def train_all(recipe: str, work: Path, overrides: Sequence[str], models: int) -> tuple[Path, list[Path]]:
    """The forward run and the reversed ones."""

    def train_one(name: str, seed: int, reverse: bool) -> Path:
        settings = [*overrides, f"training.seed={seed}", f"model.reverse_source={str(reverse).lower()}"]
        return train(recipe, run=work / name, overrides=settings)

    forward = train_one("forward", 1, False)
    return forward, [train_one(f"reversed-{seed}", seed, True) for seed in range(1, models + 1)]


def bleu(runs: Sequence[Path], beam: int, precision: str) -> tuple[float, str]:
    """Detokenised BLEU of an ensemble of runs on the test part, and its signature."""
    translator = Translator.load(*runs, precision=precision)
    pairs = prepare(translator.config).test
    options = replace(translator.config.decoding, beam=beam)
    outputs: list[str] = []
    starts = range(0, len(pairs), _CHUNK)
    for start in tqdm(starts, desc=f"{len(runs)} models, beam {beam}", delay=2, disable=None, leave=False):
        sources = [pair.src for pair in pairs[start : start + _CHUNK]]
        outputs += [translation.text for translation in translator.translate(sources, options)]
    metric = BLEU()
    score = float(metric.corpus_score(outputs, [[pair.tgt for pair in pairs]]).score)
    return score, str(metric.get_signature())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipe", help="a recipe without attention")
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="TABLE.KEY=VALUE")
    parser.add_argument("--models", type=int, default=5, help="reversed models; rows that need more are left out")
    parser.add_argument("--precision", default="fp32", help="of decoding")
    options = parser.parse_args()
    if options.models < 2:
        parser.error("--models: an ensemble has at least 2")
    forward, backward = train_all(options.recipe, options.work, options.overrides, options.models)
    signature = ""
    print("| method | beam | BLEU | the paper, WMT'14 |\n|---|---|---|---|")
    for members, beam, published in (row for row in _ROWS if row[0] <= options.models):
        runs = [forward] if members == 0 else backward[:members]
        name = f"ensemble of {len(runs)} reversed LSTMs" if members > 1 else "single reversed LSTM"
        score, signature = bleu(runs, beam, options.precision)
        print(f"| {name if members else 'single forward LSTM'} | {beam} | {score:.2f} | {published:.2f} |", flush=True)
    print(f"\n{signature}")


if __name__ == "__main__":
    try:
        main()
    except Seq2SeqError as error:
        raise SystemExit(f"reproduce_paper: {error}") from None
