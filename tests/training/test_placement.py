"""Layers on devices of their own: nothing changes but where they lie."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from seq2seq.corpus.batching import collate
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.recipe import build_config, load_recipe, to_toml
from seq2seq.training.distributed import World
from seq2seq.training.objective import cross_entropy
from seq2seq.training.placement import choose_devices, move_to_devices

MODELS = [
    {"attention": "general"},
    {"attention": "general", "encoder": "bidirectional", "input_feeding": True},
    {"attention": "additive", "encoder": "convolutional", "bridge": "mean"},
    {"bridge": "every-step", "cell": "gru"},
    {"bridge": "first-input", "cell": "peephole"},
    {"bridge": "project", "cell": "layernorm", "residual_from": 2},
]
BATCH = collate([[5, 6, 7], [8, 9]], [[5, 6], [7, 8, 9]], reverse=True)


def spread(*devices: str) -> DeviceSpec:
    return DeviceSpec(torch.device(devices[0]), torch.float32, layers=tuple(map(torch.device, devices)))


@pytest.fixture
def make(tiny_model: Callable[..., Seq2Seq]) -> Callable[..., Seq2Seq]:
    """A model of two layers with nothing tied, the same each time."""

    def made(settings: dict[str, object]) -> Seq2Seq:
        torch.manual_seed(1)
        return tiny_model(tie_embeddings="none", **settings)

    return made


def learn(model: Seq2Seq) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The loss of a batch and the gradient of each parameter."""
    batch = BATCH.to(model.encoder.embedding.weight.device)
    loss = cross_entropy(model(batch), model.decoder.output, batch.tgt_out, smoothing=0.1).smoothed
    loss.backward()
    return loss.detach().cpu(), [parameter.grad.cpu() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("settings", MODELS, ids=str)
def test_every_layer_lies_where_it_is_told(settings: dict[str, object], make: Callable[..., Seq2Seq]) -> None:
    model = make(settings)
    move_to_devices(model, spread("cpu", "meta"))
    devices = {name: parameter.device.type for name, parameter in model.named_parameters()}
    above = ("encoder.stack.layers.1.", "decoder.upper.", "decoder.readout.", "decoder.output.")
    assert devices == {name: "meta" if name.startswith(above) else "cpu" for name in devices}


class TwoDevices(TorchFunctionMode):
    """The CPU and "meta", where nothing has numbers, as two devices: no operation may join what lies on both.

    What comes back from meta is made up.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.to and not isinstance(args[1], torch.dtype):
            device = getattr(args[1], "device", args[1])
            return torch.zeros_like(args[0], device=device) if args[0].is_meta else args[0].to(device)
        # An index may lie on the CPU, and so may numbers of which one goes with all.
        if func is not torch.Tensor.__getitem__:
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.dim()]
            assert len({tensor.device for tensor in tensors}) <= 1, func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("settings", MODELS, ids=str)
def test_nothing_meets_what_lies_elsewhere(settings: dict[str, object], make: Callable[..., Seq2Seq]) -> None:
    model = make(settings)
    move_to_devices(model, spread("cpu", "meta"))
    with TwoDevices(), torch.no_grad():
        features = model(BATCH)
        logits, state = model.decoder.step(BATCH.tgt_in[:, 0], model.encode(BATCH)[1])
        again, _ = model.decoder.step(
            torch.tensor([5, 6, 7]), state.select(torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1]))
        )
    assert (features.device.type, features.shape) == ("meta", (2, 4, 12))
    assert (logits.device.type, again.device.type, again.shape) == ("cpu", "cpu", (3, 20))


@pytest.mark.parametrize("devices", [("cpu", "cpu"), pytest.param(("cuda", "cpu"), marks=pytest.mark.gpu)])
@pytest.mark.parametrize("settings", MODELS, ids=str)
def test_a_spread_model_learns_the_same(
    settings: dict[str, object], devices: tuple[str, ...], make: Callable[..., Seq2Seq]
) -> None:
    expected, gradients = learn(make(settings))
    model = make(settings).train()  # cuDNN goes back through nothing else
    move_to_devices(model, spread(*devices))
    loss, found = learn(model)
    torch.testing.assert_close(loss, expected)
    for one, other in zip(found, gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_settings_that_cannot_be_spread_are_refused() -> None:
    training = {"max_updates": 1, "device_map": ["cpu", "cpu"]}
    for settings in ({"layers": 3}, {"decoder_layers": 1}, {"tie_embeddings": "target"}):
        tables = {"model": {"layers": 2, "tie_embeddings": "none", **settings}, "training": training}
        with pytest.raises(ConfigError, match="device_map"):
            build_config(tables)


def test_devices_of_two_kinds_have_no_half_precision_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: tensor)  # "meta" stands for a device that can be read
    with pytest.raises(ConfigError, match="different kinds"):
        DeviceSpec.spread(["cpu", "meta"], "bf16")
    device_spec = DeviceSpec.spread(["cpu", "meta"], "fp32")
    assert (device_spec.device.type, [device.type for device in device_spec.layers]) == ("cpu", ["cpu", "meta"])


def test_a_map_is_for_one_process_and_gives_way_to_the_command_line() -> None:
    model = {"layers": 2, "tie_embeddings": "none"}
    training = {"max_updates": 1, "precision": "fp32", "device_map": ["cpu", "cpu"]}
    config = build_config({"model": model, "training": training}).training
    with pytest.raises(ConfigError, match="one process, found 2"):
        choose_devices(config, World(0, 2, device="cuda:0"), "auto")
    assert len(choose_devices(config, World(), "auto").layers) == 2
    assert not choose_devices(config, World(device="cpu"), "cpu").layers


def test_a_map_is_written_and_read_back(tmp_path: Path) -> None:
    for devices in ([], ["cuda:0", "cpu"]):
        model = {"layers": 2, "tie_embeddings": "none"}
        config = build_config({"model": model, "training": {"max_updates": 1, "device_map": devices}})
        (tmp_path / "config.toml").write_text(to_toml(config), encoding="utf-8")
        assert load_recipe(str(tmp_path / "config.toml")) == config
        assert config.training.device_map == tuple(devices)
