"""The learning-rate finder: a sound suggestion from any curve, and no trace of its training but a plot."""

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from seq2seq.config import Config, ModelConfig, TrainingConfig
from seq2seq.corpus.prepared import prepare
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError
from seq2seq.model.build import build_model
from seq2seq.recipe import load_recipe
from seq2seq.training.batches import BatchSource
from seq2seq.training.lr_find import RangeTest, lr_find, smooth, stand_in, suggest
from seq2seq.training.trainer import Trainer

RATES = [10 ** (-5 + update / 10) for update in range(51)]


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    data = tmp_path_factory.mktemp("data")
    small = ["data.train=2000", "data.validation_size=10", "data.test_size=10", "training.batch_tokens=300"]
    return [f"data.directory={data}", *small, "model.hidden_size=32", "model.embedding_size=16"]


@pytest.fixture(scope="module")
def found(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> RangeTest:
    plot = tmp_path_factory.mktemp("plots") / "new folder" / "digits.svg"
    return lr_find("reverse-digits", overrides=overrides, out=plot, device="cpu")


def bowl(rate: float) -> float:
    """Falls from 8 to 3 around a rate of 1e-3, explodes from 0.1 on."""
    return 3 + 5 / (1 + rate / 1e-3) + (rate / 0.1) ** 3


def test_rates_rise_geometrically_from_the_lowest(found: RangeTest) -> None:
    ratio = (1 / 1e-5) ** (1 / 199)
    assert found.rates[0] == pytest.approx(1e-5)
    assert all(later / rate == pytest.approx(ratio) for rate, later in pairwise(found.rates))
    assert len(found.rates) == len(found.losses) == len(found.smoothed) <= 200


def test_the_suggestion_comes_before_the_minimum_and_the_divergence(found: RangeTest) -> None:
    lowest = found.rates[found.smoothed.index(min(found.smoothed))]
    assert found.suggestion is not None
    assert found.rates[0] < found.suggestion <= lowest < found.rates[-1]
    assert f"training.learning_rate={found.suggestion:.2g}" in found.summary()


def test_training_at_the_suggested_rate_learns_more_than_far_below_or_above(
    found: RangeTest, overrides: list[str]
) -> None:
    assert found.suggestion is not None

    def loss(rate: float) -> float:
        settings = [*overrides, f"training.learning_rate={rate}", "training.max_updates=120"]
        config = load_recipe("reverse-digits", settings)
        prepared = prepare(config)
        model = build_model(config.model, len(prepared.vocabularies.src), len(prepared.vocabularies.tgt))
        batches = BatchSource(prepared, config.training, reverse=True)
        training = Trainer(model, batches, config.training, DeviceSpec.pick("cpu", "fp32"))
        for _ in training.steps():
            if training.state.updates == 90:
                training.read_window()
        return training.read_window()["loss"]

    learned = loss(found.suggestion)
    assert learned < 0.9 * found.losses[0]
    assert learned < loss(found.suggestion / 100)
    assert learned < loss(found.suggestion * 100)


def test_the_plot_is_an_svg(found: RangeTest) -> None:
    assert ElementTree.parse(found.plot).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_nothing_is_left_behind_but_the_plot(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("runs/reverse-digits/model.safetensors")
    run.parent.mkdir(parents=True)
    run.write_bytes(b"trained before")
    plot = lr_find("reverse-digits", overrides=overrides, device="cpu", updates=3).plot
    assert plot == Path("runs/reverse-digits-lr-find.svg")
    assert {path for path in Path().rglob("*") if path.is_file()} == {run, plot}
    assert run.read_bytes() == b"trained before"


def test_rates_too_low_to_learn_give_no_suggestion(overrides: list[str], tmp_path: Path) -> None:
    plot = tmp_path / "flat.png"
    flat = lr_find("reverse-digits", overrides=overrides, out=plot, device="cpu", updates=5, bounds=(1e-9, 1e-8))
    assert flat.suggestion is None
    assert "no learning rate to suggest: the loss never fell" in flat.summary()
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_network_without_a_finite_gradient_is_given_up_at_once(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "read_window", lambda self: {"skipped": 1})
    broken = lr_find("reverse-digits", overrides=overrides, out=tmp_path / "nan.svg", device="cpu", updates=5)
    assert len(broken.losses) == 1
    assert math.isnan(broken.losses[0])
    assert broken.suggestion is None


def test_a_bowl_that_explodes_gives_a_tenth_of_its_lowest_point() -> None:
    losses = [bowl(rate) for rate in RATES]
    lowest = RATES[losses.index(min(losses))]
    assert 0.01 < lowest < 0.1
    assert suggest(RATES, losses) == pytest.approx(lowest / 10)


@pytest.mark.parametrize("end", [math.nan, math.inf])
def test_what_follows_a_loss_that_is_not_finite_does_not_count(end: float) -> None:
    losses = [bowl(rate) for rate in RATES]
    assert suggest(RATES, [*losses[:40], end, 0.0]) == suggest(RATES[:40], losses[:40])


@pytest.mark.parametrize(
    "losses", [[], [math.nan], [3.0] * 51, [3 + 0.05 * (-1) ** update for update in range(51)], RATES]
)
def test_a_curve_that_never_falls_gives_no_suggestion(losses: list[float]) -> None:
    assert suggest(RATES, losses) is None


def test_smoothing_keeps_a_constant_and_lags_behind_a_fall() -> None:
    assert smooth([2.5] * 30, 10) == pytest.approx([2.5] * 30)
    fall = [float(-update) for update in range(200)]
    assert smooth(fall, 10)[-1] == pytest.approx(fall[-1] + 9, abs=1e-3)
    assert smooth(fall, 0.5) == pytest.approx(fall)


@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(hidden_size=1000, embedding_size=620, residual_from=2),
        ModelConfig(hidden_size=(256, 512, 1024), decoder_layers=2, decoder_hidden_size=300, bridge="project"),
        ModelConfig(encoder="bidirectional", attention="dot", hidden_size=500, embedding_size=3, layers=1),
        ModelConfig(hidden_size=31, embedding_size=7),
    ],
)
def test_the_stand_in_is_narrow_and_of_the_same_kind(model: ModelConfig) -> None:
    small = stand_in(Config(model=model, training=TrainingConfig(max_minutes=1)), updates=7).model
    widths = [*small.encoder_widths(), *small.decoder_widths(), small.embedding_size]
    before = [*model.encoder_widths(), *model.decoder_widths(), model.embedding_size]
    assert max(widths) == min(max(before), 128)
    assert all(one <= width for one, width in zip(widths, before, strict=True))
    assert (small.encoder, small.layers, small.decoder_layers) == (model.encoder, model.layers, model.decoder_layers)
    build_model(replace(small, dropout=0.0), 20, 20)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recipe": "reverse-digit"}, "did you mean reverse-digits"),
        ({"out": "plot.txt"}, r"must end in \.svg or \.png"),
        ({"updates": 1}, "needs rates 0 < low < high and 2 updates"),
        ({"bounds": (1.0, 0.1)}, "needs rates 0 < low < high and 2 updates"),
        ({"overrides": ["model.hidden_size=0"]}, "must lie between 1 and 65536"),
    ],
)
def test_impossible_settings_are_refused_before_any_work(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lr_find(**({"recipe": "reverse-digits"} | settings))
