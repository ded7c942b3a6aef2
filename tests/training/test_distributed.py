"""Many processes: what they take and exchange, and that two learn what one does with twice the batches."""

import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seq2seq.config import ModelConfig, TrainingConfig
from seq2seq.corpus.batching import Batch
from seq2seq.corpus.prepared import Prepared, prepare
from seq2seq.corpus.subword import PAD
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError, RunError, Seq2SeqError
from seq2seq.model.build import build_model
from seq2seq.model.state import Encoded
from seq2seq.recipe import load_recipe
from seq2seq.training.batches import BatchSource
from seq2seq.training.checkpoint import Checkpoint
from seq2seq.training.distributed import World
from seq2seq.training.trainer import Trainer

UPDATES = 4
# Model and training settings of trainings that two processes and one must end alike.
ALIKE: dict[str, dict[str, Any]] = {
    "plain": {},
    "attention": {"attention": "additive", "encoder": "bidirectional", "bridge": "project"},
    "same masks": {"dropout": 0.3, "variational": True, "word_dropout": 0.1},
    "adam, four batches": {"optimizer": "adam", "accumulate": 2},
}


def recipe_of(data: Path) -> list[str]:
    return [f"data.directory={data}", "data.train=400", "data.validation_size=5", "data.test_size=5"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def corpus(data: Path) -> Prepared:
    return prepare(load_recipe("reverse-digits", recipe_of(data)))


def trainer(corpus: Prepared, world: World, *, each: int = 1, **settings: Any) -> Trainer:
    """A tiny float64 training whose updates take ``each`` times the batches."""
    torch.manual_seed(5 + world.rank)  # those of the first process count
    ours = {key: value for key, value in settings.items() if hasattr(TrainingConfig(), key)}
    accumulate = ours.pop("accumulate", 1) * each
    training = TrainingConfig(
        **{"max_updates": 100, "batch_tokens": 60, "optimizer": "sgd", "learning_rate": 0.5, **ours},
        accumulate=accumulate,
    )
    others = {key: value for key, value in settings.items() if not hasattr(training, key)}
    model = ModelConfig(**{"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0, **others})
    device_spec = DeviceSpec.pick("cpu", "fp32")
    batches = BatchSource(corpus, training, reverse=True)
    return Trainer(build_model(model, 15, 15).double(), batches, training, device_spec, world=world)


def learn(training: Trainer, updates: int = UPDATES) -> dict[str, Any]:
    for _, _ in zip(range(updates), training.steps(), strict=False):
        pass
    return result(training)


def result(training: Trainer) -> dict[str, Any]:
    weights = [parameter.detach().numpy().copy() for parameter in training.model.parameters()]
    loss = training.read_window()["loss"]
    progress = training.state
    return {"weights": weights, "loss": loss, "place": (progress.updates, progress.epoch, progress.batch)}


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["place"] == other["place"]
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-9)
    for ours, theirs in zip(one["weights"], other["weights"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)


# --- what follows is done by two processes together ---


def together(rank: int, port: int, data: Path) -> dict[str, Any]:
    """All that the tests want to know of one of two processes, so that they are started only once."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    corpus = prepare(load_recipe("reverse-digits", recipe_of(data)))
    with World.join("cpu") as world:
        found = {name: learn(trainer(corpus, world, **settings)) for name, settings in ALIKE.items()}
        found["bad gradient"] = bad_gradient(trainer(corpus, world), rank)
        found["no memory"] = no_memory(trainer(corpus, world), rank)
        found["stop"] = stop(trainer(corpus, world), rank)
        found["window"] = window(trainer(corpus, world), trainer(corpus, world))
        found["clock"] = clock(trainer(corpus, world), rank)
        found["interleave"] = world.interleave(world.share("abcde")), world.interleave(world.share("a"))
        found["in turn"] = world.rank0_first(lambda: first_there(data / "mark"))
        found["from_rank0"] = world.from_rank0(lambda: f"by {rank}")
        found["copies"] = world.broadcast({"a": torch.arange(3.0), "b": torch.tensor([])} if rank == 0 else {})
        found["from_rank0 of failure"] = failure(world, Seq2SeqError)
        world.wait()
    found["threads left"] = sum(
        name.read_text() == "pt_gloo_runloop\n" for name in Path("/proc/self/task").glob("*/comm")
    )
    return found


def bad_gradient(training: Trainer, rank: int) -> dict[str, Any]:
    """The second of three updates has no finite gradient in one process."""
    steps = training.steps()
    next(steps)
    before = [parameter.detach().clone() for parameter in training.model.parameters()]
    poison = training.model.decoder.output.bias.register_hook(lambda grad: grad * (float("nan") if rank else 1.0))
    next(steps)
    poison.remove()
    kept = all(map(torch.equal, before, training.model.parameters()))
    next(steps)
    return {**result(training), "kept": kept, "skipped": training.state.skipped}


def no_memory(training: Trainer, rank: int) -> dict[str, Any]:
    if rank:
        run_short(training, most=4)
    return {**learn(training), "too large": training.state.oom_cells}


def run_short(training: Trainer, most: int) -> None:
    """Lets memory run out, halfway through the backward pass, where a batch has more than so many rows."""

    def check(grad: Tensor) -> None:
        if len(grad) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 TiB")

    def watch(_: object, __: object, encoded: Encoded) -> None:
        encoded.final.hidden[0].register_hook(check)

    training.model.encoder.register_forward_hook(watch)


def stop(training: Trainer, rank: int) -> tuple[int, int]:
    """One process is sent a signal after its second update."""
    for _ in training.steps(lambda: 15 if rank and training.state.updates >= 2 else 0):
        if training.stop:
            break
    return training.stop, training.state.updates


def window(one: Trainer, two: Trainer) -> list[dict[str, float]]:
    """What a training that was saved twice logs after four updates, and one that goes on from there."""
    for _, _ in zip(range(2), one.steps(), strict=False):
        one.gather_window()
    saved = one.checkpoint().copied()
    numbers = one.world.from_rank0(lambda: saved.numbers)
    two.restore(Checkpoint(one.world.broadcast(saved.tensors), numbers))
    told = []
    for training in (one, two):
        for _, _ in zip(range(2), training.steps(), strict=False):
            pass
        told.append({name: value for name, value in training.read_window().items() if name != "tokens_per_second"})
    return told


def clock(training: Trainer, rank: int) -> float:
    training.add_seconds(100.0 + 7.0 * rank)
    return training.state.seconds


def first_there(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def failure(world: World, kind: type[Exception]) -> str:
    def fail() -> None:
        raise kind("for a reason")

    try:
        world.from_rank0(fail)
    except (kind, SystemExit) as error:
        return type(error).__name__
    return "none"


# --- and judged here ---


@pytest.fixture(scope="module")
def two(corpus: Prepared, data: Path) -> Iterator[list[dict[str, Any]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        work = pool.starmap_async(together, [(rank, port, data) for rank in range(2)], chunksize=1)
        yield work.get(timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIKE)
def test_two_processes_are_one_with_twice_the_batches(name: str, two: list[dict[str, Any]], corpus: Prepared) -> None:
    same(two[0][name], learn(trainer(corpus, World(), each=2, **ALIKE[name])))
    for ours, theirs in zip(two[0][name]["weights"], two[1][name]["weights"], strict=True):
        assert (ours == theirs).all()


@pytest.mark.slow
def test_a_bad_gradient_in_one_is_skipped_by_all(two: list[dict[str, Any]]) -> None:
    same(two[0]["bad gradient"], two[1]["bad gradient"])
    assert all(each["bad gradient"]["kept"] and each["bad gradient"]["skipped"] == 1 for each in two)


@pytest.mark.slow
def test_memory_that_runs_out_in_one_changes_nothing(two: list[dict[str, Any]]) -> None:
    for each in two:
        same(each["no memory"], two[0]["plain"])
    assert two[0]["no memory"]["too large"] == two[1]["no memory"]["too large"] > 0


@pytest.mark.slow
def test_all_stop_at_the_same_update_and_have_one_clock(two: list[dict[str, Any]]) -> None:
    assert two[0]["stop"] == two[1]["stop"] == (15, 3)
    assert two[0]["clock"] == two[1]["clock"] == 100.0


@pytest.mark.slow
def test_the_log_of_several_goes_on_from_the_checkpoint_of_the_first(two: list[dict[str, Any]]) -> None:
    (undisturbed, resumed), (others, _) = two[0]["window"], two[1]["window"]
    assert undisturbed == resumed == others
    assert undisturbed["tokens"] > 0


@pytest.mark.slow
def test_what_they_tell_one_another(two: list[dict[str, Any]]) -> None:
    assert two[0]["interleave"] == two[1]["interleave"] == (list("abcde"), ["a"])
    assert [each["in turn"] for each in two] == [True, False]
    assert [each["from_rank0"] for each in two] == ["by 0", "by 0"]
    assert [{name: each["copies"][name].tolist() for name in "ab"} for each in two] == [{"a": [0, 1, 2], "b": []}] * 2
    assert [each["from_rank0 of failure"] for each in two] == ["Seq2SeqError", "SystemExit"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the threads in /proc")
def test_no_thread_of_theirs_is_left(two: list[dict[str, Any]]) -> None:
    """One that still works while the interpreter ends aborts the process. Here a ``World`` is still referred to."""
    assert [each["threads left"] for each in two] == [0, 0]


@dataclass(frozen=True)
class Unheard(World):
    """A process of many that has all to itself: enough to see what it takes."""

    def broadcast_in_place(self, tensors: object) -> None:
        """Keeps its own."""

    def gather(self, numbers: Any) -> list[list[float]]:
        return [list(numbers)] * self.size


Seen = list[list[tuple[tuple[int, ...], ...]]]


def seen(training: Trainer, updates: int, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """The target sentences of each update's batches."""
    found: Seen = []

    def note(batches: list[Batch]) -> None:
        found.append([tuple(map(tuple, batch.tgt_out.tolist())) for batch in batches])

    with monkeypatch.context() as patch:
        patch.setattr(training, "_update", note)
        for _, _ in zip(range(updates), training.steps(), strict=False):
            pass
    return found


@pytest.mark.parametrize(("size", "accumulate"), [(2, 1), (3, 1), (4, 1), (3, 2)])
def test_shares_are_disjoint_and_complete(
    size: int, accumulate: int, corpus: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer(corpus, World())
    epoch = len(list(whole.batches.epoch(0)))
    updates = epoch // (size * accumulate) + 2  # over the end of the epoch, wherever in an update that falls
    one = seen(trainer(corpus, World(), each=size * accumulate), updates, monkeypatch)
    shares = [
        seen(trainer(corpus, Unheard(rank, size), accumulate=accumulate), updates, monkeypatch) for rank in range(size)
    ]
    for update, all_of_it in enumerate(one):
        places = [shares[place % size][update][place // size] for place in range(size * accumulate)]
        assert places == all_of_it
    first = [batch for update in one for batch in update][:epoch]
    lines = [tuple(token for token in row if token != PAD)[:-1] for batch in first for row in batch]
    assert sorted(lines) == sorted(tuple(corpus.tgt[row]) for row in range(len(corpus.tgt.lengths())))


@pytest.mark.parametrize("bad", ["forward", "backward"])
def test_pieces_have_the_gradient_of_the_whole(
    bad: str, corpus: Prepared, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"accumulate": 3, "attention": "dot"}
    short = trainer(corpus, World(), **settings)
    if bad == "backward":
        run_short(short, most=2)
    else:
        short.model.register_forward_pre_hook(refuse_large)
    same(learn(short), learn(trainer(corpus, World(), **settings)))
    assert capsys.readouterr().err.count("out of memory") == 1
    assert short.checkpoint().numbers["oom_cells"] == short.state.oom_cells > 0


def refuse_large(_: object, arguments: tuple[Batch]) -> None:
    if len(arguments[0].tgt_out) > 3:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"
        )


def test_a_single_pair_that_is_too_much_is_an_error(corpus: Prepared) -> None:
    short = trainer(corpus, World())
    run_short(short, most=0)
    with pytest.raises(Seq2SeqError, match=r"single pair, \d+ source and \d+ target positions: lower data.max_tokens"):
        learn(short)


def test_other_errors_pass(corpus: Prepared) -> None:
    training = trainer(corpus, World())
    training.model.decoder.output.bias.register_hook(lambda grad: grad.fail)
    with pytest.raises(AttributeError):
        learn(training)


def test_one_process_needs_no_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with World.join("cpu") as world:
        assert (world.size, world.is_main, world.device) == (1, True, "cpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match=r"WORLD_SIZE is 2 but 'RANK' is not set"), World.join("cpu"):
        pass


def test_lost_processes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(_: Tensor) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(torch.distributed, "all_reduce", lose)
    with pytest.raises(RunError, match=r"process 1 of 2 has lost the others \(Connection closed by peer\)"):
        World(1, 2).sum(torch.ones(1))


@pytest.mark.parametrize("count", [1, 3])
def test_gradients_of_any_size_are_summed(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    double: Callable[[Tensor], Any] = lambda tensor: tensor.mul_(2)  # noqa: E731
    monkeypatch.setattr(torch.distributed, "all_reduce", double)
    monkeypatch.setattr("seq2seq.training.distributed._MESSAGE", count * 5)
    parameters = [torch.zeros(size, requires_grad=True) for size in ((2, 2), (3,), (50,), (1,), (4, 2))]
    parameters.append(torch.zeros(3))  # one that does not learn; and the first has no part in this process's batches
    for parameter in parameters[1:-1]:
        parameter.grad = torch.rand(parameter.shape)
    expected = [torch.zeros(2, 2), *(2 * parameter.grad for parameter in parameters[1:-1]), None]
    World(0, 2).sum_gradients(parameters)
    for parameter, wanted in zip(parameters, expected, strict=True):
        assert (parameter.grad is None) == (wanted is None)
        assert wanted is None or torch.equal(parameter.grad, wanted)
