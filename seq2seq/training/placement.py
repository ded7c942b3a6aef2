"""The devices that a model is trained on, and the device of each of its parts."""

from seq2seq.config import TrainingConfig
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.training.distributed import World


def choose_devices(config: TrainingConfig, world: World, device: str) -> DeviceSpec:
    """The devices of ``training.device_map``, unless there is none or the command line names a device.

    Args:
        config: the ``[training]`` table.
        world: the processes that train together.
        device: ``auto``, ``cpu``, ``cuda``, as given on the command line.

    Raises:
        ConfigError: no such device, or a device map for several processes.
    """
    if not config.device_map or device != "auto":
        return DeviceSpec.pick(world.device, config.precision)
    if world.size > 1:
        raise ConfigError(
            f"training.device_map is for one process, found {world.size}: start one, or set training.device_map=[]"
        )
    return DeviceSpec.spread(config.device_map, config.precision)


def move_to_devices(model: Seq2Seq, device_spec: DeviceSpec) -> None:
    """Moves a model to its device, or each of its layers to a device of its own.

    Layer n of the encoder and layer n of the decoder share a device, as in Sutskever et al. 2014, §3.5, so that the
    state passes from one to the other without a copy. The parts below the layers (embeddings, bridge, attention) go to
    the first device, those above (readout, output layer) to the last.
    """
    encoder, decoder, layers = model.encoder, model.decoder, device_spec.layers
    if not layers:
        model.to(device_spec.device)
        return
    stacks = {part: layers for part in encoder.children() if isinstance(part, RecurrentStack)}
    stacks |= {decoder.bottom: layers[:1], decoder.upper: layers[1:]}
    for stack, devices in stacks.items():
        stack.spread(devices)
    last = decoder.readout, decoder.output
    for part in {*encoder.children(), *decoder.children()} - stacks.keys():
        part.to(layers[-1] if part in last else device_spec.device)
