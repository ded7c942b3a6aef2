"""scripts/long_lag.py: the tasks are what they say, and the protocol finds a cell that solves them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

PATH = Path(__file__).parents[2] / "scripts" / "long_lag.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("long_lag", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["long_lag"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_recall_asks_for_the_symbol_at_step_0_at_exactly_that_lag(script: ModuleType) -> None:
    inputs, answers = script.draw_recall(4000, 7, generator())
    assert inputs.shape == (4000, 8, 16)
    ids = inputs.argmax(2)
    assert torch.equal(ids[:, 0], answers)
    assert sorted(answers.unique().tolist()) == list(range(8))
    assert sorted(ids[:, 1:].unique().tolist()) == list(range(8, 16))


def test_nothing_but_step_0_tells_the_answer_of_recall(script: ModuleType) -> None:
    inputs, answers = script.draw_recall(40_000, 3, generator())
    later = inputs.argmax(2)[:, 1:] - 8
    for step in later.T:
        together = torch.bincount(8 * answers + step, minlength=64) / len(answers)
        torch.testing.assert_close(together, torch.full((64,), 1 / 64), atol=0.005, rtol=0.0)


@pytest.mark.parametrize("lag", [4, 5, 20])
def test_adding_asks_for_the_sum_of_two_marked_values_in_the_first_half(script: ModuleType, lag: int) -> None:
    inputs, answers = script.draw_adding(500, lag, generator())
    values, marks = inputs.unbind(2)
    assert values.shape == (500, lag)
    assert sorted(marks.unique().tolist()) == [0, 1]
    assert (marks.sum(1) == 2).all()
    assert not marks[:, lag // 2 :].any()
    torch.testing.assert_close(answers, values[marks.bool()].view(500, 2).sum(1))


def test_always_saying_1_is_the_guess_of_adding(script: ModuleType) -> None:
    _, answers = script.draw_adding(40_000, 10, generator())
    score = script.squared_error(torch.ones(40_000, 1), answers)
    assert score.item() == pytest.approx(script.TASKS["adding"].guess, abs=0.003)


def test_no_two_draws_are_alike(script: ModuleType) -> None:
    source = generator()
    for task in script.TASKS.values():
        assert not torch.equal(task.draw(8, 10, source)[0], task.draw(8, 10, source)[0])


@pytest.mark.parametrize("cell", ["lstm", "gru", "peephole"])
def test_gates_start_at_the_scale_of_the_lag(script: ModuleType, cell: str) -> None:
    lag = 1000
    model = script.Reader(cell, 256, script.TASKS["recall"], lag)
    bias = model.cell.get_parameter("bias" if cell == "peephole" else "kernel.bias_ih_l0")
    gates = bias.chunk(3 if cell == "gru" else 4)
    steps = gates[1].exp()
    assert 1 <= steps.min() < 100
    assert 900 < steps.max() <= lag * 1.001
    torch.testing.assert_close(gates[0], torch.zeros(256) if cell == "gru" else -gates[1])
    assert not gates[2].any()


def test_a_tiny_lag_is_solved_by_the_lstm(script: ModuleType) -> None:
    options = script.parse(["--updates", "400", "--width", "16"])
    result = script.attempt(options, "lstm", "recall", 0, 5)
    assert result.lag == 5
    assert result.solved is not None
    assert result.solved % script.TEST_EVERY == 0
    assert result.score >= 0.995


def test_too_few_updates_are_a_failure_with_the_best_score_of_all_rates(script: ModuleType) -> None:
    options = script.parse(["--updates", "10", "--width", "8"])
    result = script.attempt(options, "rnn", "adding", 0, 5)
    scores = [script.train(options, "rnn", script.TASKS["adding"], 0, 5, rate)[0] for rate in options.rates]
    assert result.solved is None
    assert result.score == min(scores)


def test_tables_and_figure_say_what_was_solved_and_what_was_not_tried(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = script.parse(["--lags", "5", "10", "20", "--cells", "rnn", "lstm", "--tasks", "recall", "--seeds", "1"])
    good = [script.Result(5, 1.0, 150, 0.01, 2.0), script.Result(10, 0.998, 250, 0.001), script.Result(20, 1.0, 300)]
    bad = [script.Result(5, 0.25, None, 0.01), script.Result(10, 0.125, None, 0.01), script.Result(20)]
    rows = {("lstm", "recall", 0): good, ("rnn", "recall", 0): bad}
    script.print_tables(rows, options)
    printed = capsys.readouterr().out
    assert "| rnn | 0 | 25.0%, failed | 12.5%, failed | not tried | 0 |" in printed
    assert "**100.0%**, 150 | **99.8%**, 250 at rate 0.001 |" in printed
    script.draw_figure(rows, options, tmp_path / "figure.svg")
    assert "<svg" in (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_a_lag_without_room_for_two_marks_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.parse(["--lags", "3"])
    assert "use 4 or more" in capsys.readouterr().err
