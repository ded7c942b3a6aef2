"""Two tiny runs, and a server of them on loopback in a thread."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
import uvicorn
from web_client import Client

from seq2seq.config import Config, DataConfig, ModelConfig, SubwordConfig, TrainingConfig
from seq2seq.corpus.subword import Subword, Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.readers import Member
from seq2seq.device import DeviceSpec
from seq2seq.model.build import build_model
from seq2seq.serving.app import build_app
from seq2seq.serving.models import Album, Models, Served, load_models
from seq2seq.serving.serve import configure, listen
from seq2seq.serving.settings import ServerSettings
from seq2seq.training.train import train

Start = Callable[..., Client]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """From English to Spanish with attention, and from Spanish to English without; of digits, barely trained."""
    folder = tmp_path_factory.mktemp("served")
    common = [f"data.directory={folder / 'data'}", "data.train=300", "data.validation_size=5", "data.test_size=5"]
    common += ["training.max_updates=20", "model.hidden_size=16", "model.layers=1"]
    english = ["data.src_language=en", "data.tgt_language=es", "model.attention=dot"]
    spanish = ["data.src_language=es", "data.tgt_language=en"]
    return (
        train("reverse-digits", run=folder / "en-es", overrides=common + english, device="cpu"),
        train("reverse-digits", run=folder / "es-en", overrides=common + spanish, device="cpu"),
    )


@pytest.fixture(scope="session")
def models(runs: tuple[Path, Path]) -> Models:
    """The runs in memory, in float32."""
    return load_models(ServerSettings(runs=runs, device="cpu", precision="fp32"))


@pytest.fixture(scope="session")
def captioning() -> Models:
    """A captioner that knows nothing, whose captions differ from picture to picture."""
    config = Config(
        data=DataConfig(format="emoji", path="en"),
        subword=SubwordConfig(type="char", byte_fallback=False),
        model=ModelConfig(
            **{"encoder": "image", "bridge": "project", "tie_embeddings": "none"},
            **{"layers": 1, "hidden_size": 32, "embedding_size": 16, "dropout": 0.0},
        ),
        training=TrainingConfig(max_updates=1),
    )
    generator = torch.Generator().manual_seed(1)
    subword = Subword.train(["a red circle", "the blue square"], config.subword, vocab_size=30)
    model = build_model(config.model, len(subword), len(subword)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            size = parameter[0].numel() if parameter.dim() > 1 else torch.inf
            parameter.normal_(std=(3 / size) ** 0.5, generator=generator)
    album = Album()
    member = Member(model, Vocabularies(subword, subword), config, TargetLengths(((1, 50),)))
    captioner = Captioner([member], DeviceSpec.pick("cpu", "fp32"), album)
    return {"pictures": Served("pictures", captioner, source="", target="en", card="", album=album)}


@contextmanager
def serving(models: Models, runs: tuple[Path, ...], **settings: object) -> Iterator[Client]:
    """A server of these models in a thread."""
    chosen = ServerSettings(runs=runs, port=0, **settings)
    with listen(chosen) as listening:
        server = uvicorn.Server(configure(chosen, build_app(chosen, models)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def server(models: Models, runs: tuple[Path, Path]) -> Iterator[Client]:
    """A server with the default limits."""
    with serving(models, runs) as client:
        yield client


@pytest.fixture
def start(models: Models, runs: tuple[Path, Path]) -> Iterator[Start]:
    """Starts servers with other settings, or other models."""
    with ExitStack() as stack:
        yield lambda models=models, **settings: stack.enter_context(serving(models, runs, **settings))
