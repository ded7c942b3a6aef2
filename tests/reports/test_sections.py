"""The sections of a run's page: each says what its numbers say."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from seq2seq.config.evaluation import EvaluationConfig
from seq2seq.evaluation.health import Health
from seq2seq.evaluation.statistics import statistics_of
from seq2seq.metrics.scores import scorer, settled_on
from seq2seq.recipe import load_recipe
from seq2seq.reports.breakdown import Words, breakdown_charts, breakdown_section
from seq2seq.reports.curves import curve, curves_section
from seq2seq.reports.description import training_section
from seq2seq.reports.faults import faults_section
from seq2seq.reports.phrases import PAPER, phrase_sets
from seq2seq.reports.scores import scores_section
from seq2seq.reports.selection import evenly
from seq2seq.reports.vectors import principal_components
from seq2seq.runs.history import Entry, Position

MANIFEST = {
    "files": {"model.safetensors": {"bytes": 2_500_000}},
    "versions": {"seq2seq": "1"},
    "updates": 30,
    "corpus": {
        "kept": 1234,
        "dropped": {"too long": 5},
        "validation": 7,
        "test": 8,
        "test sources in training": 0,
        "vocabulary": {"src": 100, "tgt": 200},
    },
}


def entry(kind: str, updates: int, **numbers: object) -> Entry:
    return Entry(kind, 0.0, Position(updates=updates, epochs=0.5, minutes=updates / 10), numbers)


def start(updates: int, machine: str = "a machine") -> Entry:
    return entry("start", updates, device="cpu", machine=machine, precision="fp32", processes=1)


def training(updates: int, loss: float) -> Entry:
    numbers = {"loss": loss, "perplexity": 2.0**loss, "tokens_per_second": 100.0, "learning_rate": 0.1, "skipped": 0}
    return entry("training", updates, **numbers)


def validation(updates: int, **scores: float) -> Entry:
    return entry("validation", updates, **{"perplexity": 5.0, "exact_match": 0.25, "best": True} | scores)


def test_curves_show_the_metrics_that_were_logged() -> None:
    section = curves_section([start(0), training(10, 2.0), validation(10, chrf=30.0), training(20, 1.0)])
    assert section is not None
    assert "validation chrF" in section.html
    assert "validation BLEU" not in section.html
    assert "| 10 | 2 | 5 | 30 | 25 |" in section.markdown
    assert "resumed" not in section.html


def test_the_table_of_many_validations_ends_with_the_last() -> None:
    section = curves_section([validation(updates, bleu=1.0) for updates in range(1, 101)])
    assert section is not None
    rows = re.findall(r"^\| (\d+) \|", section.markdown, flags=re.MULTILINE)
    assert len(rows) <= 12
    assert rows[-1] == "100"


def test_a_dashed_line_stands_where_training_was_resumed() -> None:
    once = curves_section([start(0), training(10, 2.0), training(20, 1.0)])
    twice = curves_section([start(0), training(10, 2.0), start(10), training(20, 1.0)])
    assert once is not None
    assert twice is not None
    assert 'class="mark"' not in once.html
    # loss, perplexity, learning rate, speed
    assert twice.html.count('class="mark"') == 4
    assert "resumed" in twice.html


def test_a_run_without_a_log_has_no_curves() -> None:
    assert curves_section([]) is None


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=2000))
def test_a_thinned_curve_keeps_the_mean_and_the_end(losses: list[float]) -> None:
    points = curve([training(number, loss) for number, loss in enumerate(losses, 1)], "training", "loss")
    assert len(points) <= 300
    assert points[-1].x == len(losses)
    assert min(losses) - 1e-9 <= min(point.y for point in points)
    assert max(point.y for point in points) <= max(losses) + 1e-9


def test_a_loss_that_is_not_finite_is_left_out() -> None:
    assert [point.x for point in curve([training(1, 2.0), training(2, float("nan"))], "training", "loss")] == [1]


def test_the_training_is_told_as_it_was() -> None:
    entries = [start(0), training(10, 2.0), start(10, "another"), training(40, 1.0)]
    section = training_section(load_recipe("reverse-digits"), MANIFEST, entries, 600_000)
    for fact in (
        "600,000 parameters, 2.5 MB",
        "1,234; dropped: 5 too long",
        "100 source pieces, 200 target pieces",
        "40 updates, 0.5 epochs, 4.0 minutes",
        "of update 30",
        "1 time",
        "a machine (cpu, fp32, 1 process); another (cpu, fp32, 1 process)",
    ):
        assert fact in section.html
        assert fact in section.markdown


def test_a_log_of_an_older_version_lacks_the_machine_only() -> None:
    old = entry("start", 0, device="cpu", precision="fp32", processes=2)
    section = training_section(load_recipe("reverse-digits"), MANIFEST, [old, training(10, 2.0)], 1)
    assert "unknown (cpu, fp32, 2 processes)" in section.markdown
    assert "no log is left" in training_section(load_recipe("reverse-digits"), MANIFEST, [], 1).markdown


def test_faults_are_counted_with_an_example() -> None:
    found = Health(4, 0.5, empty=[], unknown=[2], looping=[1, 3], copied=[])
    section = faults_section(found, [0], [], [3], ["a", "b b b", "<unk>", "c c c"], ["A", "B", "C", "D"])
    rows = section.markdown
    assert "| unknown word | 1 | 25.0% | C → &lt;unk> |" in rows
    assert "| a phrase three times in a row | 2 | 50.0% | B → b b b |" in rows
    assert "| source longer than the model reads | 1 | 25.0% | A → a |" in rows
    assert "0.500 words" in section.html


def test_long_sentences_that_are_worse_are_lower_in_the_chart() -> None:
    sources = ["a b c d"] * 40 + ["a b c d e f g h"] * 40
    outputs = sources[:40] + ["a b c d x y z w"] * 40
    evaluation = settled_on(EvaluationConfig(), [[source] for source in sources])
    statistics = statistics_of(scorer("bleu", evaluation), outputs, [[source] for source in sources])
    section = breakdown_section(
        breakdown_charts(Words("words", "source", list(map(str.split, sources)), None), {"": statistics}, "BLEU")
    )
    assert section is not None
    table = [line for line in section.markdown.splitlines() if re.match(r"\| [48] \|", line)]
    short, long = (float(line.split(" | ")[1].split()[0]) for line in table[:2])
    assert short == pytest.approx(100.0, abs=0.1)
    assert long < 60


def test_sentences_that_are_all_alike_have_no_breakdown() -> None:
    statistics = statistics_of(scorer("bleu", EvaluationConfig(tokenize="13a")), ["a"] * 5, [["a"]] * 5)
    assert (
        breakdown_section(breakdown_charts(Words("words", "source", [["a"]] * 5, None), {"": statistics}, "BLEU"))
        is None
    )


@pytest.mark.parametrize("language", range(len(PAPER)))
def test_phrases_are_in_the_language_of_the_sources(language: int) -> None:
    sources = [phrase for groups in PAPER[language] for group in groups for phrase in group.phrases]
    assert phrase_sets(sources) == PAPER[language]


@pytest.mark.parametrize("sources", [["12345", "6789", "24680"], ["uno dos tres", "a b c d", "hello my old friend"]])
def test_other_sources_get_their_own_words_in_other_orders(sources: list[str]) -> None:
    (groups,) = phrase_sets(sources)
    for group in groups:
        assert group.phrases[0] in sources
        assert len({tuple(sorted(phrase.replace(" ", ""))) for phrase in group.phrases}) == 1
        assert len(group.phrases) > 1


def test_sources_of_one_letter_have_no_phrases() -> None:
    assert not any(group.phrases for groups in phrase_sets(["a", "b", ""]) for group in groups)


def test_components_are_those_of_sklearn() -> None:
    vectors = np.random.default_rng(1).normal(size=(12, 30))
    found, expected = principal_components(vectors), PCA(2).fit_transform(vectors)
    assert np.allclose(np.abs(found), np.abs(expected))
    assert np.allclose(np.abs((found * expected).sum(0)), (expected**2).sum(0))


@pytest.mark.parametrize("shape", [(1, 5), (3, 1), (4, 2)])
def test_few_vectors_have_places_too(shape: tuple[int, int]) -> None:
    places = principal_components(np.random.default_rng(1).normal(size=shape))
    assert places.shape == (shape[0], 2)
    assert np.isfinite(places).all()


def test_labels_have_their_confusion_table() -> None:
    score = {"score": 50.0, "low": 40.0, "high": 60.0, "signature": "s", "note": "no 4-grams"}
    scores = {"split": "test", "sentences": 3, "beam": 1, "seconds": 1.0, "exact_match": 2 / 3, "bleu": score}
    labels = {"labels": ["pos", "neg"], "counts": [[1, 0, 0], [1, 1, 0]], "accuracy": 2 / 3}
    section = scores_section({**scores, "captions": None, "labels": labels})
    assert "BLEU (no 4-grams)" in section.html
    assert "Accuracy 66.7%" in section.markdown
    assert "| neg | 1 | 1 | 0 |" in section.markdown


@given(st.integers(0, 500), st.integers(1, 60))
def test_some_are_at_even_distances(count: int, most: int) -> None:
    chosen = evenly(range(count), most)
    assert len(chosen) <= most
    assert len({later - earlier for earlier, later in pairwise(chosen)}) <= 1
    assert list(chosen) == list(range(count)) or (count > most and chosen[0] == 0 and len(chosen) > most / 2)
