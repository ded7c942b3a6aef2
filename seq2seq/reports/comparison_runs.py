"""Several runs: what they cost, in which settings they differ, and how they learned."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from seq2seq.evaluation.record import read_evaluation
from seq2seq.evaluation.systems import System, short_names
from seq2seq.reports.chart import Chart, Series, format_number
from seq2seq.reports.curves import METRICS, curve
from seq2seq.reports.parts import Figures, Heading, Note, Part, make_section
from seq2seq.reports.section import Section, Table
from seq2seq.runs.history import read_log
from seq2seq.runs.layout import MODEL, read_config


def runs_section(systems: Sequence[System]) -> Section | None:
    """Cost and differing settings of the systems that are runs; None if there are none."""
    trained = [system for system in systems if system.runs]
    if not trained:
        return None
    header = ["system", "runs", "updates", "minutes", "model, MB", "sentences per second"]
    parts: list[Part] = [Table(header, [_cost(system) for system in trained], numbers=range(1, len(header)))]
    settings = [_settings(system.runs[0]) for system in trained]
    differing = [name for name in settings[0] if len({str(one[name]) for one in settings}) > 1]
    if differing:
        rows = [[name, *(str(one[name]) for one in settings)] for name in differing]
        names = [system.name for system in trained]
        parts += [Heading("Settings that differ"), Table(["setting", *names], rows)]
    parts.append(
        Note("Updates and minutes are those of the whole training; speed is that of the evaluation, as it ran.")
    )
    return make_section("Runs", "runs", parts)


def _cost(system: System) -> list[str]:
    logs = [read_log(run) for run in system.runs]
    last = [entries[-1].position for entries in logs if entries]
    scores = [read_evaluation(run) for run in system.runs]
    numbers = [
        fmean(position.updates for position in last) if last else None,
        fmean(position.minutes for position in last) if last else None,
        fmean((run / MODEL).stat().st_size / 1e6 for run in system.runs),
        fmean(one["sentences"] / max(one["seconds"], 1e-9) for one in scores),
    ]
    shown = ["–" if number is None else format_number(number) for number in numbers]
    return [system.name, str(len(system.runs)), *shown]


def _settings(run: Path) -> dict[str, Any]:
    """Every setting by its name, but the seed."""
    tables = asdict(read_config(run))
    settings = {f"{table}.{key}": value for table, content in tables.items() for key, value in content.items()}
    del settings["training.seed"]
    return settings


def compared_curves_section(systems: Sequence[System]) -> Section | None:
    """Validation scores of the runs over updates and over minutes; None if there is no log."""
    runs = [run for system in systems for run in system.runs]
    logs = {name: read_log(run) for name, run in zip(short_names(runs), runs, strict=True)}
    charts: list[Chart] = []
    for metric, (title, factor) in {"perplexity": ("perplexity", 1.0), **METRICS}.items():
        units: tuple[Literal["updates", "minutes"], ...] = ("updates", "minutes")
        for unit in units:
            series = [Series(name, curve(log, "validation", metric, factor, unit)) for name, log in logs.items()]
            if any(one.points for one in series):
                label = f"validation {title}, by {unit}"
                charts.append(Chart(label, series, unit, label, logarithmic=metric == "perplexity"))
    return make_section("Learning curves", "curves", [Figures(charts, [])]) if charts else None
