"""Several systems in numbers: scores with significance, wins and losses."""

from statistics import fmean

from seq2seq.config.evaluation import MetricName
from seq2seq.evaluation.comparison import Comparison, Result
from seq2seq.evaluation.contest import contest
from seq2seq.metrics.names import ERROR_RATES, LABELS
from seq2seq.metrics.scores import exact_match, four_grams, note_on_ngrams
from seq2seq.reports.parts import Heading, Note, Part, make_section
from seq2seq.reports.section import Section, Table

_LEVEL = 0.05
_ON_TESTS = (
    "p: the probability that equally good systems differ as much by the choice of the test sentences, in the paired "
    "bootstrap (1,000 samples) and in paired approximate randomisation (10,000 trials), as sacreBLEU computes it. "
    "* marks p < 0.05, in the first table by both tests. Of many comparisons of equals one in twenty gets such a p."
)
_ON_SEEDS = (
    "±: the standard deviation over runs that differ in their seed alone. Their intervals and p are of the mean counts "
    "in each sentence: they tell how much depends on the test sentences, and ± how much depends on the seed."
)


def scores_section(comparison: Comparison) -> Section:
    """All scores in one table; then one for each metric, with intervals and p-values."""
    systems, several = comparison.systems, len(comparison.systems.systems) > 1
    parts: list[Part] = [_overview(comparison), Note(_ON_TESTS)] if several else []
    if any(row.deviation is not None for row in comparison.results[comparison.main_metric]):
        parts.append(Note(_ON_SEEDS))
    for metric in systems.evaluation.metrics:
        note = f"Signature: {comparison.results[metric][0].score.signature}"
        if metric == "bleu" and (warning := note_on_ngrams(four_grams(systems.references, systems.evaluation))):
            note = f"This score means little: {warning}. {note}"
        parts += [Heading(_title(metric)), _table(comparison, metric), Note(note)]
    return make_section("Scores", "scores", parts)


def _overview(comparison: Comparison) -> Table:
    """A row for each system: its scores, in brackets their differences to the first system's."""
    metrics = comparison.systems.evaluation.metrics
    rows = []
    for number, system in enumerate(comparison.systems.systems):
        cells = []
        for metric in metrics:
            first, result = comparison.results[metric][0], comparison.results[metric][number]
            cells.append(
                f"{_score(result)} ({_difference(result, first)}{_star(result)})" if number else _score(result)
            )
        rows.append([system.name, *cells])
    return Table(["system", *map(_title, metrics)], rows, numbers=range(1, len(metrics) + 1))


def _table(comparison: Comparison, metric: MetricName) -> Table:
    """A row for each system: what one metric says of it."""
    first, *_ = results = comparison.results[metric]
    rows = []
    for system, result in zip(comparison.systems.systems, results, strict=True):
        interval = f"{result.score.low:.1f} – {result.score.high:.1f}"
        rows.append([system.name, _score(result), interval, *_compared(result, first)])
    header = ["system", LABELS[metric], "95 % interval", "difference", "p, bootstrap", "p, randomisation"]
    columns = len(header) if len(rows) > 1 else 3
    return Table(header[:columns], [row[:columns] for row in rows], numbers=range(1, columns))


def _compared(result: Result, first: Result) -> list[str]:
    """Difference and p-values; a dash where there is nothing to test."""
    if result is first:
        return ["", "", ""]
    if result.significance is None:
        return [_difference(result, first), "–", "–"]
    chances = (result.significance.bootstrap, result.significance.randomisation)
    return [_difference(result, first), *(f"{p:.4f}{'*' if p < _LEVEL else ''}" for p in chances)]


def _title(metric: MetricName) -> str:
    return f"{LABELS[metric]}, lower is better" if metric in ERROR_RATES else LABELS[metric]


def _score(result: Result) -> str:
    if result.deviation is None:
        return f"{result.score.score:.1f}"
    return f"{fmean(result.runs):.1f} ± {result.deviation:.1f}"


def _difference(result: Result, first: Result) -> str:
    """``+1.3``, ``−0.4`` or ``0.0``."""
    shown = f"{fmean(result.runs) - fmean(first.runs):+.1f}".replace("-", "−")
    return shown if float(shown[1:]) else shown[1:]


def _star(result: Result) -> str:
    found = result.significance
    return "*" if found and max(found.bootstrap, found.randomisation) < _LEVEL else ""


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
    header = ["system", "exact match", "better", "equal", "worse"]
    columns = len(header) if len(rows) > 1 else 2
    table = Table(header[:columns], [row[:columns] for row in rows], numbers=range(1, columns))
    note = Note(f"Sentences that are better or worse than those of {systems.systems[0].name}, by their own chrF2.")
    return make_section("Sentence by sentence", "sentences", [table, note] if len(rows) > 1 else [table])
