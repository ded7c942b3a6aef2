"""The run's README: true of the model, with every score, and whole whatever the texts are."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from huggingface_hub import ModelCard

from seq2seq.config import Config, ModelConfig
from seq2seq.decoding.outputs import EMPTY
from seq2seq.decoding.predictor import Predictor
from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.recipe import load_recipe
from seq2seq.reports.model_card import model_card

SCORE = {"score": 31.26, "low": 29.84, "high": 32.55, "signature": "nrefs:1|case:mixed", "note": ""}


@pytest.fixture
def evaluated(tmp_path: Path) -> EvaluatedRun:
    scores: dict[str, Any] = {"split": "test", "sentences": 200, "beam": 5, "seconds": 4.0, "exact_match": 0.125}
    scores |= {"bleu": SCORE, "chrf": SCORE, "ter": SCORE, "captions": None}
    sources = [f"source {number}" for number in range(200)]
    return EvaluatedRun(
        folder=tmp_path / "my run",
        config=load_recipe("reverse-digits"),
        scores=scores,
        predictor=cast(Predictor, None),
        pictures=None,
        sources=sources,
        references=[[source.upper(), "another"] for source in sources],
        outputs=[replace(EMPTY, text=f"output {number}") for number in range(200)],
    )


def rows(card: str, heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its first two lines."""
    table = card.partition(f"## {heading}\n")[2].partition("\n##")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"layers": 1},
            "1 LSTM layer reads the source back to front, 1 LSTM layer writes the target without attention.",
        ),
        (
            {"cell": "gru"},
            "3 GRU layers read the source back to front, 3 GRU layers write the target without attention.",
        ),
        (
            {
                "encoder": "bidirectional",
                "cell": "layernorm",
                "decoder_cell": "peephole",
                "decoder_layers": 1,
                "bridge": "mean",
            },
            "3 layer-normalised LSTM layers read the source in both directions, "
            "1 peephole LSTM layer writes the target without attention.",
        ),
        (
            {"reverse_source": False, "layers": 2, "attention": "additive"},
            "2 LSTM layers read the source front to back, 2 LSTM layers write the target with additive attention.",
        ),
    ],
)
def test_the_description_is_of_the_model(settings: dict[str, Any], sentence: str, evaluated: EvaluatedRun) -> None:
    config: Config = replace(evaluated.config, model=ModelConfig(**settings))
    card = model_card(replace(evaluated, config=config))
    assert f"A recurrent sequence-to-sequence model: {sentence}" in card
    assert "Trained on reverse with seq2seq;" in card


def test_the_description_of_a_captioner(evaluated: EvaluatedRun) -> None:
    captions = {**{f"bleu{order}": 10.0 * order for order in range(1, 5)}, "cider_d": 0.855, "signature": "refs:5"}
    config = load_recipe("emoji-captions")
    card = model_card(replace(evaluated, config=config, scores={**evaluated.scores, "captions": captions}))
    assert "a convolutional network (efficientnet-lite0) encodes the picture, " in card
    assert "\nseq2seq caption --model . picture.jpg\n" in card
    assert "\n200 pictures of test," in card
    added = rows(card, "Scores")[3:]
    assert [row[0] for row in added] == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D (0 to 10)"]
    assert [row[1] for row in added] == ["10.00", "20.00", "30.00", "40.00", "0.85"]


def test_every_score_has_its_interval_and_signature(evaluated: EvaluatedRun) -> None:
    card = model_card(evaluated)
    assert "\n# my run\n" in card
    assert "\n200 sentences of test, beam 5, 50 per second, exact match 12.5%.\n" in card
    table = rows(card, "Scores")
    assert [row[0] for row in table] == ["BLEU", "chrF2", "TER (lower is better)"]
    assert {tuple(row[1:]) for row in table} == {("31.3", "29.8 – 32.5", "nrefs:1\\|case:mixed")}


def test_samples_are_spread_over_the_set(evaluated: EvaluatedRun) -> None:
    table = rows(model_card(evaluated), "Samples")
    numbers = [int(row[0].removeprefix("source ")) for row in table]
    assert numbers == list(range(0, 200, 17))
    assert table == [[f"source {n}", f"SOURCE {n}", f"output {n}"] for n in numbers]


def test_a_text_cannot_break_the_table(evaluated: EvaluatedRun) -> None:
    texts = ["a|b\n<script>\\", "word " * 200]
    outputs = [replace(EMPTY, text=text) for text in texts]
    table = rows(
        model_card(replace(evaluated, sources=["x", "y"], references=[["x"], ["y"]], outputs=outputs)), "Samples"
    )
    assert table[0] == ["x", "x", "a\\|b &lt;script>\\\\"]
    assert table[1][2].endswith("…")
    assert len(table[1][2]) <= 500


def test_hubs_read_the_front_matter(evaluated: EvaluatedRun) -> None:
    data = replace(
        evaluated.config.data, src_language="en", tgt_language="es", licence="cc-by-2.0", format="hub", path="wmt/wmt14"
    )
    card = ModelCard(model_card(replace(evaluated, config=replace(evaluated.config, data=data)))).data
    assert (card.language, card.license, card.datasets) == (["en", "es"], "cc-by-2.0", ["wmt/wmt14"])
    assert {result.metric_type: result.metric_value for result in card.eval_results} == {
        "bleu": 31.26,
        "chrf": 31.26,
        "ter": 31.26,
        "exact_match": 0.125,
    }
    assert {result.dataset_split for result in card.eval_results} == {"test"}
    assert {result.task_type for result in card.eval_results} == {"translation"}


@pytest.mark.parametrize("name", ["a: b # c", "'", '"', "\u202e", "- [x]", "null", "1e3"])
def test_any_name_is_a_name_in_the_front_matter(name: str, evaluated: EvaluatedRun) -> None:
    assert ModelCard(model_card(replace(evaluated, folder=evaluated.folder / name))).data.model_name == name
