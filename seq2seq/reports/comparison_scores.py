"""Several systems in numbers: scores with significance, wins and losses."""

from statistics import fmean

from seq2seq.evaluation.comparison import Comparison, Result
from seq2seq.evaluation.contest import contest
from seq2seq.metrics.names import ERROR_RATES, LABELS
from seq2seq.metrics.scores import exact_match
from seq2seq.reports.parts import Heading, Note, Part, make_section
from seq2seq.reports.section import Section, Table

_LEVEL = 0.05


def scores_section(comparison: Comparison) -> Section:
    """A table for each metric: scores, intervals, differences to the first system, p-values."""
    systems = comparison.systems
    parts: list[Part] = []
    for metric in systems.evaluation.metrics:
        rows = comparison.results[metric]
        lower = ", lower is better" if metric in ERROR_RATES else ""
        header = ["system", LABELS[metric], "95 % interval", "difference", "p, bootstrap", "p, randomisation"]
        table = [_score_row(system.name, row, rows[0]) for system, row in zip(systems.systems, rows, strict=True)]
        parts += [
            Heading(f"{LABELS[metric]}{lower}"),
            Table(header, table, numbers=range(1, len(header))),
            Note(f"Signature: {rows[0].score.signature}"),
        ]
    if len(systems.systems) > 1:
        parts.append(Note(_ON_TESTS))
    if any(row.deviation is not None for row in comparison.results[comparison.main_metric]):
        parts.append(Note(_ON_SEEDS))
    return make_section("Scores", "scores", parts)


_ON_TESTS = (
    "p is the probability that a difference as large comes about by the choice of the test sentences, in the paired "
    "bootstrap (1,000 samples) and in paired approximate randomisation (10,000 trials), as sacreBLEU computes them. "
    "* marks p < 0.05. Of many comparisons one in twenty gets such a p by chance alone. A dash: no sentence is scored "
    "differently."
)
_ON_SEEDS = (
    "± is the standard deviation over runs that differ in their seed alone. Their interval and p are of the "
    "mean counts in each sentence: they tell how far the test sentences decide, ± how far the seed does."
)


def _score_row(name: str, row: Result, first: Result) -> list[str]:
    score = f"{row.score.score:.1f}"
    if row.deviation is not None:
        score = f"{fmean(row.runs):.1f} ± {row.deviation:.1f}"
    cells = [name, score, f"{row.score.low:.1f} – {row.score.high:.1f}"]
    if row is first:
        return [*cells, "", "", ""]
    if row.significance is None:
        return [*cells, "0.0", "–", "–"]
    chances = (row.significance.bootstrap, row.significance.randomisation)
    return [
        *cells,
        signed(fmean(row.runs) - fmean(first.runs)),
        *(f"{p:.4f}{'*' if p < _LEVEL else ''}" for p in chances),
    ]


def signed(number: float) -> str:
    """``+1.3`` or ``−0.4``."""
    return f"{number:+.1f}".replace("-", "−")


def contest_section(comparison: Comparison) -> Section:
    """Exact matches of each system, and how many sentences it wins and loses against the first."""
    systems, chrf = comparison.systems, comparison.results["chrf"]
    baseline, rows = chrf[0].statistics.sentence_scores(), []
    for system, result in zip(systems.systems, chrf, strict=True):
        matches = [exact_match(outputs, systems.references, systems.evaluation) for outputs in system.outputs]
        cells = ["", "", ""]
        if result is not chrf[0]:
            found = contest(baseline, result.statistics.sentence_scores())
            cells = [f"{count:,}" for count in (found.wins, found.ties, found.losses)]
        rows.append([system.name, f"{fmean(matches):.1%}", *cells])
    first = systems.systems[0].name
    header = ["system", "exact match", f"better than {first}", "equal", "worse"]
    note = Note(f"{len(systems.references):,} sentences, each judged by its own chrF2.")
    return make_section("Sentence by sentence", "sentences", [Table(header, rows, numbers=range(1, 5)), note])
