"""Which devices a model is trained on, and which of them holds each of its parts."""

from seq2seq.config import TrainingConfig
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.vision.encoder import ImageEncoder
from seq2seq.training.distributed import World


def choose_devices(config: TrainingConfig, world: World, device: str) -> DeviceSpec:
    """The device named on the command line, or else those of ``training.device_map``.

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
    """Moves a model to its device, or each of its layers to the layer's own device.

    Layer n of the encoder and layer n of the decoder share a device, as in Sutskever et al. 2014, §3.5, so that the
    state passes from one to the other without a copy. What precedes the layers (embeddings, bridge, attention) lies on
    the first device, what follows them (readout, output layer) on the last.
    """
    if not device_spec.layers or isinstance(model.encoder, ImageEncoder):
        model.to(device_spec.device)
        return
    encoder, decoder, layers = model.encoder, model.decoder, device_spec.layers
    stacks = {encoder.stack: layers, decoder.bottom: layers[:1], decoder.upper: layers[1:]}
    for stack, devices in stacks.items():
        stack.spread(devices)
    after = decoder.readout, decoder.output
    for part in {*encoder.children(), *decoder.children()} - stacks.keys():
        part.to(layers[-1] if part in after else device_spec.device)
