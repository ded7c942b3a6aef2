"""What several test files need: one thread a process, tiny models and a tiny run."""

import os
from collections.abc import Callable
from pathlib import Path

# Before torch is imported, and inherited by the processes that tests start. The suite runs several workers
# (make test), and threads of several processes that spin for one another on the same cores made it nine times slower.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch

from seq2seq.config import ModelConfig
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.training.train import train


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts the longest tests first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: (not item.path.match("tests/system/*"), item.get_closest_marker("slow") is None))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips tests that need a GPU where there is none."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a GPU")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is read from or written to the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(20140910)


@pytest.fixture
def tiny_model() -> Callable[..., Seq2Seq]:
    """Makes a small float64 model in evaluation mode, with any settings changed."""

    def make(vocab: int = 20, **settings: object) -> Seq2Seq:
        defaults = {"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0}
        return build_model(ModelConfig(**(defaults | settings)), vocab, vocab).double().eval()

    return make


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of reverse-digits, barely trained: good enough for everything but quality."""
    folder = tmp_path_factory.mktemp("digits run")
    overrides = [f"data.directory={folder / 'data'}", "data.train=3000", "data.validation_size=20", "data.test_size=30"]
    overrides += ["training.max_updates=40", "training.validate_every=20", "model.hidden_size=32", "model.layers=2"]
    return train("reverse-digits", run=folder / "run", overrides=overrides, device="cpu")


@pytest.fixture(scope="session")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose target vocabulary is another than that of ``digits_run``."""
    folder = tmp_path_factory.mktemp("other run")
    overrides = [f"data.directory={folder / 'data'}", "data.train=500", "data.validation_size=20", "data.test_size=20"]
    overrides += ["training.max_updates=2", "model.hidden_size=16", "model.layers=1", "subword.byte_fallback=false"]
    return train("reverse-digits", run=folder / "run", overrides=overrides, device="cpu")
