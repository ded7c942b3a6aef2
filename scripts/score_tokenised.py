"""BLEU on Moses-tokenised text, as papers before sacreBLEU reported it, after sacreBLEU's own on detokenised text.

Published figures for Multi30k and WMT'14 are often of this kind. They depend on the tokeniser and do not replace the
detokenised score.

    .venv/bin/pip install sacremoses
    .venv/bin/python scripts/score_tokenised.py --hyp FILE --ref FILE --language de
"""

import argparse
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU

from seq2seq.corpus.text_files import read_lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hyp", type=Path, required=True, help="system outputs, detokenised")
    parser.add_argument("--ref", type=Path, required=True, help="references, detokenised")
    parser.add_argument("--language", required=True, help="two letters, for the tokeniser")
    options = parser.parse_args()
    try:
        from sacremoses import MosesTokenizer
    except ImportError:
        parser.error("needs sacremoses: .venv/bin/pip install sacremoses")
    tokenizer = MosesTokenizer(options.language)
    hypotheses, references = list(read_lines(options.hyp)), list(read_lines(options.ref))
    if len(hypotheses) != len(references):
        parser.error(f"expected as many outputs as references, found {len(hypotheses)} and {len(references)}")

    def tokens(lines: list[str]) -> list[str]:
        return [tokenizer.tokenize(line, return_str=True, escape=False) for line in lines]

    detokenised, tokenised = (hypotheses, references), (tokens(hypotheses), tokens(references))
    for name, (outputs, targets), metric in (
        ("detokenised, 13a", detokenised, BLEU()),
        ("Moses tokens, cased", tokenised, BLEU(tokenize="none", force=True)),
        ("Moses tokens, lower-cased", tokenised, BLEU(tokenize="none", lowercase=True, force=True)),
    ):
        score = metric.corpus_score(outputs, [targets]).score
        print(f"{name:26} {score:5.2f}  {metric.get_signature()}")


if __name__ == "__main__":
    main()
