"""Draws Figures 2 and 3 of Sutskever et al. 2014 for a run, as SVG files that stand alone.

``python scripts/paper_figures.py runs/tatoeba-en-es docs`` writes ``figure-2-1.svg``, ``figure-2-2.svg``,
``figure-3-1.svg`` and ``figure-3-2.svg`` (the left and the right picture of each), for docs/results.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from seq2seq.evaluation.reopen import evaluated_run
from seq2seq.reports.chart import Chart, draw_chart
from seq2seq.reports.page import standalone_svg
from seq2seq.reports.phrases import phrase_sets
from seq2seq.reports.text_sections import breakdown_of, translator_of
from seq2seq.reports.vectors import vector_chart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a trained run that reads sentences")
    parser.add_argument("out", type=Path, help="a folder that exists")
    options = parser.parse_args()
    evaluated = evaluated_run(options.run)
    translator = translator_of(evaluated)
    vectors = [vector_chart(translator, groups) for groups in phrase_sets(evaluated.sources)]
    for number, charts in ((2, vectors), (3, breakdown_of(evaluated))):
        write(charts, options.out, number)


def write(charts: Sequence[Chart], folder: Path, number: int) -> None:
    """One file for each picture."""
    for place, chart in enumerate(charts, 1):
        path = folder / f"figure-{number}-{place}.svg"
        path.write_text(standalone_svg(draw_chart(chart)), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
